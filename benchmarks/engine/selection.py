"""The metrics of every epoch of a cell, gathered while it trains, and the epochs selected."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import metrics, schema
from benchmarks.engine.data import CellData
from benchmarks.engine.loop import Epoch
from methods import State

SELECTED = ("last", "val", "label_wave", "oracle")

SMOOTHED = 3
"""Counts of changed predictions whose mean :class:`LabelWave` follows."""

MANY = 2.0**40
"""More than any count of images or epochs."""

BLANK = [math.nan] * (1 + len(schema.EPOCH_METRICS))
"""The numbers of an epoch that is not evaluated."""

AT_ONCE = 2**20
"""Logits of a cell that wait until the metrics of their epochs are computed together."""


@dataclass
class LabelWave:
    """The first minimum of how many training images are called another class than an epoch before.

    The counts are smoothed by the mean of the last ``SMOOTHED``; an epoch is chosen until that mean
    rises for the first time, so it is the first of the lowest means before. Neither held-out
    labels nor clean ones are asked.

    Source: Yuan, Feng & Liu, "Early stopping against label noise without validation data", ICLR
    2024, https://arxiv.org/abs/2502.07551, who smooth by a moving average and stop at its first
    minimum; their code (tmllab/2024_ICLR_LabelWave, commit cf3e9eb) prints the counts alone.
    Here they are of images without augmentation after each evaluated epoch; there, of augmented
    images while the epoch trains. The length of their average could not be read.
    """

    counts: list[int] = field(default_factory=list)  # the last ``SMOOTHED``
    lowest: float = MANY  # mean so far
    over: bool = False  # whether the mean has risen

    def score(self, changed: int) -> float:
        """Take in a count; return minus the mean, or minus infinity where no epoch is chosen."""
        self.counts = [*self.counts, changed][-SMOOTHED:]
        mean = sum(self.counts) / SMOOTHED
        if self.over or len(self.counts) < SMOOTHED:
            return -math.inf
        self.over = mean > self.lowest
        self.lowest = min(self.lowest, mean)
        return -mean


class SelectedEpoch(NamedTuple):
    """The best epoch so far of a selection."""

    score: float
    row: int  # of the curves
    test: Tensor  # (M, C) logits
    val: Tensor  # (V, C)


@dataclass
class History:
    """The metrics of one cell, epoch by epoch, and the epochs that selections chose so far."""

    keys: dict[str, Any]
    stops_early: str = ""  # the selection by which its method ends
    rows: list[list[float]] = field(default_factory=list)  # per epoch, CURVE_VALUES
    final: list[int] = field(default_factory=list)  # positions in rows that belong to the method
    chosen: dict[str, SelectedEpoch] = field(default_factory=dict)
    state: State = field(default_factory=dict)  # the method's own, after the last epoch
    loss_last: Tensor = field(default_factory=lambda: torch.zeros(()))  # (N,) -log p[given]
    loss_mean: Tensor = field(default_factory=lambda: torch.zeros(()))  # of evaluated epochs so far
    loss_sum: Tensor = field(default_factory=lambda: torch.zeros(()))
    margin_mean: Tensor = field(default_factory=lambda: torch.zeros(()))  # likewise, see _margins
    margin_sum: Tensor = field(default_factory=lambda: torch.zeros(()))
    scored: int = 0  # epochs in it
    predicted: Tensor = field(default_factory=lambda: torch.zeros(()))  # (N,) where it ends
    called: Tensor = field(default_factory=lambda: torch.zeros(0))  # (N,) at the last epoch so far
    wave: LabelWave = field(default_factory=LabelWave)
    reason: str = ""  # why the cell has no result
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    waiting: list[Epoch] = field(default_factory=list)
    waiting_logits: int = 0  # how many they have

    def note(self, epoch: Epoch, data: CellData) -> None:
        """Take in an epoch; give a reason if it left numbers that are not finite."""
        if not math.isfinite(epoch.loss):
            self.reason = f"the training loss is {epoch.loss} in epoch {epoch.number}"
        elif not epoch.finite:
            self.reason = f"the logits are not finite after epoch {epoch.number}"
        else:
            self.waiting.append(epoch)
            if epoch.final_stage:
                self.state = epoch.state
            self.waiting_logits += sum(own.numel() for own in (epoch.train, epoch.val, epoch.test))
            if self.waiting_logits >= AT_ONCE:
                self.measure(data)

    def measure(self, data: CellData) -> None:
        """Add the metrics of the epochs that wait and keep what a selection may need of them."""
        if not self.waiting:
            return
        began, epochs = time.perf_counter(), self.waiting
        self.waiting, self.waiting_logits = [], 0
        measured = iter(_measured([epoch for epoch in epochs if epoch.evaluated], data))
        waves = iter(self._waves([e.train for e in epochs if e.evaluated and e.final_stage]))
        mine: dict[int, Tensor] = {}  # training logits of the method's own epochs, by row
        for epoch in epochs:
            values = next(measured) if epoch.evaluated else BLANK
            if epoch.final_stage:
                self.final.append(len(self.rows))
                if epoch.evaluated:
                    mine[len(self.rows)] = epoch.train
                    self._select(epoch, (values[0], values[1], next(waves)))
            self.rows.append([epoch.number, epoch.lr, epoch.loss, *values])
            self.train_seconds += epoch.train_seconds
            self.eval_seconds += epoch.eval_seconds
        self._score(mine, data)
        self.eval_seconds += time.perf_counter() - began

    def _waves(self, train: Sequence[Tensor]) -> list[float]:
        """Return the scores of :class:`LabelWave` of epochs with training logits ``(N, C)``."""
        if not train:
            return []
        called = torch.stack([logits.argmax(-1) for logits in train])  # (E, N)
        first = not len(self.called)
        before = torch.cat([called[:1] if first else self.called[None].to(called), called[:-1]])
        changed: list[int] = (called != before).sum(-1).tolist()
        self.called = called[-1]
        none = [-math.inf] * first  # nothing comes before the first epoch
        return none + [self.wave.score(count) for count in changed[first:]]

    def _select(self, epoch: Epoch, judged: tuple[float, float, float]) -> None:
        """Keep an epoch that is the best so far of a selection.

        Args:
            epoch: evaluated.
            judged: its accuracy on validation and test labels, and its score by Label Wave.
        """
        row, (val_acc, acc, wave) = len(self.rows), judged
        scores = {"last": float(row), "val": val_acc, "label_wave": wave, "oracle": acc}
        if self.stops_early:
            scores["last"] = max(scores[self.stops_early], row - MANY)  # the last if none is better
        for name, score in scores.items():
            best = self.chosen[name].score if name in self.chosen else -math.inf
            if score > best:  # the first of equals stays; NaN never comes
                self.chosen[name] = SelectedEpoch(score, row, epoch.test, epoch.val)

    def _score(self, train: Mapping[int, Tensor], data: CellData) -> None:
        """Add the losses and margins of the training examples on their given labels, by row."""
        if not train:
            return
        logits = torch.stack([*train.values()])  # (E, N, C)
        label = data.noisy.repeat(len(logits))
        losses = F.cross_entropy(logits.flatten(0, 1).double(), label, reduction="none")
        margins = _margins(logits, data.noisy)
        losses = losses.view(len(logits), -1)
        for row, own, loss, margin in zip(train, logits, losses, margins, strict=True):
            self.loss_sum = self.loss_sum.to(loss.device) + loss
            self.margin_sum = self.margin_sum.to(loss.device) + margin
            self.scored += 1
            if row == self.chosen["last"].row:
                self.loss_last, self.predicted = loss, own.argmax(-1)
                self.loss_mean = self.loss_sum / self.scored
                self.margin_mean = self.margin_sum / self.scored


def _margins(logits: Tensor, label: Tensor) -> Tensor:
    """Return by how much each label's logit is below the largest of all others, ``(E, N)``.

    Source: Pleiss et al., NeurIPS 2020, https://arxiv.org/abs/2001.10528, whose area under the
    margin is the negative of its mean over epochs.
    """
    place = label.expand(logits.shape[:-1])[..., None]
    others = logits.scatter(-1, place, -torch.inf).amax(-1)
    return (others - logits.gather(-1, place)[..., 0]).double()


def _measured(epochs: Sequence[Epoch], data: CellData) -> list[list[float]]:
    """Return the accuracy on validation labels and the ``EPOCH_METRICS`` of evaluated epochs."""
    if not epochs:
        return []
    val, test, train = (
        torch.stack([getattr(epoch, name) for epoch in epochs])  # (E, examples, C)
        for name in ("val", "test", "train")
    )
    val_acc = (val.argmax(-1) == data.val_noisy).double().mean(-1).tolist()
    of_test = _table(metrics.test_metrics(test, data.test.label), schema.TEST_METRICS)
    of_train = _table(metrics.train_metrics(train, data.noisy, data.clean), schema.TRAIN_METRICS)
    return [[one, *two, *three] for one, two, three in zip(val_acc, of_test, of_train, strict=True)]


def _table(values: Mapping[str, Tensor], order: Iterable[str]) -> list[list[float]]:
    """Bring a dict of ``(E,)`` tensors to the CPU at once: a row per epoch, in order."""
    rows: list[list[float]] = torch.stack([values[n].double() for n in order], -1).tolist()
    return rows
