"""Sharpness-aware minimisation of softmax regression, from the paper's equations, number by number.

Algorithm 1 of Foret et al. (2021) with p = 2: climb along the gradient by ``rho``, take the
gradient there, step from where the climb began; momentum and weight decay are those of SGD.
"""

import math


def gradient(weights, images, labels):
    """The mean cross-entropy and its gradient by rows ``(C, D + 1)``, the bias last."""
    slopes, loss = [[0.0] * len(row) for row in weights], 0.0
    for image, label in zip(images, labels, strict=True):
        x = [*image, 1.0]
        logits = [sum(w * v for w, v in zip(row, x, strict=True)) for row in weights]
        top = max(logits)
        total = sum(math.exp(z - top) for z in logits)
        loss -= (logits[label] - top - math.log(total)) / len(labels)
        for k, z in enumerate(logits):
            share = (math.exp(z - top) / total - (k == label)) / len(labels)
            slopes[k] = [slope + share * v for slope, v in zip(slopes[k], x, strict=True)]
    return loss, slopes


def trained(weights, batches, rho, recipe):
    """The weights after a step a batch, and the loss of each, at the weights before it."""
    lr, momentum, decay = recipe
    velocity, losses = [[0.0] * len(row) for row in weights], []
    for images, labels in batches:
        loss, first = gradient(weights, images, labels)
        losses.append(loss)
        length = math.sqrt(sum(g * g for row in first for g in row))
        worst = [
            [w + rho * g / length for w, g in zip(*pair, strict=True)]
            for pair in zip(weights, first, strict=True)
        ]
        second = gradient(worst, images, labels)[1]
        velocity = [
            [momentum * v + g + decay * w for v, g, w in zip(*rows, strict=True)]
            for rows in zip(velocity, second, weights, strict=True)
        ]
        weights = [
            [w - lr * v for w, v in zip(*pair, strict=True)]
            for pair in zip(weights, velocity, strict=True)
        ]
    return weights, losses
