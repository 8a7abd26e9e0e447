"""A loss that one method takes from another, named by its spec: ``co_teaching(loss='gce')``."""

import functools
from typing import Annotated

import torch
from torch import Tensor

from methods.base import Batch, Method, hooks_of
from methods.bounds import SpecOf
from methods.registry import Registry

_CATALOGUE: list[Registry[Method]] = []


def serve(catalogue: Registry[Method]) -> None:
    """Take losses from this catalogue; its module calls this, for no method imports another."""
    _CATALOGUE[:] = [catalogue]
    _built.cache_clear()


def named_losses(spec: str, logits: Tensor, batch: Batch, epoch: Tensor) -> Tensor:
    """Return what the loss called ``spec`` makes of each example: the logits' shape without ``C``.

    Leading axes of the logits ``(..., B, C)`` are networks or views, each by itself. Of the batch
    only ``ids`` and ``label`` are read.
    """
    if logits.dim() > 2:
        return torch.stack([named_losses(spec, part, batch, epoch) for part in logits])
    return _built(spec).losses(logits, Batch(batch.ids, batch.label), {}, epoch)[0]


@functools.cache
def _built(spec: str) -> Method:
    """Return the method called ``spec``, built once, for a step asks for it every time."""
    return _CATALOGUE[0].build(spec)


def _canonical(spec: str) -> str:
    """Return the shortest spec of the loss called ``spec``.

    Raises:
        ValueError: there is none, or it needs more than the logits and labels of a batch.
    """
    (catalogue,) = _CATALOGUE
    method = catalogue.build(spec)
    if needs := _needs(type(method)):
        known = [name for name, entry in catalogue.items() if not _needs(entry)]
        raise ValueError(
            f"{catalogue.name(method)} also has {', '.join(needs)}; known: {', '.join(known)}"
        )
    return catalogue.spec(method)


def _needs(entry: type[Method]) -> list[str]:
    """Return what a method has beside a loss of its own for each example."""
    if any(field.spec for field in entry.fields()):
        return ["an injected loss"]
    others = [hook for hook in hooks_of(entry) if hook != "losses"]
    return others if entry.losses is not Method.losses else [*others, "no losses"]


LossSpec = Annotated[str, SpecOf(_canonical, "the spec of a loss on logits and labels alone")]
"""The type of a field that holds another method's loss.

It accepts every method whose only hook is ``losses``. A field called ``loss_`` is ``loss`` in spec
strings, since the hook :meth:`Method.loss` has the name.
"""
