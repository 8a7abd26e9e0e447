"""Adam, for entries of the state that a method learns beside the network."""

import torch
from torch import Tensor

from methods.base import State

BETAS, EPS = (0.9, 0.999), 1e-8
STEEPEST = 1e18
"""The largest slope: the square of one that is larger does not fit a number of 32 bits."""


def adam_state(name: str, value: Tensor) -> State:
    """Return the entries of a state that :func:`adam` moves: the value, its moments, its steps."""
    none = torch.zeros_like(value)
    steps = torch.zeros((), dtype=torch.long, device=value.device)
    return {name: value, f"{name}_mean": none, f"{name}_square": none, f"{name}_steps": steps}


def adam(state: State, name: str, slope: Tensor, lr: float, decay: float = 0.0) -> State:
    """Return the state after a step of Adam on one entry.

    ``m <- b1 * m + (1 - b1) * g``, ``s <- b2 * s + (1 - b2) * g^2``, both divided by one minus the
    power of their ``b``, then ``x <- x - lr * m / (sqrt(s) + eps)``; ``g`` includes ``decay * x``.
    The state holds the entries of :func:`adam_state`. Of a slope beyond 1e18, and of one that is
    infinite, 1e18 is taken, which moves ``x`` as far; one that is undefined, as of a probability of
    zero times an infinite loss, counts as none.

    Source:
        Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.
        https://arxiv.org/abs/1412.6980 (algorithm 1)
    """
    (first, second), value = BETAS, state[name].detach()
    slope = slope.nan_to_num(0.0, STEEPEST, -STEEPEST).clamp(-STEEPEST, STEEPEST)
    slope, steps = slope + decay * value, state[f"{name}_steps"] + 1
    mean = first * state[f"{name}_mean"] + (1 - first) * slope
    square = second * state[f"{name}_square"] + (1 - second) * slope.square()
    size = (square / (1 - second**steps)).sqrt() + EPS
    moved = value - lr * (mean / (1 - first**steps)) / size
    new = {name: moved, f"{name}_mean": mean, f"{name}_square": square, f"{name}_steps": steps}
    return {**state, **new}
