"""The authors' training of ProMix, which ours is held against."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock, patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from methods import METHODS, Batch, State, Task
from methods.parts.strong_views import CHANGES
from methods.promix import ProMix, partners
from tests.authors.code import Names
from tests.authors.stand_ins import QUIET, Loader, Torch64, losses_kept
from tests.authors.visits import B, C, Difference, N, Training, Visit, apart, labels, largest

TOTAL = 600
"""Epochs, of which counts of that code are shares."""

WARM_UP, ALL_BELIEVED = 5, 500
VISITED = (WARM_UP, 12, 30, 60, 99, 150, 400, ALL_BELIEVED, 520)
"""Epochs: at one of them nothing is left out, and both codes mix the same pairs; after it more
predictions agree than there is room for.
"""


class _Small(Torch64):
    """What that code knows as torch, with a training set of our size for one of 50,000."""

    def zeros(self, *size: int) -> Tensor:
        return torch.zeros(*(N if each == 50_000 else each for each in size))


def _mean(values: Tensor, *args: Any, mean: Any = Tensor.mean, **more: Any) -> Tensor:
    """Return the mean, and 0 over nothing."""
    return mean(values, *args, **more) if values.numel() else values.sum(*args, **more)


def _settings(method: ProMix) -> Any:
    return SimpleNamespace(
        num_class=C,
        num_epochs=TOTAL,
        batch_size=B,
        tau=method.tau,
        T=method.temperature,
        threshold=method.fill,
        debias_output=method.debias,
        debias_pl=method.debias,
        rho_start=method.ratio,
        rho_end=method.ratio,
        warmup_ep=method.ramp * TOTAL,
        start_expand=method.guess * TOTAL,
        bias_m=1 - B / (N * method.memory * TOTAL),
        noise_mode="sym",
        noise_type="",
        dataset="",
    )


class _Step:
    """A batch and what is drawn for it, of which both codes are asked the loss."""

    def __init__(self, method: ProMix, state: State, epoch: int, source: torch.Generator):
        self.method, self.epoch, self.full = method, epoch, epoch == ALL_BELIEVED
        self.ids = torch.randperm(N, generator=source)[:B]
        label, sure = labels()[self.ids], epoch >= ALL_BELIEVED
        ease = 14 if sure else 12 * torch.rand(B, 1, generator=source)
        class_ = torch.where((torch.arange(B) % 3 > 0) | self.full, label, label.roll(2))
        lean = (ease * F.one_hot(class_, C)).repeat(1, 2)
        noise = 1.5 * torch.randn(2, 3, B, 2 * C, generator=source)
        self.logits = (noise + lean).requires_grad_()
        draws = {"mix": 0.5 + torch.rand((), generator=source) / 2}
        draws |= {"order": torch.rand(B, generator=source), "hole": torch.zeros(B, 2)}
        draws["strength"] = torch.zeros(B, len(CHANGES))
        self.draws, self.base = draws, state["base"][:, self.ids].double()
        batch = Batch(self.ids, label, draws=draws, outputs=self.logits.detach())
        batch = method.prepare(torch.zeros(3, B, 1, 4, 4), batch, state, torch.tensor(epoch))[1]
        known, mixed, others = batch.prepared_target()
        rows = torch.stack([known, mixed * self.full, others])
        self.batch, self.known = batch._replace(target=rows), known

    def ours(self, state: State) -> tuple[Tensor, State]:
        """Return our loss, without mixed pairs where not all labels are believed."""
        return self.method.loss(self.logits, self.batch, state, torch.tensor(self.epoch))

    def _network(self, which: int) -> Mock:
        """Return one that gives what that code asks for in its order; mixed pairs cost nothing."""
        weak, strong, mixed = (each.chunk(2, -1) for each in self.logits[which])
        if self.epoch == WARM_UP:
            return Mock(side_effect=[weak[0]])
        if not self.full:
            mixed = [1e4 * self.known[which][self.known[which].sum(-1) > 0.5]] * 2
        none = torch.zeros(C)
        order = [(*weak, None), (*strong, None), mixed[0], none, mixed, (none, none)]
        return Mock(side_effect=order)

    def theirs(self, names: Names, means: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return that code's loss, and its running means; what is believed is noted in ``base``."""
        nets, image, label = map(self._network, (0, 1)), torch.zeros(B, 1), self.batch.label
        rows = [(image, image, label, self.base[0], self.base[1], None, self.ids)]
        weight = self.draws["mix"].item() if self.full else 1.0
        partner = partners(torch.ones(2, B, dtype=torch.bool), self.draws["order"])
        with (
            losses_kept() as found,
            patch.object(Tensor, "mean", _mean),
            patch.object(torch, "randperm", lambda n: partner if self.full else torch.arange(n)),
            patch.object(np.random, "beta", lambda *_: weight),
        ):
            if self.epoch == WARM_UP:
                names["warmup"](0, *nets, Mock(), Loader([(image, image, label, None)], N))
            else:
                moved = names["train"](self.epoch, *nets, Mock(), Loader(rows, N), *means)
                means = [*moved[:2], *(means if self.full else moved)[2:]]  # none of nothing
        return found[0], means


def _promix(spec: str, names: Names) -> Difference:
    """Choose the easiest by random outputs, then ask for the loss of a batch, at several epochs."""
    method, source = METHODS.build(spec), torch.Generator().manual_seed(0)
    assert isinstance(method, ProMix)
    names |= {"args": _settings(method), "eval_loader": [(labels(), labels(), torch.arange(N))]}
    names["fmix"] = MagicMock(loss=lambda *_: 0.0)

    def easiest(outputs: Tensor) -> Tensor:
        model = Mock(return_value=outputs[:, :C])
        return torch.from_numpy(names["eval_train"](model, [], method.ratio, C)[0])

    def visits() -> Iterator[Visit]:
        state, means = method.init(Task(labels(), C, TOTAL)), [torch.full((C,), 1 / C)] * 4
        for epoch in VISITED:
            names["epoch"], outputs = epoch, 2 * torch.randn(2, N, 2 * C, generator=source)
            state = method.refit(outputs, state, torch.tensor(epoch))
            easy = torch.stack([easiest(each) for each in outputs]) + (epoch == WARM_UP)
            chosen = apart(state["base"], easy.clamp(max=1))
            step = _Step(method, state, epoch, source)
            mine, state = step.ours(state)
            other, means = step.theirs(names, means)
            moved = [apart(state["pi"].flatten(0, 1), torch.stack(means)), chosen]
            moved.append(apart(state["kept"][:, step.ids], step.base))
            yield Visit(step.logits, mine, other, max(moved))

    return largest(visits())


PROMIX = Training(
    "promix",
    "Justherozen/ProMix",
    "utils/utils.py Train_promix.py",
    _promix,
    {**QUIET, "torch": _Small()},
)
