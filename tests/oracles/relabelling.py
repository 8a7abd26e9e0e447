"""Labels replaced while a network trains, as the papers write it: lists in, numbers out, loops."""

import math

from tests.oracles.methods import mean, softmax


class Recent:
    """The predictions of the last epochs by example, and their sum."""

    def __init__(self, window):
        self.window, self.seen = window, {}

    def note(self, i, epoch, row):
        self.seen.setdefault(i, {})[epoch % self.window] = softmax(row)

    def mean(self, i, classes):
        own = list(self.seen.get(i, {}).values())
        return [math.fsum(p[k] for p in own) / self.window for k in range(classes)]


def adacorr(rows, labels, anchors, late, rho):
    """Cross-entropy and, later, the term that retains (Zheng et al. 2020, section 4)."""
    losses = []
    for row, y, anchor in zip(rows, labels, anchors, strict=True):
        p, classes = softmax(row), len(row)
        loss = -math.log(p[y])
        for k in range(classes):
            weight = rho - 1e-4 / (classes - 1) if k == anchor else 1e-4
            loss -= late * weight * math.log(p[k])
        losses.append(loss)
    return losses


def tested(q, label, delta):
    """The label after the likelihood ratio test (Zheng et al. 2020, algorithm 1)."""
    best = q.index(max(q))
    return best if best != label and q[best] > delta * q[label] else label


def joint_optimization(rows, targets, alpha, beta):
    """Fit, all classes in use, certainty (Tanaka et al. 2018, equations 6 to 8)."""
    ps, classes = [softmax(row) for row in rows], len(rows[0])
    fit = [
        -math.fsum(s * math.log(x) for s, x in zip(target, p, strict=True))
        for target, p in zip(targets, ps, strict=True)
    ]
    used = -math.fsum(math.log(mean([p[k] for p in ps])) / classes for k in range(classes))
    entropy = [-math.fsum(x * math.log(x) for x in p) for p in ps]
    return mean(fit) + alpha * used + beta * mean(entropy)
