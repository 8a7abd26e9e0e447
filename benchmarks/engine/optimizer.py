"""The optimiser of a recipe: torch's own kernels, without the classes around them.

A class of :mod:`torch.optim` takes longer for its hooks and its profiling than its kernel for the
weights of a small network, and imports the compiler, which takes a second in every worker.
``tests/engine/test_optimizer.py`` holds this one to torch's to the bit.
"""

from collections.abc import Container, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from benchmarks.recipes import Recipe


class Optimizer:
    """The optimiser of a recipe, which moves parameters along their gradients.

    Args:
        recipe: optimiser, momentum and weight decay; its learning rate is that of the first step.
        params: all on one device.
        capturable: hold the learning rate in a tensor, from which a CUDA graph reads it.
    """

    def __init__(
        self, recipe: Recipe, params: Sequence[Tensor], *, capturable: bool = False
    ) -> None:
        device = params[0].device
        self.params = list(params)
        self.lr: float | Tensor = recipe.lr
        if capturable:
            dtype = torch.float32 if device.type == "cuda" else None  # all that its kernels read
            self.lr = torch.full((), recipe.lr, dtype=dtype, device=device)
        self._recipe = recipe
        self._options: dict[str, Any] = {"foreach": False, "fused": device.type in {"cpu", "cuda"}}
        self._momentum: list[Tensor | None] = [None] * len(self.params)
        self._moments: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]] | None = None
        if recipe.optimizer == "adam":
            self._options["capturable"] = capturable and device.type == "cuda"
            counts = [torch.zeros((), dtype=torch.float32, device=device) for _ in params]
            first, second = ([torch.zeros_like(param) for param in params] for _ in range(2))
            self._moments = (first, second, [], counts)  # none for the largest so far

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for param in self.params:
            param.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients; what has none has one of 0, as in a stack."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.params]
        recipe = self._recipe
        if self._moments is not None:
            adam(
                self.params,
                grads,
                *self._moments,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.lr,
                weight_decay=recipe.weight_decay,
                eps=1e-8,
                maximize=False,
                **self._options,
            )
        else:
            sgd(
                self.params,
                grads,
                self._momentum,
                weight_decay=recipe.weight_decay,
                momentum=recipe.momentum,
                lr=self.lr,
                dampening=0.0,
                nesterov=recipe.nesterov,
                maximize=False,
                **self._options,
            )

    def tensors(self) -> dict[str, Tensor]:
        """Return what it remembers of the steps so far, by name."""
        if self._moments is None:
            return {f"momentum{i}": own for i, own in enumerate(self._momentum) if own is not None}
        first, second, _, counts = self._moments
        lists = {"first": first, "second": second, "count": counts}
        return {f"{name}{i}": own for name, each in lists.items() for i, own in enumerate(each)}

    def make_room(self, names: Container[str]) -> None:
        """Have a tensor for everything of these names, which the first step would make."""
        for i, param in enumerate(self.params):
            if f"momentum{i}" in names:
                self._momentum[i] = torch.zeros_like(param)

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate, in place where it is a tensor that a graph reads."""
        if isinstance(self.lr, Tensor):
            self.lr.fill_(lr)
        else:
            self.lr = lr

    def learning_rate(self) -> Tensor:
        """Return the learning rate of the coming step, 0-d, as a tensor like the parameters."""
        like = self.params[0]
        if isinstance(self.lr, Tensor):
            return self.lr.to(like)
        return torch.full((), self.lr, dtype=like.dtype, device=like.device)
