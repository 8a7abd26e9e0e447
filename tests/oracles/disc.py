"""DISC in plain loops over examples, from the text of its paper."""

import math


def judged(views, label, before, momentum, margin):
    """Right in how many views, label to be mixed or -1, and thresholds after, of one example."""
    right = sum(p[label] > bound for p, bound in zip(views, before, strict=True))
    mean = [(weak + strong) / 2 for weak, strong in zip(*views, strict=True)]
    target = label if right else -1
    if not right and max(mean) > min(sum(before) / 2 + margin, 0.99):
        target = mean.index(max(mean))
    pairs = zip(before, views, strict=True)
    return right, target, [momentum * bound + (1 - momentum) * max(p) for bound, p in pairs]


def log_softmax(row):
    top = max(row)
    total = top + math.log(sum(math.exp(z - top) for z in row))
    return [z - total for z in row]


def fitted(views, labels, right, q, weight):
    """The loss of clean and hard labels of a batch, from logits of two views."""
    total = 0.0
    for view in views:
        for row, label, count in zip(view, labels, right, strict=True):
            log_p = log_softmax(row)[label]
            if count == 2:
                total -= log_p
            elif count == 1:
                total += weight * (1 - math.exp(log_p) ** q) / q
    return total / len(labels)


def mixed(views, targets, orders, mixes):
    """The mean cross-entropy of what is mixed, of logits of two mixed views, summed."""
    total = 0.0
    for view, order, mix in zip(views, orders, mixes, strict=True):
        line = sorted((b for b, y in enumerate(targets) if y >= 0), key=lambda b: order[b])
        for place, b in enumerate(line):
            log_p, other = log_softmax(view[b]), line[(place + 1) % len(line)]
            own = mix * log_p[targets[b]] + (1 - mix) * log_p[targets[other]]
            total -= own / len(line)
    return total


def plain(views, labels):
    """The cross-entropy on both views, of the warm-up."""
    each = [-log_softmax(row)[y] for view in views for row, y in zip(view, labels, strict=True)]
    return sum(each) / len(labels)
