"""ProMix as its paper and its authors' code write it: lists in, numbers out, loops."""

import math

from tests.oracles.methods import mean, softmax


def easiest_of_each_class(rows, labels, share):
    """The positions of class-wise small-loss selection (Xiao et al. 2023, section 3.1)."""
    classes, easiest = len(rows[0]), set()
    for k in range(classes):
        own = [i for i, y in enumerate(labels) if y == k]
        own.sort(key=lambda i, k=k: -math.log(softmax(rows[i])[k]))
        easiest |= set(own[: max(1, math.ceil(len(labels) / classes * share))])
    return easiest


def confident(rows, labels, chosen, tau):
    """Those positions and the matched confident ones (section 3.1)."""
    return chosen | {i for i, row in enumerate(rows) if softmax(row)[labels[i]] > tau}


def guessed(nets, chosen, tau, fill):
    """What both networks are sure of and agree on, up to a share of the batch (section 3.3)."""
    count, sure = len(nets[0]), []
    if len(chosen) / count >= fill:
        return set()
    for i, (first, second) in enumerate(zip(*nets, strict=True)):
        p, q = softmax(first), softmax(second)
        alike = p.index(max(p)) == q.index(max(q))
        if i not in chosen and alike and max(p) > tau and max(q) > tau:
            sure.append(((max(p) + max(q)) / 2, i))
    sure.sort(reverse=True)
    return {i for _, i in sure[: int(count * fill) - len(chosen)]}


def shifted(row, bias, by):
    """Logits moved by the logarithm of a bias."""
    return [z + by * math.log(b) for z, b in zip(row, bias, strict=True)]


def soft_cross_entropy(rows, targets):
    """A mean over examples, 0 over none."""
    losses = [
        -math.fsum(t * math.log(p) for t, p in zip(target, softmax(row), strict=True))
        for row, target in zip(rows, targets, strict=True)
    ]
    return mean(losses) if losses else 0.0


def labels_of(rows, labels, chosen, bias, debias):
    """One-hot labels: the given ones of what is chosen, else the debiased prediction."""
    targets = []
    for i, row in enumerate(rows):
        moved = shifted(row, bias, -debias)
        best = labels[i] if i in chosen else moved.index(max(moved))
        targets.append([float(k == best) for k in range(len(row))])
    return targets


def sharpened(row, bias, debias, temperature):
    """The soft label of an example that is not believed."""
    raised = [p ** (1 / temperature) for p in softmax(shifted(row, bias, -debias))]
    return [r / math.fsum(raised) for r in raised]


def moved_mean(bias, rows, step):
    """The running mean of predictions, which stays where there are none."""
    if not rows:
        return bias
    p = [softmax(row) for row in rows]
    return [(1 - step) * b + step * mean([q[k] for q in p]) for k, b in enumerate(bias)]
