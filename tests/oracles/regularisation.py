"""Early-learning and refurbishment methods as their papers write them, in loops over numbers."""

import math

from tests.oracles.methods import softmax

FLOOR = 1e-4


def log_softmax(row):
    """Logarithms of probabilities, of which even tiny ones survive."""
    top = max(row)
    total = top + math.log(math.fsum(math.exp(z - top) for z in row))
    return [z - total for z in row]


def one_hot(label, classes):
    return [float(k == label) for k in range(classes)]


def entropy_between(target, row):
    return -math.fsum(t * a for t, a in zip(target, log_softmax(row), strict=True))


def sat(rows, targets):
    """Algorithm 1 of Huang et al.: the batch loss for targets already moved."""
    weights = [max(target) for target in targets]
    each = [entropy_between(t, row) for t, row in zip(targets, rows, strict=True)]
    return math.fsum(w * e for w, e in zip(weights, each, strict=True)) / math.fsum(weights)


def moved(target, row, momentum):
    """The running average of predictions."""
    return [momentum * t + (1 - momentum) * p for t, p in zip(target, softmax(row), strict=True)]


def pencil(row, soft, label, alpha, beta, stage):
    """Equations 6 to 11 of Yi & Wu for one example; stages count from 0."""
    p, q, count = softmax(row), softmax(soft), len(row)
    if stage == 0:
        return -math.log(p[label])
    apart = math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / count
    if stage == 2:
        return apart
    entropy = -math.fsum(a * math.log(a) for a in p) / count
    return apart - alpha * math.log(q[label]) + beta * entropy


def cdr(weights, slopes, rate, decay):
    """Algorithm 1 of Xia et al.: the gradient of flat lists of selectable weights."""
    scores = [abs(w * g) for w, g in zip(weights, slopes, strict=True)]
    count = max(1, math.floor((1 - rate) * len(scores)))
    last = sorted(scores, reverse=True)[count - 1]
    return [
        (1 - rate) * g * (score >= last) + decay * w
        for w, g, score in zip(weights, slopes, scores, strict=True)
    ]


def elr_plus(row, label, target, weight):
    """Section 4.3 of Liu et al.: one network's loss on a mixed example."""
    p = [min(max(value, FLOOR), 1 - FLOOR) for value in softmax(row)]
    pull = math.log(1 - math.fsum(a * t for a, t in zip(p, target, strict=True)))
    return entropy_between(label, row) + weight * pull


def dyr(rows, targets, balance):
    """Equations 13 to 15 of Arazo et al. with the balance of classes."""
    fit = math.fsum(entropy_between(t, r) for t, r in zip(targets, rows, strict=True)) / len(rows)
    probabilities, classes = [softmax(row) for row in rows], len(rows[0])
    mean = [math.fsum(p[k] for p in probabilities) / len(rows) for k in range(classes)]
    return fit + balance * math.fsum(math.log(1 / classes / m) for m in mean) / classes


def beta_mixture(values, steps):
    """Equations 3 to 8 of Arazo et al.: the posterior of the higher component."""
    ordered, size = sorted(values), len(values)
    low, high = (ordered[round(share * (size - 1))] for share in (0.05, 0.95))
    inside = [low <= value <= high for value in values]
    x = [min(max((v - low) / (high - low + 1e-6), 1e-3), 1 - 1e-3) for v in values]
    parts = [(1.0, 2.0, 0.5), (2.0, 1.0, 0.5)]
    for _ in range(steps):
        posterior = [_posterior(value, parts) for value in x]
        shapes = []
        for k in (0, 1):
            weight = [p[k] * keep for p, keep in zip(posterior, inside, strict=True)]
            total = math.fsum(weight)
            mean = math.fsum(w * v for w, v in zip(weight, x, strict=True)) / total
            squares = math.fsum(w * (v - mean) ** 2 for w, v in zip(weight, x, strict=True))
            spread = max(mean * (1 - mean) / max(squares / total, 1e-8) - 1, 1e-4)
            shapes.append((mean * spread, (1 - mean) * spread, total))
        whole = math.fsum(total for *_, total in shapes)
        parts = [(a, b, total / whole) for a, b, total in shapes]
    higher = max((0, 1), key=lambda k: parts[k][0] / (parts[k][0] + parts[k][1]))
    sure = [_posterior(value, parts)[higher] for value in x]
    peak = x[max(range(size), key=lambda i: sure[i])]
    return [max(sure) if value >= peak else s for value, s in zip(x, sure, strict=True)]


def _posterior(x, parts):
    density = [
        share
        * math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))
        * x ** (a - 1)
        * (1 - x) ** (b - 1)
        for a, b, share in parts
    ]
    return [d / math.fsum(density) for d in density]


def pes_weights(outputs, labels, classes):
    """Who is confident, and what each class weighs (Bai et al. 2021 and its code)."""
    kept = [
        max(range(classes), key=row.__getitem__) == y
        for row, y in zip(outputs, labels, strict=True)
    ]
    count = [sum(k and y == c for k, y in zip(kept, labels, strict=True)) for c in range(classes)]
    present = [n for n in count if n]
    return kept, [sum(present) / len(present) / n if n else 0.0 for n in count]


def pes(rows, labels, kept, weights):
    """Cross-entropy of confident examples, as a weighted mean."""
    parts = [
        (weights[y], -weights[y] * log_softmax(row)[y])
        for row, y, keep in zip(rows, labels, kept, strict=True)
        if keep
    ]
    return math.fsum(e for _, e in parts) / math.fsum(w for w, _ in parts) if parts else 0.0
