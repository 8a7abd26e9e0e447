"""CLIPCleaner as its paper writes it: lists in, loops; what is fitted, scikit-learn fits."""

import math

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture

from tests.oracles.methods import softmax


def confirmed(rows, labels, theta_cons, theta_gmm):
    """Which labels the probabilities of a model confirm by both rules (section 3.2)."""
    kept = [row[y] / max(row) >= theta_cons for row, y in zip(rows, labels, strict=True)]
    for k in range(len(rows[0])):
        own = [i for i, y in enumerate(labels) if y == k]
        scores = [math.log(rows[i][k]) for i in own]
        low, high = min(scores), max(scores)
        scaled = np.array([[(s - low) / (high - low)] for s in scores])
        model = GaussianMixture(2, random_state=0, tol=1e-9, max_iter=1000).fit(scaled)
        posterior = model.predict_proba(scaled)[:, model.means_.argmax()]
        for i, p in zip(own, posterior, strict=True):
            kept[i] = kept[i] and bool(p >= theta_gmm)
    return kept


def regressed(side, labels):
    """What scikit-learn's logistic regression on another model's logits says."""
    logits = [[math.log(s) for s in row] for row in side]
    centred = [[z - math.fsum(row) / len(row) for z in row] for row in logits]
    unit = [[z / math.hypot(*row) for z in row] for row in centred]
    model = LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=10_000)
    return model.fit(unit, labels).predict_proba(unit).tolist()


def selected(side, labels, *theta, regression=False):
    """Which labels another model confirms; some of every class (section 3.2)."""
    classes, kept = len(side[0]), confirmed(side, labels, *theta)
    if regression:
        second = confirmed(regressed(side, labels), labels, *theta)
        kept = [a and b for a, b in zip(kept, second, strict=True)]
    members = [[i for i, y in enumerate(labels) if y == k] for k in range(classes)]
    counts = [sum(kept[i] for i in own) for own in members]
    least = max(min(c for c in counts if c), len(labels) // classes**2)
    for own, count in zip(members, counts, strict=True):
        if not count:
            for i in sorted(own, key=lambda i: -side[i][labels[i]])[:least]:
                kept[i] = True
    return kept


def taken_over(rows, labels, selection, same, other):
    """Labels and what is kept once the network has its say (section 3.4)."""
    targets, kept = [], []
    for row, y, chosen in zip(rows, labels, selection, strict=True):
        p = softmax(row)
        best = p.index(max(p))
        sure = max(p) >= (same if best == y else other)
        targets.append(best if sure else y)
        kept.append(chosen or sure)
    return targets, kept


def loss(rows, targets, weights):
    """Weighted mean cross-entropy to mixed targets."""
    total = 0.0
    for row, target, weight in zip(rows, targets, weights, strict=True):
        p = softmax(row)
        total -= weight * math.fsum(t * math.log(q) for t, q in zip(target, p, strict=True))
    return total / math.fsum(weights)
