"""The metrics' definitions, one plain loop each: lists in, a float out, no torch."""

import math
from bisect import bisect_left
from itertools import pairwise

import numpy as np

BINS = 15
GRID = 2**36


def softmax(row):
    weight = [math.exp(z - max(row)) for z in row]
    return [w / math.fsum(weight) for w in weight]


def top(row):
    return row.index(max(row))


def confidence(row):
    return round(max(softmax(row)) * GRID) / GRID


def hits(logits, label):
    return [int(top(row) == y) for row, y in zip(logits, label, strict=True)]


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def acc(logits, label):
    return mean(hits(logits, label))


def acc_worst(logits, label):
    right = hits(logits, label)
    return min(mean(h for h, y in zip(right, label, strict=True) if y == k) for k in set(label))


def acc_balanced(logits, label):
    right = hits(logits, label)
    classes = sorted(set(label))
    return mean(mean(h for h, y in zip(right, label, strict=True) if y == k) for k in classes)


def f1_macro(logits, label):
    predicted = [row.index(max(row)) for row in logits]
    scores = []
    for k in sorted({*label, *predicted}):
        pairs = list(zip(predicted, label, strict=True))
        found = sum(p == k == y for p, y in pairs)
        wrong = sum((p == k) != (y == k) for p, y in pairs)
        scores.append(2 * found / (2 * found + wrong))
    return mean(scores)


def nll(logits, label):
    loss = []
    for row, y in zip(logits, label, strict=True):
        log_total = math.log(math.fsum(math.exp(z - max(row)) for z in row))
        loss.append(max(row) - row[y] + log_total)
    return mean(loss)


def brier(logits, label):
    return mean(
        math.fsum((p - (k == y)) ** 2 for k, p in enumerate(softmax(row)))
        for row, y in zip(logits, label, strict=True)
    )


def equal_width(logits):
    edges = [round(b / BINS * GRID) / GRID for b in range(1, BINS + 1)]
    return [bisect_left(edges, confidence(row)) for row in logits]


def equal_mass(logits):
    ranked = sorted(confidence(row) for row in logits)
    share, longer = divmod(len(ranked), BINS)
    sizes = [share + (b < longer) for b in range(BINS)]
    edges = [ranked[sum(sizes[: b + 1]) - 1] for b in range(BINS) if sizes[b]]
    return [bisect_left(edges, confidence(row)) for row in logits]


def binned(logits, label, bin_of):
    """Yield the confidences and the hits of each bin that is not empty."""
    found = list(zip(bin_of(logits), map(confidence, logits), hits(logits, label), strict=True))
    for b in sorted({b for b, _, _ in found}):
        yield [c for i, c, _ in found if i == b], [h for i, _, h in found if i == b]


def ece(logits, label, bin_of=equal_width):
    gaps = (abs(mean(h) - mean(c)) * len(c) for c, h in binned(logits, label, bin_of))
    return math.fsum(gaps) / len(label)


def gaps(logits, label):
    """Share of the examples, and confidence less accuracy, of each equal-width bin."""
    return [(len(c) / len(label), mean(c) - mean(h)) for c, h in binned(logits, label, equal_width)]


def ece_over(logits, label):
    return math.fsum(share * gap for share, gap in gaps(logits, label) if gap > 0)


def ece_under(logits, label):
    return -math.fsum(share * gap for share, gap in gaps(logits, label) if gap < 0)


def mce(logits, label):
    return max(abs(gap) for _, gap in gaps(logits, label))


def rmsce(logits, label):
    return math.sqrt(math.fsum(share * gap**2 for share, gap in gaps(logits, label)))


def ece_em(logits, label):
    return ece(logits, label, equal_mass)


def ce2_deb(logits, label):
    total = 0.0
    for c, h in binned(logits, label, equal_mass):
        if len(c) > 1:
            a = mean(h)
            total += len(c) * ((a - mean(c)) ** 2 - a * (1 - a) / (len(c) - 1))
    return total / len(label)


def deviation(chances):
    """The mean of ``|successes - expected|``, from the exact law of the number of successes."""
    law = [1.0]
    for p in chances:
        law = [q * (1 - p) + r * p for r, q in pairwise([0.0, *law, 0.0])]
    return math.fsum(q * abs(k - math.fsum(chances)) for k, q in enumerate(law))


def ece_floor(logits, label):
    return math.fsum(deviation(c) for c, _ in binned(logits, label, equal_width)) / len(label)


def conf_mean(logits, label):  # noqa: ARG001  one signature for all
    return mean(map(confidence, logits))


def gap_signed(logits, label):
    return conf_mean(logits, label) - acc(logits, label)


def ties(logits, label):  # noqa: ARG001  one signature for all
    return sum(row.count(max(row)) > 1 for row in logits)


def share(logits, noisy, clean, wrong, wanted):
    """Of the examples that are mislabelled, or are not, the share whose prediction is wanted."""
    found = [
        wanted(top(row), n, c)
        for row, n, c in zip(logits, noisy, clean, strict=True)
        if (n != c) == wrong
    ]
    return mean(found) if found else math.nan


def mem_frac(logits, noisy, clean):
    return share(logits, noisy, clean, True, lambda p, n, _: p == n)


def clean_recovery(logits, noisy, clean):
    return share(logits, noisy, clean, True, lambda p, _, c: p == c)


def other_frac(logits, noisy, clean):
    return share(logits, noisy, clean, True, lambda p, n, c: p not in {n, c})


def fit_clean(logits, noisy, clean):
    return share(logits, noisy, clean, False, lambda p, _, c: p == c)


def auroc(score, mislabelled):
    """The chance that a mislabelled example scores above another; equal scores count half."""
    pairs = [
        (s > t) + (s == t) / 2
        for s, m in zip(score, mislabelled, strict=True)
        for t, other in zip(score, mislabelled, strict=True)
        if m and not other
    ]
    return mean(pairs)


def average_precision(score, mislabelled):
    total, before = 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        kept = [m for s, m in zip(score, mislabelled, strict=True) if s >= threshold]
        recall = sum(kept) / sum(mislabelled)
        total += (recall - before) * mean(kept)
        before = recall
    return total


def cwece(logits, label):
    edges = [round(b / BINS * GRID) / GRID for b in range(1, BINS)]
    total = 0.0
    for k in range(len(logits[0])):
        shares = [round(softmax(row)[k] * GRID) / GRID for row in logits]
        for b in range(BINS):
            here = [i for i, p in enumerate(shares) if bisect_left(edges, p) == b]
            gap = math.fsum(shares[i] for i in here) - sum(label[i] == k for i in here)
            total += abs(gap) / len(label)
    return total / len(logits[0])


def risks(logits, label):
    """At each coverage, the errors of the surer groups and a tied group's share of its own."""
    rest = [
        math.fsum(math.exp(z - max(row)) for k, z in enumerate(row) if k != top(row))
        for row in logits
    ]
    keys = [float(f"{r:.10e}") for r in rest]
    wrong = [1 - h for h in hits(logits, label)]
    found, errors, ranked = [], 0.0, 0
    for key in sorted(set(keys)):
        tied = [w for k, w in zip(keys, wrong, strict=True) if k == key]
        found += [(errors + j * mean(tied)) / (ranked + j) for j in range(1, len(tied) + 1)]
        errors, ranked = errors + sum(tied), ranked + len(tied)
    return found


def aurc(logits, label):
    return mean(risks(logits, label))


def eaurc(logits, label):
    n, wrong = len(label), len(label) - sum(hits(logits, label))
    best = sorted([0] * (n - wrong) + [1] * wrong)
    return aurc(logits, label) - mean(sum(best[:k]) / k for k in range(1, n + 1))


def smece(logits, label, mesh=4000):
    """The width that equals the area under the smoothed residuals, by halving."""
    confidences = np.array([confidence(row) for row in logits])
    residual = (np.array(hits(logits, label)) - confidences) / len(label)
    t = (np.arange(mesh) + 0.5) / mesh

    def area(width):
        height = np.zeros(mesh)
        for c, r in zip(confidences, residual, strict=True):
            for image in range(-3, 4):  # mirrored at 0 and at 1, again and again
                for centre in (2 * image + c, 2 * image - c):
                    height += r * np.exp(-(((t - centre) / width) ** 2) / 2)
        return np.abs(height).mean() / (width * math.sqrt(2 * math.pi))

    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if area(middle) > middle else (low, middle)
    return (low + high) / 2


def loss_at(temperature, logits, label, transition=None):
    """The mean of -log of the probability of the given label."""
    total = 0.0
    for row, y in zip(logits, label, strict=True):
        p = softmax([z / temperature for z in row])
        if transition is None:
            total -= math.log(p[y])
        else:
            total -= math.log(math.fsum(t[y] * q for t, q in zip(transition, p, strict=True)))
    return total / len(label)


TEST = {
    "acc": acc,
    "acc_worst": acc_worst,
    "nll": nll,
    "brier": brier,
    "ece": ece,
    "ece_over": ece_over,
    "ece_under": ece_under,
    "mce": mce,
    "rmsce": rmsce,
    "ece_floor": ece_floor,
    "ece_em": ece_em,
    "ce2_deb": ce2_deb,
    "conf_mean": conf_mean,
    "gap_signed": gap_signed,
    "ties": ties,
}
TRAIN = {
    "mem_frac": mem_frac,
    "clean_recovery": clean_recovery,
    "other_frac": other_frac,
    "fit_clean": fit_clean,
}
SELECTED = {"smece": smece, "cwece": cwece, "aurc": aurc, "eaurc": eaurc}
SELECTED |= {"acc_balanced": acc_balanced, "f1_macro": f1_macro}
