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
    losses = []
    for row, y in zip(rows, labels, strict=True):
        p, total = softmax(row), 0.0
        for k in range(len(row)):
            target = (1 - smoothing) * (k == y) + smoothing / len(row)
            total -= target * math.log(p[k])
        losses.append(total)
    return losses


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
    losses = []
    for row, y, target in zip(rows, labels, targets, strict=True):
        p = softmax(row)
        inner = sum(min(max(a, 1e-4), 1 - 1e-4) * t for a, t in zip(p, target, strict=True))
        losses.append(-math.log(p[y]) + weight * math.log(1 - inner))
    return losses


def kept(size, forget_rate, ramp, epoch):
    """How many of a batch an epoch keeps; without a ramp, all forgetting starts at once."""
    share = min(epoch / ramp, 1.0) if ramp else 1.0
    return max(round((1 - forget_rate * share) * size), 1)


def easiest(rows, labels, count):
    """The positions with the smallest loss (Han et al. 2018, algorithm 1, lines 5 and 6)."""
    losses = cross_entropy(rows, labels)
    return sorted(range(len(rows)), key=losses.__getitem__)[:count]


def taught(nets, labels, chosen):
    """Each network's mean loss on what is chosen for it, added (Han et al. 2018, algorithm 1)."""
    total = 0.0
    for net, places in zip(nets, chosen, strict=True):
        total += mean(cross_entropy([net[i] for i in places], [labels[i] for i in places]))
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
    """The gradient of a function of a number or of nested lists, by central differences."""
    if not isinstance(rows, list):
        return (function(rows + step) - function(rows - step)) / (2 * step)
    return [
        slope(lambda part, i=i: function([*rows[:i], part, *rows[i + 1 :]]), row, step)
        for i, row in enumerate(rows)
    ]


def bootstrap_soft(rows, labels, beta, beliefs=None):
    """Cross-entropy to a mix of label and belief, by default the prediction (Reed et al., 6)."""
    losses = []
    for b, (row, y) in enumerate(zip(rows, labels, strict=True)):
        p = softmax(row)
        belief = p if beliefs is None else beliefs[b]
        target = [beta * (k == y) + (1 - beta) * belief[k] for k in range(len(row))]
        losses.append(-math.fsum(t * math.log(q) for t, q in zip(target, p, strict=True)))
    return losses


def bootstrap_hard(rows, labels, beta):
    """Cross-entropy to a mix of the label and the most likely class (Reed et al., 7)."""
    losses = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        losses.append(-beta * math.log(p[y]) - (1 - beta) * math.log(max(p)))
    return losses


def sce(rows, labels, alpha, beta, log_zero):
    """Cross-entropy both ways, log 0 replaced (Wang et al. 2019, equations 5 to 7)."""
    losses = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        reverse = -math.fsum(q * (0.0 if k == y else log_zero) for k, q in enumerate(p))
        losses.append(-alpha * math.log(p[y]) + beta * reverse)
    return losses


def forward(rows, labels, transition):
    """Cross-entropy of the prediction seen through the noise (Patrini et al. 2017, theorem 2)."""
    seen = noisy_posterior([softmax(row) for row in rows], transition)
    return [-math.log(row[y]) for row, y in zip(seen, labels, strict=True)]


def mixup(rows, labels, partners, mix):
    """Cross-entropy to mixed one-hot labels (Zhang et al. 2018, equation 2)."""
    losses = []
    for row, y, j in zip(rows, labels, partners, strict=True):
        target = [mix * (k == y) + (1 - mix) * (k == labels[j]) for k in range(len(row))]
        p = softmax(row)
        losses.append(-math.fsum(t * math.log(q) for t, q in zip(target, p, strict=True)))
    return losses


def divergence(p, q):
    """Kullback-Leibler divergence, 0 log 0 = 0."""
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def gjs(views, labels, pi):
    """Scaled divergence of label and views from their mean (Englesson & Azizpour, 3 to 5)."""
    weights, losses = [pi, *[(1 - pi) / len(views)] * len(views)], []
    for b, y in enumerate(labels):
        parts = [[float(k == y) for k in range(len(views[0][b]))]]
        parts += [softmax(view[b]) for view in views]
        middle = [
            math.fsum(w * p[k] for w, p in zip(weights, parts, strict=True))
            for k in range(len(parts[0]))
        ]
        total = math.fsum(w * divergence(p, middle) for w, p in zip(weights, parts, strict=True))
        losses.append(total / (-(1 - pi) * math.log(1 - pi)))
    return losses


def sop_parts(u, v, y):
    """What an example's own parameters add to the label's class and take from the others."""
    classes = range(len(v))
    return (
        [min(u * u, 1.0) * (k == y) for k in classes],
        [min(v[k] * v[k], 1.0) * (k != y) for k in classes],
    )


def sop_fit(row, y, u, v):
    """Cross-entropy of the explained prediction (Liu et al. 2022, equation 6)."""
    up, down = sop_parts(u, v, y)
    q = [max(p + a - b, 1e-4) for p, a, b in zip(softmax(row), up, down, strict=True)]
    return -math.log(max(q[y] / math.fsum(q), 1e-4))


def sop_error(row, y, u, v):
    """Squared error of the explained best guess (Liu et al. 2022, equation 7)."""
    up, down = sop_parts(u, v, y)
    best = row.index(max(row))
    return math.fsum(((k == best) + up[k] - down[k] - (k == y)) ** 2 for k in range(len(row)))


def sop_step(row, y, u, v, rates):
    """An example's own parameters after a step on each objective (Liu et al. 2022, algorithm 1)."""
    downs = slope(lambda moved: sop_error(row, y, u, moved), v, 1e-6)
    after = [value - rates[1] * down for value, down in zip(v, downs, strict=True)]
    return u - rates[0] * slope(lambda x: sop_fit(row, y, x, v), u, 1e-6), after
