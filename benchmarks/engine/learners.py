"""The stacked networks of many cells, and one step of all of them: every hook mapped by vmap.

Parameters, buffers and the method's state carry a leading axis of ``K`` cells. Dense networks are
batched products, so small networks no longer pay the price of a kernel launch each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from benchmarks.datasets import DATASETS
from benchmarks.engine.average import StackedAverage
from benchmarks.engine.graph import set_rate
from benchmarks.engine.mapped import Forward, Given, Hooks, Stacked, forward, of_network
from benchmarks.engine.optimizer import Bare
from benchmarks.engine.reference import recipe_of
from benchmarks.engine.step import autocast, learning_rate, without_running_statistics
from benchmarks.models import initialised
from benchmarks.models.layers import last_layers
from benchmarks.recipes import Recipe
from benchmarks.sweep import Cell
from methods import Network, Stage, State
from methods.base import Weights


@dataclass
class Learners:
    """The networks of a pack and what moves them."""

    cell: Cell  # any of the pack; its seed and noise are not read
    blueprint: nn.Module
    params: Stacked
    buffers: Stacked
    average: StackedAverage | None
    recipe: Recipe = field(init=False)  # of the stage
    learning: list[str] = field(init=False)  # the parameters that the stage trains
    optimizer: Bare = field(init=False)  # of the stage

    @classmethod
    def fresh(cls, cells: Sequence[Cell], part: int, device: torch.device) -> "Learners":
        """Return the weights that the reference driver starts each cell from."""
        first, networks = cells[0], cells[0].method.networks
        every = [
            initialised(
                cell.model,
                cell.dataset.shape,
                cell.dataset.num_classes,
                (DATASETS.name(cell.dataset), cell.seed, k, part),
            )
            for cell in cells
            for k in range(networks)
        ]
        params, buffers = (
            {
                name: value.detach().unflatten(0, (len(cells), networks)).to(device)
                for name, value in tree.items()
            }
            for tree in stack_module_state(every)
        )
        return cls(first, every[0].to(device), params, buffers, None)

    def averaged(self, steps: int) -> "Learners":
        """Begin an average, if the method uses one; an epoch has ``steps``."""
        method = self.cell.method
        if method.averaged:
            decay = method.decay(steps, self.cell.recipe.epochs)
            self.average = StackedAverage.of(self.params, self.buffers, decay)
        return self

    def begin(self, stage: Stage, fresh: "Learners", *, graphed: bool) -> None:
        """Start a stage with a new optimiser, and with fresh last layers where it renews some."""
        names = last_layers(self.blueprint, stage.fresh_layers)
        if stage.fresh_layers:
            self.params |= {name: fresh.params[name] for name in names if name in self.params}
            self.buffers |= {name: fresh.buffers[name] for name in names if name in self.buffers}
        self.learning = [name for name in self.params if name in set(names)]
        self.recipe = recipe_of(self.cell, stage)
        for name, param in self.params.items():
            param.requires_grad_(name in self.learning)
        learning = [self.params[name] for name in self.learning]
        self.optimizer = Bare(self.recipe, learning, graphed=graphed)

    def rate(self, local: int, stage: Stage) -> float:
        """Set the learning rate of an epoch of the stage and return it."""
        lr = self.recipe.lr_at(local, stage.epochs)
        set_rate(self.optimizer, lr)
        return lr

    def step(
        self, image: Tensor, given: Given, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take one step of every cell; return the losses ``(K,)`` and the state.

        Args:
            image: ``(K, views, B, channels, H, W)``.
            given: the batches behind the images.
            state: stacked.
            epoch: 0-d.
        """
        method, hooks = self.cell.method, Hooks(self.cell.method)
        self.blueprint.train()
        if "trusted" in given:
            state = hooks.lookahead(self._network(), image[:, 0], given, state)
        if method.peeks:
            given = {**given, "outputs": self._peek(image)}
        image, given = hooks.prepare(image, given, state, epoch)
        leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
        learning = {name: self.params[name] for name in self.learning}
        weights = self.params, self.buffers
        logits, self.buffers = self._forward.logits(weights, image)
        loss, state = hooks.loss(logits, given, {**state, **leaves}, epoch)
        wanted = [*learning.values(), *leaves.values()]
        slopes = torch.autograd.grad(loss.sum(), wanted, materialize_grads=True)
        with torch.no_grad():
            state = {name: value.detach() for name, value in state.items()}
            grads = dict(zip(learning, slopes, strict=False))
            self._move(hooks.gradient(learning, grads, state, epoch))
            own = dict(zip(leaves, slopes[len(learning) :], strict=True))
            return loss.detach(), hooks.learn(state, own, epoch)

    @property
    def _forward(self) -> Forward:
        return Forward(self.cell.method, self.blueprint, self.cell.precision)

    @torch.no_grad()
    def _peek(self, image: Tensor) -> Tensor:
        """Return logits before the step; the networks' own move their running statistics."""
        if self.average is None or "peeks" not in self.cell.method.averaged:
            outputs, self.buffers = self._forward.logits((self.params, self.buffers), image)
            return outputs
        self.blueprint.eval()
        outputs, _ = self._forward.logits((self.average.params, self.average.buffers), image)
        self.blueprint.train()
        return outputs

    def _network(self) -> Network:
        """Return the first networks as functions."""
        blueprint = without_running_statistics(self.blueprint)

        def run(weights: Weights, image: Tensor) -> Tensor:
            with autocast(self.cell.precision, image.device):
                logits: Tensor = functional_call(blueprint, weights, (image,))
            return logits.to(image.dtype)

        params = {name: value[:, 0].detach() for name, value in self.params.items()}
        return Network(params, run, learning_rate(self.optimizer))

    def _move(self, grads: Stacked) -> None:
        """Clip each network's gradient by its own norm, and let the optimiser step."""
        if limit := self.recipe.clip_norm:
            squares = [grad.flatten(2).square().sum(-1) for grad in grads.values()]
            norm = torch.stack(squares).sum(0).sqrt()  # (K, networks)
            scale = (limit / (norm + 1e-6)).clamp(max=1.0)
            grads = {
                n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()
            }
        for name, grad in grads.items():
            self.params[name].grad = grad
        self.optimizer.step()

    def follow(self) -> None:
        """Let the averages follow the step."""
        if self.average is not None:
            self.average.update(self.params, self.buffers)

    def left_behind(self) -> dict[str, Tensor]:
        """Return the running statistics, which each step makes anew."""
        return self.buffers

    def take_up(self, tensors: dict[str, Tensor]) -> None:
        """Go on from these running statistics."""
        self.buffers = tensors

    @torch.no_grad()
    def evaluate(self, images: Iterable[Tensor]) -> Tensor:
        """Return logits ``(K, networks, N, C)`` in evaluation mode and full precision.

        Args:
            images: chunks ``(K, n, channels, H, W)``, normalised.
        """
        shown = (self.params, self.buffers)
        if self.average is not None and "predictions" in self.cell.method.averaged:
            shown = (self.average.params, self.average.buffers)
        self.blueprint.eval()
        count = self.cell.method.networks
        parts = [
            [forward(self.blueprint, of_network(shown, k), part)[0] for k in range(count)]
            for part in images
        ]
        return torch.cat([torch.stack(part, 1) for part in parts], 2)
