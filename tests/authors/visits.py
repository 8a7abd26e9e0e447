"""Random visits of a small training set, and the largest differences of two codes over them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.authors.code import Names

C, N, B, EPOCHS, VISITS = 10, 60, 24, 100, 6


class Visit(NamedTuple):
    """What both codes make of a batch."""

    logits: Tensor
    ours: Tensor  # 0-d, a loss of the logits
    theirs: Tensor
    state: float = 0.0  # how far apart are what both carry to the next visit


class Difference(NamedTuple):
    """The largest absolute differences over all visits.

    ``value`` is of losses, and of what is carried from visit to visit where that is compared.
    ``gradient`` is of the logits; where a method is trained, of what a step leaves of the weights.
    """

    visits: int
    value: float
    gradient: float


class Training(NamedTuple):
    """A method's spec, where the code is that it is held against, and what both do."""

    spec: str
    repository: str
    path: str
    measure: Callable[[str, Names], Difference]
    stubs: dict[str, Any] = {}  # noqa: RUF012  nobody writes to it


def largest(visits: Iterable[Visit]) -> Difference:
    """Return the largest differences; NaN where either code gives one."""
    count, value, gradient = 0, [0.0], [0.0]
    for each in visits:
        pair = (each.ours, each.theirs)
        slopes = [torch.autograd.grad(loss, each.logits)[0] for loss in pair]
        value += [apart(each.ours.detach(), each.theirs.detach()), each.state]
        gradient.append(apart(*slopes))
        count += 1
    return Difference(count, *(float(torch.tensor(found).max()) for found in (value, gradient)))


def apart(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest absolute difference of two tensors of a shape."""
    if ours.shape != theirs.shape:
        raise ValueError(f"{tuple(ours.shape)} is compared with {tuple(theirs.shape)}")
    return float((ours.double() - theirs.double()).abs().max())


def labels() -> Tensor:
    """Return the labels of the training set."""
    return torch.randint(C, (N,), generator=torch.Generator().manual_seed(1))


def batches(
    leading: Sequence[int] = (), columns: int = C, size: int = B
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield positions ``(size,)`` and logits of overlapping batches, from small to large ones."""
    source = torch.Generator().manual_seed(0)
    for visit in range(VISITS):
        ids = torch.randperm(N, generator=source)[:size]
        logits = torch.randn(*leading, size, columns, generator=source) * (0.5, 2, 5)[visit % 3]
        yield ids, logits.requires_grad_()


Batches = list[tuple[Tensor, Tensor]]
"""Positions and logits of the batches of an epoch."""


def epochs(count: int, leading: Sequence[int] = ()) -> list[Batches]:
    """Return epochs in which logits lean towards a class of each example, often not its label."""
    source = torch.Generator().manual_seed(0)
    ease = 6 * torch.rand(N, 1, generator=source)
    wrong = torch.rand(N, generator=source) < 0.3
    lean = ease * F.one_hot(torch.where(wrong, labels().roll(5), labels()), C)
    found: list[Batches] = []
    for _ in range(count):
        places = torch.randperm(N, generator=source).split(20)
        drawn = [2 * torch.randn(*leading, len(ids), C, generator=source) for ids in places]
        pairs = zip(places, drawn, strict=True)
        found.append([(ids, (noise + lean[ids]).requires_grad_()) for ids, noise in pairs])
    return found
