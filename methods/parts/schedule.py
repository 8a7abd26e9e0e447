"""Schedules of weights that change while a method trains."""

from torch import Tensor


def ramp(epoch: Tensor, epochs: Tensor, start: float, end: float) -> Tensor:
    """Return 0 up to ``start``, 1 from ``end`` on, linear between; both are shares of training.

    Args:
        epoch: 0-d, counts from 0.
        epochs: 0-d, all there are.
        start: of the rise.
        end: of the rise; not after ``start`` is a jump.
    """
    done = epoch / epochs
    return ((done - start) / max(end - start, 1e-9)).clamp(0, 1)
