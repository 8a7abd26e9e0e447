"""Corrections by a transition matrix as their papers write them: lists in, numbers out, loops."""

import math

from tests.oracles.methods import anchor_transition, cross_entropy, softmax


def inverse(matrix):
    """Gauss-Jordan elimination with the largest pivot first."""
    size = len(matrix)
    rows = [[*row, *(float(i == k) for k in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        best = max(range(column, size), key=lambda r: abs(rows[r][column]))
        rows[column], rows[best] = rows[best], rows[column]
        pivot = rows[column][column]
        rows[column] = [value / pivot for value in rows[column]]
        for r in range(size):
            if r != column:
                factor = rows[r][column]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[column], strict=True)]
    return [row[size:] for row in rows]


def determinant(matrix):
    """Expansion along the first row."""
    if len(matrix) == 1:
        return matrix[0][0]
    total = 0.0
    for k, value in enumerate(matrix[0]):
        minor = [row[:k] + row[k + 1 :] for row in matrix[1:]]
        total += (-1) ** k * value * determinant(minor)
    return total


def backward(rows, labels, transition):
    """The losses of all classes times the inverse (Patrini et al. 2017, theorem 1)."""
    corrected, undo = [], inverse(transition)
    for row, y in zip(rows, labels, strict=True):
        losses = [-math.log(max(p, 1e-7)) for p in softmax(row)]
        corrected.append(math.fsum(undo[y][k] * losses[k] for k in range(len(row))))
    return corrected


def dual_transition(posterior, labels, passed_over):
    """Anchors to the predicted class, counts from there (Yao et al. 2020, algorithm 1)."""
    classes = range(len(posterior[0]))
    club = anchor_transition(posterior, passed_over)
    count = [[0] * len(classes) for _ in classes]
    for row, y in zip(posterior, labels, strict=True):
        count[row.index(max(row))][y] += 1
    spade = []
    for k in classes:
        total = sum(count[k])
        spade.append([c / total if total else float(j == k) for j, c in enumerate(count[k])])
    return [
        [math.fsum(club[i][m] * spade[m][j] for m in classes) for j in classes] for i in classes
    ]


def scaled(matrix):
    """Rows that sum to 1."""
    return [[value / math.fsum(row) for value in row] for row in matrix]


def importance(rows, labels, transition):
    """The ratio of clean to noisy posterior at the label (Xia et al. 2019, section 3)."""
    weights = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        weights.append(p[y] / math.fsum(p[k] * transition[k][y] for k in range(len(p))))
    return weights


def reweighted(rows, labels, weights):
    """Mean weighted cross-entropy."""
    losses = cross_entropy(rows, labels)
    return math.fsum(w * one for w, one in zip(weights, losses, strict=True)) / len(rows)


def revised(correction, rows, labels, estimate):
    """The reweighted loss by an estimate plus its correction."""
    pairs = [zip(*pair, strict=True) for pair in zip(estimate, correction, strict=True)]
    matrix = scaled([[a + b for a, b in pair] for pair in pairs])
    return reweighted(rows, labels, importance(rows, labels, matrix))


def learnt_transition(free):
    """Identity and sigmoids off the diagonal, rows scaled (Li et al. 2021, section 3.3)."""
    raw = []
    for i, row in enumerate(free):
        raw.append([1.0 if i == j else 1 / (1 + math.exp(-w)) for j, w in enumerate(row)])
    return scaled(raw)


def volminnet(rows, labels, free, weight):
    """Forward loss, and the logarithm of the volume (Li et al. 2021, equation 4)."""
    transition, losses = learnt_transition(free), []
    volume = math.log(abs(determinant(transition)))
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        seen = math.fsum(p[k] * transition[k][y] for k in range(len(p)))
        losses.append(-math.log(seen) + weight * volume)
    return losses
