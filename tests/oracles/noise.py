"""Label noise in plain loops: lists in, lists out, no torch."""

import hashlib
import math
import struct


def corrupt(label, table, u, v):
    """Walk along each example's row: ``u`` says whether, ``v`` which of the other classes."""
    given = []
    for y, whether, which in zip(label, u, v, strict=True):
        given.append(y if whether >= 1 - table[y][y] else walk(table[y], y, which))
    return given


def walk(row, true, which):
    """The class at which a share of all but the true one is used up."""
    others = [k for k in range(len(row)) if k != true and row[k] > 0]
    goal = which * sum(row[k] for k in others)
    walked = 0.0
    for k in others:
        walked += row[k]
        if goal < walked:
            break
    return k


def whole(share, total):
    """Rounded down, where a product such as 0.29 * 100 is 29 and not 28.999999999999996."""
    return math.floor(round(share * total, 9))


def per_class(label, table, u, v):
    """Of each class the share that the row gives away, those with the smallest ``u``."""
    given = list(label)
    for true, row in enumerate(table):
        members = sorted((i for i, y in enumerate(label) if y == true), key=u.__getitem__)
        wrong = whole(math.fsum(share for k, share in enumerate(row) if k != true), len(members))
        for i in members[:wrong]:
            given[i] = walk(row, true, v[i])
    return given


def per_pair(label, table, u, v):
    """Likewise for each pair; the class with the smallest number takes the smallest ``v``."""
    given = list(label)
    for true, row in enumerate(table):
        members = sorted((i for i, y in enumerate(label) if y == true), key=u.__getitem__)
        wrong = [k for k, p in enumerate(row) if k != true for _ in range(whole(p, len(members)))]
        for i, k in zip(sorted(members[: len(wrong)], key=v.__getitem__), wrong, strict=True):
            given[i] = k
    return given


def label_sha256(label):
    """The hash of the labels as little-endian 64-bit integers, packed one by one."""
    return hashlib.sha256(b"".join(struct.pack("<q", y) for y in label)).hexdigest()


def pdn(label, pixel, share, weight, u, v):
    """Xia et al., algorithm 2, an image at a time; ``weight[class][pixel][class]``."""
    given = []
    for i, y in enumerate(label):
        classes = range(len(weight[y][0]))
        score = [
            math.fsum(x * w[k] for x, w in zip(pixel[i], weight[y], strict=True)) for k in classes
        ]
        most = max(score[k] for k in classes if k != y)
        power = [math.exp(score[k] - most) if k != y else 0.0 for k in classes]
        row = [share[i] * p / sum(power) for p in power]
        given.append(y if u[i] >= share[i] else walk(row, y, v[i]))
    return given


def pmd(label, eta, kind, scale):
    """Zhang et al., section 4: the probability of a flip and its target, an image at a time."""
    found = []
    for y, p in zip(label, eta, strict=True):
        s = max((k for k in range(len(p)) if k != y), key=p.__getitem__)
        d = max(0.0, p[y] - p[s])
        base = {"I": (1 - d * d) / 2, "II": 1 - d**3, "III": 1 - (d + d * d + d**3) / 3}[kind]
        found.append((scale(base), s))
    return found
