"""Robust losses as their papers write them: lists in, numbers out, one example at a time, no torch.

``row`` holds the logits of one example, ``y`` is its label.
"""

import math

from tests.oracles.methods import softmax


def focal_of(p, gamma):
    """Lin et al. 2017, equation 4."""
    return -((1 - p) ** gamma) * math.log(p)


def focal(row, y, gamma):
    return focal_of(softmax(row)[y], gamma)


def frozen_focal(weights, row, gamma):
    """Focal losses of all classes whose factors come from other logits, ``weights``."""
    pairs = zip(softmax(weights), softmax(row), strict=True)
    return [-((1 - q) ** gamma) * math.log(p) for q, p in pairs]


def mae(row, y):
    """Ghosh et al. 2017, equation 7, halved: sum_k |onehot_k - p_k| / 2."""
    return sum(abs((k == y) - p) for k, p in enumerate(softmax(row))) / 2


def share(losses, y):
    """Ma et al. 2020, equation 5."""
    return losses[y] / math.fsum(losses)


def nce(row, y):
    return share([-math.log(p) for p in softmax(row)], y)


def nfl(row, y, gamma):
    return share([focal_of(p, gamma) for p in softmax(row)], y)


def rce(row, y):
    """Wang et al. 2019: minus sum_k p_k log onehot_k, labels cut off at 1e-4."""
    return -sum(p * math.log(1 if k == y else 1e-4) for k, p in enumerate(softmax(row)))


def agce(row, y, a, q):
    """Zhou et al. 2021, asymmetric generalised cross-entropy."""
    return ((a + 1) ** q - (a + softmax(row)[y]) ** q) / q


def aul(row, y, a, q):
    """Zhou et al. 2021, asymmetric unhinged loss."""
    return ((a - softmax(row)[y]) ** q - (a - 1) ** q) / q


def ael(row, y, a):
    """Zhou et al. 2021, asymmetric exponential loss."""
    return math.exp(-softmax(row)[y] / a)


def flipped(losses, y, worst):
    """Ye et al. 2023: the normalised loss of every loss turned upside down."""
    turned = [worst - min(loss, worst) for loss in losses]
    return 1 - turned[y] / math.fsum(turned)


def anl_ce(row, y, alpha, beta):
    hard = [-math.log(p) for p in softmax(row)]
    return alpha * share(hard, y) + beta * flipped(hard, y, -math.log(1e-7))


def anl_fl(row, y, alpha, beta, gamma):
    every = [focal_of(p, gamma) for p in softmax(row)]
    return alpha * share(every, y) + beta * flipped(every, y, focal_of(1e-7, gamma))


def amse(row, y, a):
    """Wang et al. 2025, asymmetric mean squared error."""
    errors = [(a * (k == y) - p) ** 2 for k, p in enumerate(softmax(row))]
    return math.fsum(errors) / len(errors)


def phuber(row, y, tau):
    """Menon et al. 2020, equation 9."""
    p = softmax(row)[y]
    return -tau * p + math.log(tau) + 1 if p <= 1 / tau else -math.log(p)


def taylor(row, y, order):
    """Feng et al. 2020: the first terms of -log p around 1."""
    return sum((1 - softmax(row)[y]) ** i / i for i in range(1, order + 1))


def log_t(u, t):
    return math.log(u) if t == 1 else (u ** (1 - t) - 1) / (1 - t)


def exp_t(u, t):
    return math.exp(u) if t == 1 else max(1 + (1 - t) * u, 0) ** (1 / (1 - t))


def tempered(row, t):
    """The tempered softmax, its normaliser computed by bisection."""
    low, high = max(row), max(row) - log_t(1 / len(row), t)
    for _ in range(60):
        middle = (low + high) / 2
        above = math.fsum(exp_t(z - middle, t) for z in row) > 1
        low, high = (middle, high) if above else (low, middle)
    return [exp_t(z - low, t) for z in row]


def bi_tempered(row, y, t1, t2):
    """Amid et al. 2019, equation 5, summed over the one-hot label."""
    total = 0.0
    for k, p in enumerate(tempered(row, t2)):
        hot = float(k == y)
        total += hot * (log_t(1, t1) - log_t(p, t1)) if hot else 0.0
        total -= (hot ** (2 - t1) - p ** (2 - t1)) / (2 - t1)
    return total


def clipped(row, tau, length):
    """Wei et al. 2023, equation 4: no vector longer than ``tau``."""
    norm = math.sqrt(math.fsum(z * z for z in row))
    return [z * length / norm for z in row] if norm > tau else row


def js(row, y, pi):
    """Englesson & Azizpour 2021, equations 3 and 4."""
    p = softmax(row)
    hot = [float(k == y) for k in range(len(p))]
    middle = [pi * a + (1 - pi) * b for a, b in zip(hot, p, strict=True)]

    def kl(left, right):
        return sum(a * math.log(a / b) for a, b in zip(left, right, strict=True) if a)

    return (pi * kl(hot, middle) + (1 - pi) * kl(p, middle)) / (-(1 - pi) * math.log(1 - pi))


def sr(row, y, tau, power, weight, *, normalise):
    """Zhou et al. 2021, equations 9 and 10, and the bound of their code."""
    norm = math.sqrt(math.fsum(z * z for z in row)) if normalise else 1.0
    p = softmax([z / norm / tau for z in row])
    return -math.log(p[y]) + weight * sum(max(q, 1e-7) ** power for q in p)


def eps_softmax(row, y, alpha, beta, m):
    """Wang et al. 2024: cross-entropy of the pushed prediction and twice the absolute error."""
    p = softmax(row)
    top = max(range(len(p)), key=p.__getitem__)
    pushed = max((p[y] + m * (top == y)) / (m + 1), 1e-8)
    return -alpha * math.log(pushed) + beta * 2 * (1 - p[y])


def determinant(matrix):
    """The determinant, by the first row's minors."""
    if not matrix:
        return 1.0
    minors = [[row[:k] + row[k + 1 :] for row in matrix[1:]] for k in range(len(matrix))]
    return sum((-1) ** k * matrix[0][k] * determinant(minors[k]) for k in range(len(matrix)))


def l_dmi(rows, labels):
    """Minus the log of the determinant of labels against predictions (Xu et al. 2019, eq. 4)."""
    classes = range(len(rows[0]))
    joint = [[0.0] * len(rows[0]) for _ in classes]
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        joint[y] = [a + b for a, b in zip(joint[y], p, strict=True)]
    return -math.log(abs(determinant(joint)) + 0.001)


def f_divergence(rows, labels, others, name):
    """What belongs against what does not (Wei & Liu 2021, table 1): activation and conjugate."""
    losses = []
    for row, y, other in zip(rows, labels, others, strict=True):
        p, q = softmax(row)[y], softmax(row)[other]
        if name == "total_variation":
            losses.append(math.tanh(q) / 2 - math.tanh(p) / 2)
        elif name == "jensen_shannon":
            belongs = math.log(2 / (1 + math.exp(-p)))
            losses.append(-math.log(2 - 2 / (1 + math.exp(-q))) - belongs)
        elif name == "pearson":
            losses.append(q * q / 4 + q - p)
        elif name == "kl":
            losses.append(math.exp(q - 1) - p)
        else:
            losses.append(q + q * q / 4 + q**3 / 16 - p)
    return losses
