"""IDO as its paper and its authors' code write it: lists in, numbers out, loops; scipy's Beta."""

import math

from scipy import stats

from tests.oracles.methods import cross_entropy, softmax

LEAST = 1e-6


class Mixture:
    """Two Beta distributions fitted to numbers of wrong events."""

    def __init__(self):
        self.a, self.b, self.share = [1.0, 2.0], [2.0, 1.0], [0.5, 0.5]

    def scaled(self, number):
        low, high = self.ends
        return (number - low) / max(high - low, 1) * (1 - 2 * LEAST) + LEAST

    def fit(self, wrong, steps):
        self.ends = min(wrong), max(wrong)
        xs = [self.scaled(number) for number in wrong]
        for _ in range(steps):
            weights = []
            for x in xs:
                likely = [
                    max(s * stats.beta.pdf(x, a, b), LEAST)
                    for s, a, b in zip(self.share, self.a, self.b, strict=True)
                ]
                weights.append([v / (sum(likely) + LEAST) for v in likely])
            sizes = [math.fsum(w[k] for w in weights) for k in (0, 1)]
            for k in (0, 1):
                mean = math.fsum(w[k] * x for w, x in zip(weights, xs, strict=True))
                mean /= sizes[k] + LEAST
                spread = math.fsum(
                    w[k] * (x - mean) ** 2 for w, x in zip(weights, xs, strict=True)
                ) / (sizes[k] + LEAST)
                a = mean * (mean * (1 - mean) / max(spread, LEAST) - 1)
                self.a[k], self.b[k] = max(a, LEAST), max(a * (1 - mean) / mean, LEAST)
            if self.b[0] < 1.02:
                self.b[0] = 1.1
            if self.a[1] < 1.02:
                self.a[1] = 1.1
            self.share = [size / sum(sizes) for size in sizes]

    def weights(self, number):
        """The posterior of the lower one, and the weight of consistency."""
        if number > self.ends[1]:
            return 0.0, 0.0
        x = self.scaled(number)
        parts = list(zip(self.share, self.a, self.b, strict=True))
        likely = [s * stats.beta.pdf(x, a, b) for s, a, b in parts]
        clean, wrong = (v / (sum(likely) + LEAST) for v in likely)
        below = [stats.beta.cdf(x, a, b) for _, a, b in parts]
        return clean, clean * below[0] + (1 - wrong) * (1 - below[1])


def losses(views, labels, weights):
    """The dynamic loss of each example (Zhang et al. 2025, as ``WELoss`` in their code)."""
    hard = [cross_entropy(view, labels) for view in views]
    found = []
    for i, (c, h) in enumerate(weights):
        weak, strong = views[0][i], views[1][i]
        apart = math.fsum((a - b) ** 2 for a, b in zip(weak, strong, strict=True)) / len(weak)
        both = [[min(max(p, 1e-4), 1 - 1e-4) for p in softmax(row)] for row in (weak, strong)]
        q = [(a + b) / 2 for a, b in zip(*both, strict=True)]
        doubt = -max(q) * math.fsum(p * math.log(p) for p in q)
        found.append(c * (hard[0][i] + hard[1][i]) + h * apart + (1 - c) * doubt)
    return found
