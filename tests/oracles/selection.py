"""Choosing and weighing examples as the papers write it: lists in, numbers out, loops."""

import math

from tests.oracles.methods import cross_entropy, divergence, easiest, mean, softmax


def risen(share, start, end):
    """A line from 0 to 1 between two shares of training."""
    return min(max((share - start) / (end - start), 0.0), 1.0)


def cores_sieve(rows, labels):
    """Which losses are at most the mean over all labels (Cheng et al. 2021, equation 5)."""
    kept = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        kept.append(-math.log(p[y]) <= mean([-math.log(q + 1e-8) for q in p]))
    return kept


def cores(rows, labels, kept, prior, beta):
    """Mean of the kept, confidence rewarded (Cheng et al. 2021, equations 3 and 4)."""
    corrected = []
    for row, y, keep in zip(rows, labels, kept, strict=True):
        p = softmax(row)
        losses = [-math.log(q + 1e-8) for q in p]
        reward = math.fsum(q * loss for q, loss in zip(prior, losses, strict=True))
        if keep:
            corrected.append((-math.log(p[y]) - beta * reward) / (1 + beta))
    return math.fsum(corrected) / max(len(corrected), 1)


def cal_classes(rows, labels, threshold):
    """The class of each example: its label where that is far likelier than others (Zhu et al.)."""
    classes = []
    for row, y in zip(rows, labels, strict=True):
        losses = [-math.log(p + 1e-8) for p in softmax(row)]
        sure = losses[y] - mean(losses) < -threshold
        classes.append(y if sure else row.index(max(row)))
    return classes


def cal(rows, labels, prior, beta, covariance=None):
    """Cross-entropy, confidence rewarded, less the covariance of flips and losses in a class.

    Of the covariance (Zhu et al. 2021, equation 7, whose expectations are means): the class of each
    example of the batch, and how many of the training set have each class and each given label.
    """
    losses = [[-math.log(p + 1e-5) for p in softmax(row)] for row in rows]
    total = mean([-math.log(softmax(row)[y] + 1e-8) for row, y in zip(rows, labels, strict=True)])
    total -= beta * mean(
        [math.fsum(map(math.prod, zip(prior, own, strict=True))) for own in losses]
    )
    classes, joint = covariance or ([], [])
    everyone = sum(map(sum, joint))
    for i, counts in enumerate(joint):
        members = [n for n, own in enumerate(classes) if own == i]
        for j, count in enumerate(counts):
            flips = [(labels[n] == j) - count / sum(counts) for n in members]
            products = [f * losses[n][j] for f, n in zip(flips, members, strict=True)]
            if products:
                total -= sum(counts) / everyone * mean(products)
    return total / (1 + beta)


def peer(rows, labels, partners, alpha):
    """Own loss less that on another's label (Liu & Guo 2020, equation 5)."""
    peers = []
    for i, row in enumerate(rows):
        losses = [-math.log(p + 1e-5) for p in softmax(row)]
        peers.append((losses[labels[i]] - alpha * losses[labels[partners[i]]]) / (1 + alpha))
    return peers


def disagreed(nets):
    """The positions at which two networks predict different classes; all if there are none."""
    best = [[row.index(max(row)) for row in net] for net in nets]
    apart = [i for i, (a, b) in enumerate(zip(*best, strict=True)) if a != b]
    return apart or list(range(len(nets[0])))


def easiest_of(rows, labels, places, count):
    """The positions with the smallest loss among some."""
    order = easiest([rows[i] for i in places], [labels[i] for i in places], count)
    return [places[k] for k in order]


def jocor_losses(nets, labels, agreement):
    """Joint loss of each example (Wei et al. 2020, equations 3 to 5)."""
    first, second = nets
    hard = [a + b for a, b in zip(*(cross_entropy(net, labels) for net in nets), strict=True)]
    joint = []
    for a, b, loss in zip(first, second, hard, strict=True):
        p, q = softmax(a), softmax(b)
        both = divergence(p, q) + divergence(q, p)
        joint.append((1 - agreement) * loss + agreement * both)
    return joint


def confident_joint(labels, posterior):
    """Counts of given and confident classes, scaled (Northcutt et al. 2021, equations 1 to 3)."""
    classes = range(len(posterior[0]))
    threshold = []
    for k in classes:
        own = [row[k] for row, y in zip(posterior, labels, strict=True) if y == k]
        threshold.append(mean(own) if own else math.inf)
    count = [[0.0] * len(classes) for _ in classes]
    for row, y in zip(posterior, labels, strict=True):
        sure = [k for k in classes if row[k] >= threshold[k] - 1e-6]
        if sure:
            count[y][max(sure, key=row.__getitem__)] += 1
    for k in classes:
        count[k][k] = max(count[k][k], 1.0)
    sizes = [labels.count(k) for k in classes]
    return [[c / sum(count[k]) * sizes[k] for c in count[k]] for k in classes]


def half_up(number):
    """The nearest whole number."""
    return math.floor(number + 0.5)


def pruned_by_class(labels, posterior, joint):
    """The least confident of each class, as many as are off the diagonal (section 3.2)."""
    gone = set()
    for k in range(len(joint)):
        own = [i for i, y in enumerate(labels) if y == k]
        own.sort(key=lambda i, k=k: posterior[i][k])
        gone |= set(own[: half_up(sum(joint[k]) - max(joint[k][k], 1.0))])
    return gone


def pruned_by_noise_rate(labels, posterior, joint):
    """Of each pair of classes, those with the largest margin (section 3.2)."""
    gone = set()
    for k in range(len(joint)):
        for j in range(len(joint)):
            own = [i for i, y in enumerate(labels) if y == k]
            own.sort(key=lambda i, j=j, k=k: posterior[i][k] - posterior[i][j])
            if j != k:
                gone |= set(own[: half_up(joint[k][j])])
    return gone


def decoupled(nets, labels, least):
    """Both networks' losses where they disagree (Malach & Shalev-Shwartz 2017, algorithm 1)."""
    best = [[row.index(max(row)) for row in net] for net in nets]
    apart = [i for i, (a, b) in enumerate(zip(*best, strict=True)) if a != b]
    total = sum(cross_entropy(net, labels)[i] for net in nets for i in apart)
    return total / max(len(apart), least * len(labels))


def mean_over(rows, labels, kept):
    """The mean loss of those that are kept; without any, 0."""
    losses = [x for x, keep in zip(cross_entropy(rows, labels), kept, strict=True) if keep]
    return mean(losses) if losses else 0.0


def draws(weights, points):
    """How often each example is drawn: lengths on a line in a random order, and falls on it."""
    order = sorted(range(len(weights)), key=lambda i: points[i][0])
    counts, total = [0] * len(weights), math.fsum(weights)
    for _, fall in points:
        reached = 0.0
        for i in order:
            reached += weights[i] / total
            if fall < reached:
                break
        counts[i] += 1
    return counts
