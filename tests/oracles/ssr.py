"""SSR as its paper writes it: lists in, numbers out, loops, no torch."""

import math

from tests.oracles.methods import softmax


def relabelled(rows, labels, theta):
    """Confident predictions in place of labels (Feng et al. 2022, equation 3)."""
    found = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        found.append(p.index(max(p)) if max(p) > theta else y)
    return found


def votes(features, labels, classes, count):
    """The labels of the nearest, balanced by how frequent each is (equations 1 and 2)."""

    def cosine(a, b):
        inner = math.fsum(x * y for x, y in zip(a, b, strict=True))
        return inner / math.hypot(*a) / math.hypot(*b)

    found = []
    for own in features:
        near = sorted(range(len(features)), key=lambda j: -cosine(own, features[j]))[:count]
        cast = [sum(labels[j] == k for j in near) for k in range(classes)]
        shares = [labels.count(k) / len(labels) for k in range(classes)]
        found.append([v / s if s else 0.0 for v, s in zip(cast, shares, strict=True)])
    return found


def loss(views, targets, weights):
    """Weighted mean cross-entropy to mixed targets, both views together (equation 4)."""
    total, size = 0.0, 0.0
    for view, own in zip(views, targets, strict=True):
        for row, target, weight in zip(view, own, weights, strict=True):
            p = softmax(row)
            total -= weight * math.fsum(t * math.log(q) for t, q in zip(target, p, strict=True))
            size += weight
    return total / size if size else 0.0
