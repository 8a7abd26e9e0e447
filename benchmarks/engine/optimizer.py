"""The optimisers of a recipe: torch's classes, and the kernels under them without the classes."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from benchmarks.recipes import Recipe


class Optimizer(Protocol):
    """What moves parameters along their gradients."""

    param_groups: list[dict[str, Any]]  # one: its params, and the rate as lr

    def step(self) -> object:
        """Move them, and remember what was done."""


def optimizer_of(
    recipe: Recipe, params: Sequence[Tensor], *, graphed: bool = False
) -> torch.optim.Optimizer:
    """Return the recipe's optimiser of these parameters; a graph reads its rate from a tensor."""
    fused, lr = _fused(params), _rate(recipe, params, graphed=graphed)
    if recipe.optimizer == "adam":
        capturable = graphed and params[0].is_cuda
        return torch.optim.Adam(
            params, lr, weight_decay=recipe.weight_decay, fused=fused, capturable=capturable
        )
    return torch.optim.SGD(
        params,
        lr,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
        fused=fused,
    )


class Bare:
    """The same kernels, called at once: a class of torch imports the compiler, for a second."""

    def __init__(self, recipe: Recipe, params: Sequence[Tensor], *, graphed: bool) -> None:
        self._recipe, self._params = recipe, list(params)
        self._fused, self._capturable = _fused(params), graphed and params[0].is_cuda
        lr = _rate(recipe, params, graphed=graphed)
        self.param_groups: list[dict[str, Any]] = [{"params": self._params, "lr": lr}]
        self._momentum: list[Tensor | None] = [None] * len(self._params)
        self._moments: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]] | None = None
        if recipe.optimizer == "adam":
            counts = [torch.zeros((), device=param.device) for param in params]
            first, second = ([torch.zeros_like(param) for param in params] for _ in range(2))
            self._moments = (first, second, [], counts)  # none for the largest so far

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients, all of which are there."""
        grads = [param.grad for param in self._params if param.grad is not None]
        if self._moments is not None:
            adam(
                self._params,
                grads,
                *self._moments,
                foreach=False,
                fused=self._fused,
                capturable=self._capturable,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.param_groups[0]["lr"],
                weight_decay=self._recipe.weight_decay,
                eps=1e-8,
                maximize=False,
            )
        else:
            sgd(
                self._params,
                grads,
                self._momentum,
                foreach=False,
                fused=self._fused,
                weight_decay=self._recipe.weight_decay,
                momentum=self._recipe.momentum,
                lr=self.param_groups[0]["lr"],
                dampening=0.0,
                nesterov=self._recipe.nesterov,
                maximize=False,
            )


def _fused(params: Sequence[Tensor]) -> bool:
    return params[0].device.type in {"cpu", "cuda"}


def _rate(recipe: Recipe, params: Sequence[Tensor], *, graphed: bool) -> float | Tensor:
    return torch.tensor(recipe.lr, device=params[0].device) if graphed else recipe.lr
