"""The contract between a method and the engine that trains it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from methods.bounds import Bounded

State = dict[str, Tensor]
"""All that a method remembers between steps: flat, so it stacks, checkpoints and prints."""


class Task(NamedTuple):
    """What a method may know before training. Never the clean labels."""

    label: Tensor  # (N,) int64, noisy
    num_classes: int
    epochs: int


class Batch(NamedTuple):
    """What a method may know about a mini-batch. Never the clean labels."""

    ids: Tensor  # (B,) int64, positions in the training set
    label: Tensor  # (B,) int64, noisy


class Stage(NamedTuple):
    """A stretch of training; the recipe's schedule runs once in each."""

    epochs: int
    fresh_networks: bool = False  # start from new weights, state kept


@dataclass(frozen=True)
class Method(Bounded):
    """One published way to learn from noisy labels.

    Fields are the paper's hyper-parameters with the paper's defaults. A method holds only what
    its paper changed; the engine holds data order, augmentation, forward, backward, optimiser,
    schedule and evaluation.

    Hooks are pure and written for one cell. The engine may map them over many cells at once, so
    a hook has no ``.item()``, no branch on a tensor, no boolean-mask indexing and no random
    numbers of its own. Only :meth:`refit`, :meth:`stages` and :meth:`predict` are never mapped.

    Shapes: ``B`` batch, ``C`` classes, ``N`` training examples. Logits are float32,
    ``(B, C)``, or ``(networks, B, C)`` when ``networks > 1``.
    """

    networks: ClassVar[int] = 1
    privileges: ClassVar[tuple[str, ...]] = ()  # clean knowledge used: rate, T, clean_subset
    version: ClassVar[int | str] = 1  # raised when the same fields come to mean other numbers

    def init(self, task: Task) -> State:
        """Return the state before the first step."""
        return {}

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return one loss per example ``(B,)`` and the next state.

        Args:
            logits: the networks' outputs on the batch.
            batch: the examples behind the logits.
            state: the result of the last hook; never modified in place.
            epoch: 0-d, counts from 0.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither losses nor loss")

    def loss(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return the scalar to minimise and the next state: the mean of :meth:`losses`."""
        losses, state = self.losses(logits, batch, state, epoch)
        return losses.mean(), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Return the state with which ``epoch`` starts; called before every epoch but the first.

        Args:
            outputs: ``(networks, N, C)`` logits on the whole training set, in evaluation mode and
                fixed order, of the networks as they were before this epoch.
            state: the result of the last step.
            epoch: 0-d, the epoch about to start.
        """
        return state

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Divide the recipe's epochs; the lengths add up to ``epochs``."""
        return [Stage(epochs)]

    def predict(self, outputs: Tensor) -> Tensor:
        """Return ``(N, C)`` logits of the distribution the method predicts with.

        One network predicts with its own logits, several with the mean of their probabilities,
        returned as log-probabilities so that small ones survive.
        """
        if len(outputs) == 1:
            return outputs[0]
        return outputs.log_softmax(-1).logsumexp(0) - torch.tensor(float(len(outputs))).log()
