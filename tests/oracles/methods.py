"""The methods as their papers write them: lists in, numbers out, one loop each, no torch.

``rows`` are logits of one network, a list of ``B`` lists of ``C``; ``labels`` are ``B`` classes.
"""

import math


def softmax(row):
    weight = [math.exp(z - max(row)) for z in row]
    return [w / math.fsum(weight) for w in weight]


def mean(values):
    return math.fsum(values) / len(values)


def cross_entropy(rows, labels):
    """Minus the log-probability of the given label."""
    return [-math.log(softmax(row)[y]) for row, y in zip(rows, labels, strict=True)]


def label_smoothing(rows, labels, smoothing):
    """Cross-entropy to ``(1 - s) onehot + s / C``, class by class (Wei et al. 2022, equation 2)."""
    found = []
    for row, y in zip(rows, labels, strict=True):
        p, total = softmax(row), 0.0
        for k in range(len(row)):
            target = (1 - smoothing) * (k == y) + smoothing / len(row)
            total -= target * math.log(p[k])
        found.append(total)
    return found


def gce(rows, labels, q):
    """Box-Cox of the probability of the label (Zhang & Sabuncu 2018, equation 6)."""
    return [(1 - softmax(row)[y] ** q) / q for row, y in zip(rows, labels, strict=True)]


def elr_targets(rows, ids, targets, beta):
    """The running averages after a visit, with the probabilities clipped and renormalised."""
    after = dict(targets)
    for row, i in zip(rows, ids, strict=True):
        clipped = [min(max(p, 1e-4), 1 - 1e-4) for p in softmax(row)]
        old = targets.get(i, [0.0] * len(row))
        after[i] = [
            beta * t + (1 - beta) * p / sum(clipped) for t, p in zip(old, clipped, strict=True)
        ]
    return after


def elr(rows, labels, targets, weight):
    """Cross-entropy and the pull to ``targets``, one per example (Liu et al. 2020, equation 6)."""
    found = []
    for row, y, target in zip(rows, labels, targets, strict=True):
        p = softmax(row)
        inner = sum(min(max(a, 1e-4), 1 - 1e-4) * t for a, t in zip(p, target, strict=True))
        found.append(-math.log(p[y]) + weight * math.log(1 - inner))
    return found


def kept(size, forget_rate, ramp, epoch):
    """How many of a batch an epoch keeps; without a ramp, all forgetting starts at once."""
    share = min(epoch / ramp, 1.0) if ramp else 1.0
    return max(round((1 - forget_rate * share) * size), 1)


def easiest(rows, labels, count):
    """The positions with the smallest loss (Han et al. 2018, algorithm 1, lines 5 and 6)."""
    losses = cross_entropy(rows, labels)
    return sorted(range(len(rows)), key=losses.__getitem__)[:count]


def co_teaching(nets, labels, count):
    """Each network's mean loss on what the other finds easiest, added."""
    first, second = nets
    total = 0.0
    for learner, teacher in ((first, second), (second, first)):
        losses = cross_entropy(learner, labels)
        total += mean([losses[i] for i in easiest(teacher, labels, count)])
    return total


def reweighting(rows, labels, weights):
    """Weighted cross-entropy (Liu & Tao 2016, equation 4)."""
    return [w * loss for w, loss in zip(weights, cross_entropy(rows, labels), strict=True)]


def noisy_posterior(clean, transition):
    """P(noisy j | x) = sum_i P(clean i | x) T_ij, row by row."""
    classes = range(len(transition))
    return [[sum(row[i] * transition[i][j] for i in classes) for j in classes] for row in clean]


def anchor_transition(posterior, passed_over):
    """Row i: the posterior of the example with the (passed_over + 1)-th largest entry i."""
    rows = []
    for i in range(len(posterior[0])):
        ordered = sorted(posterior, key=lambda row: row[i], reverse=True)
        rows.append(ordered[passed_over])
    return rows


def bayes_weight(clean, transition, y):
    """P(label y is right | x, label y) / T_yy, by Bayes' rule over every way to get label y."""
    ways = [clean[i] * transition[i][y] for i in range(len(clean))]
    return ways[y] / sum(ways) / transition[y][y]


def slope(function, rows, step=1e-5):
    """The gradient of a scalar function of a list of lists, by central differences."""
    found = []
    for b, row in enumerate(rows):
        found.append([])
        for k in range(len(row)):
            ends = []
            for sign in (1, -1):
                moved = [list(r) for r in rows]
                moved[b][k] += sign * step
                ends.append(function(moved))
            found[-1].append((ends[0] - ends[1]) / (2 * step))
    return found
