"""CLIPCleaner as its paper writes it: lists in, loops; the mixture is scikit-learn's."""

import math

import numpy as np
from sklearn.mixture import GaussianMixture

from tests.oracles.methods import softmax


def selected(side, labels, theta_cons, theta_gmm):
    """Which labels another model confirms by both rules; some of every class (section 3.2)."""
    classes = len(side[0])
    kept = [row[y] / max(row) >= theta_cons for row, y in zip(side, labels, strict=True)]
    members = [[i for i, y in enumerate(labels) if y == k] for k in range(classes)]
    for own in members:
        scores = [math.log(side[i][labels[i]]) for i in own]
        low, high = min(scores), max(scores)
        scaled = np.array([[(s - low) / (high - low)] for s in scores])
        model = GaussianMixture(2, random_state=0, tol=1e-9, max_iter=1000).fit(scaled)
        posterior = model.predict_proba(scaled)[:, model.means_.argmax()]
        for i, p in zip(own, posterior, strict=True):
            kept[i] = kept[i] and bool(p >= theta_gmm)
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
