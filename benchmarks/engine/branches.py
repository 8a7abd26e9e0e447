"""The cells of a pack side by side, each with networks, an optimiser and a stream of its own.

All that such cells share is the clock: their kernels are those of the reference driver, on tensors
of one cell, and convolutions need not be grouped. On a GPU every cell's kernels go to a stream of
its own. Recorded as one CUDA graph these are its branches, which fill the device where a single
small network leaves most of it idle.
"""

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from benchmarks.engine import reference
from benchmarks.engine.graph import on_tensors, set_rate
from benchmarks.engine.mapped import Given
from benchmarks.engine.stacked import stacked
from benchmarks.engine.step import Learner, channels_last
from benchmarks.sweep import Cell
from methods import Batch, Stage, State


@dataclass
class Branches:
    """What :class:`benchmarks.engine.learners.Learners` is, not mapped."""

    cells: Sequence[Cell]
    networks: list[list[nn.Module]]  # of each cell
    streams: list[torch.cuda.Stream]  # of each cell; none without CUDA
    averages: list[list[AveragedModel]] = field(default_factory=list)
    learners: list[Learner] = field(default_factory=list)  # of the stage

    @classmethod
    def fresh(cls, cells: Sequence[Cell], part: int, device: torch.device) -> "Branches":
        """Return the networks that the reference driver starts each cell from."""
        networks = [reference.networks_of(cell, device, part) for cell in cells]
        streams = [torch.cuda.Stream(device) for _ in cells] if device.type == "cuda" else []
        return cls(cells, networks, streams)

    def averaged(self, steps: int) -> "Branches":
        """Begin averages, if the method uses them; an epoch has ``steps``."""
        pairs = zip(self.cells, self.networks, strict=True)
        self.averages = [reference.averages_for(cell, own, steps) for cell, own in pairs]
        return self

    def begin(self, stage: Stage, fresh: "Branches", *, graphed: bool) -> None:
        """Start a stage with new optimisers, and with fresh last layers where it renews some."""
        self.learners = []
        for cell, own, new, averages in zip(
            self.cells, self.networks, fresh.networks, self.averages, strict=True
        ):
            reference.renew(own, new, stage.fresh_layers)
            learner = reference.learner_of(cell, own, stage, averages, graphed=graphed)
            self.learners.append(learner)

    def rate(self, local: int, stage: Stage) -> float:
        """Set the learning rate of an epoch of the stage and return it."""
        lr = reference.recipe_of(self.cells[0], stage).lr_at(local, stage.epochs)
        for learner in self.learners:
            set_rate(learner.optimizer, lr)
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
        for stream in self.streams:
            stream.wait_stream(torch.cuda.current_stream())
        found = []
        for k, learner in enumerate(self.learners):
            fields, own = on_tensors((given, state), operator.itemgetter(k))
            with torch.cuda.stream(self.streams[k] if self.streams else None):
                found.append(learner.step(image[k], Batch(**fields), own, epoch))
        for stream in self.streams:
            torch.cuda.current_stream().wait_stream(stream)
        losses, states = zip(*found, strict=True)
        return torch.stack(losses), stacked(states)

    def follow(self) -> None:
        """Let the averages follow the step."""
        for learner in self.learners:
            learner.follow()

    def left_behind(self) -> dict[str, Tensor]:
        """Return nothing: networks and optimisers are changed in place."""
        return {}

    def take_up(self, tensors: dict[str, Tensor]) -> None:
        """Do nothing: there is nothing to take up."""

    @torch.no_grad()
    def evaluate(self, images: Iterable[Tensor]) -> Tensor:
        """Return logits ``(K, networks, N, C)`` in evaluation mode and full precision.

        Args:
            images: chunks ``(K, n, channels, H, W)``, normalised.
        """
        averaged = "predictions" in self.cells[0].method.averaged
        shown: Sequence[reference.Networks] = self.averages if averaged else self.networks
        for network in (one for own in shown for one in own):
            network.eval()
        parts = []
        for chunk in images:
            pairs = zip(map(channels_last, chunk), shown, strict=True)
            parts.append(torch.stack([torch.stack([one(x) for one in own]) for x, own in pairs]))
        for network in (one for own in shown for one in own):
            network.train()
        return torch.cat(parts, 2)
