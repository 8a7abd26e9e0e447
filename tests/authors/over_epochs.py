"""Which code trains, epoch by epoch, what a method that learns between epochs is held against."""

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import MagicMock, Mock, patch

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from methods import METHODS, Batch, Method, State, Task
from methods.base import TrustedLabels
from tests.authors.code import Names
from tests.authors.stand_ins import QUIET, Loader, Numpy64, Torch64, losses_kept
from tests.authors.visits import (
    EPOCHS,
    B,
    Batches,
    C,
    Difference,
    N,
    Training,
    Visit,
    apart,
    batches,
    epochs,
    labels,
    largest,
)


class Other(NamedTuple):
    """Another code: the losses of an epoch's batches, and how far its state is from ours then."""

    losses: Callable[[int], list[Tensor]]
    apart: Callable[[State], float]


def _alongside(method: Method, state: State, plan: list[Batches], other: Other) -> Difference:
    """Train by a method for all epochs, each after another code has trained for it."""

    def visits(state: State) -> Iterator[Visit]:
        for epoch, rows in enumerate(plan):
            now = torch.tensor(epoch)
            state = method.refit(torch.zeros(1, N, C), state, now) if epoch else state
            losses = other.losses(epoch)
            for number, ((ids, logits), loss) in enumerate(zip(rows, losses, strict=True), 1):
                mine, state = method.loss(logits, Batch(ids, labels()[ids]), state, now)
                last = number == len(rows)
                yield Visit(logits, mine, loss, other.apart(state) if last else 0.0)

    return largest(visits(state))


def _ido(spec: str, names: Names) -> Difference:
    """Train for both stages, with a product for each example in the last term."""
    method, total = METHODS.build(spec), 12
    state = method.init(Task(labels(), C, total))
    start, plan = int(state["start"]), epochs(total, [2])
    mixture, loss_of_all = names["BetaMixtureModel"](), names["WELoss"](C)
    wrong = torch.zeros(N, dtype=torch.long).numpy()

    def by_example(*args: Any) -> Tensor:
        rows = zip(*([each[i : i + 1] for i in range(len(args[0]))] for each in args), strict=True)
        return torch.stack([loss_of_all(*row) for row in rows]).mean()

    names |= {"model": Mock(side_effect=lambda x: (None, x)), "optimizer": Mock()}
    names |= {"save_basemodel": True, "prev_prediction_change": N, "criterion": by_example}
    names |= {"cfg": SimpleNamespace(epochs=total), "bmm_model": mixture, "wrong_event": wrong}

    def losses(epoch: int) -> list[Tensor]:
        with losses_kept() as found:
            if epoch < start:
                rows = [(z[0], labels()[ids], ids) for ids, z in plan[epoch]]
                names["stage_1.py"]["train"](epoch + 1, Loader(rows, N), wrong)
            else:
                mixture.fit(wrong, 20 if epoch == start else 1)
                rows = [(z, labels()[ids], ids) for ids, z in plan[epoch]]
                names["train"](epoch - start + 1, Loader(rows, N))
        return found

    def state_apart(state: State) -> float:
        counts = apart(state["wrong"], torch.from_numpy(wrong))
        fitted = np.stack([mixture.alphas, mixture.betas, mixture.weights])
        return max(counts, apart(state["mixture"], torch.from_numpy(fitted)))

    return _alongside(method, state, plan, Other(losses, state_apart))


class _Passed(nn.Module):
    """A network that gives what it is given, and no features."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return x, None


class _Relabelled:
    """Batches of the epochs, with the labels that a dataset has at the time."""

    def __init__(self, plan: list[Batches], data: Any):
        self._epochs, self._data = iter(plan), data

    def __iter__(self) -> Iterator[Any]:
        for ids, z in next(self._epochs):
            label = torch.as_tensor(np.array(self._data.targets))[ids]
            yield z, label, self._data.softlabel[ids], ids


def _adacorr(spec: str, names: Names) -> Difference:
    """Train for all of that code's 180 epochs by its main function."""
    method, total = METHODS.build(spec), 180
    plan, data = epochs(total), object.__new__(names["MNIST"])
    data.targets, data.softlabel, data.data = labels().tolist(), torch.zeros(N, C), range(N)
    seen = [(z.detach(), labels()[ids], None, None) for ids, z in plan[0]]
    loaders = {"train": _Relabelled(plan, data), "val": seen, "test": seen}
    names |= {name: MagicMock() for name in ("os", "random", "transforms", "RAdam", "datetime")}
    names |= {name: Mock() for name in ("cprint", "open", "check_folder", "copy", "weight_init")}
    names |= {"MNIST": lambda split, **_: data if split == "train" else split}
    names |= {"CNN9LAYER": lambda **_: _Passed(), "copy": SimpleNamespace(copy=lambda x: x)}
    names["noisify_with_P"] = lambda *_, **__: (labels().numpy(), None, range(N))
    names["np"].random = SimpleNamespace(choice=lambda *_: 0, seed=lambda _: None)
    names["args"] = SimpleNamespace(
        network="cnn",
        dataset="mnist",
        lr=1e-3,
        gpu=0,
        n_gpus=1,
        every_n_epoch=10,
        epoch_start=25,
        epoch_update=30,
        epoch_interval=40,
        noise_level=0.4,
        noise_type="uniform",
        n_epochs=total,
        two_stage=False,
    )
    given = lambda of, **_: loaders["train" if of is data else of]  # noqa: E731
    with losses_kept() as found, patch.object(torch.utils.data, "DataLoader", given):
        names["main"](names["args"])
    found, size = [loss.squeeze() for loss in found], len(plan[0])
    rows = [found[size * epoch : size * (epoch + 1)] for epoch in range(total)]
    state = method.init(Task(labels(), C, total))
    return _alongside(method, state, plan, Other(rows.__getitem__, lambda _: 0.0))


class _Chain:
    """What code of Chainer takes of a chain."""

    init_scope = contextlib.nullcontext


CHAINER = {
    "chainer": SimpleNamespace(
        Chain=_Chain,
        dataset=SimpleNamespace(DatasetMixin=object),
        config=SimpleNamespace(train=True),
        cuda=SimpleNamespace(to_gpu=torch.from_numpy, to_cpu=lambda x: x),
        report=lambda *_: None,
    ),
    "F": SimpleNamespace(
        softmax=lambda x: x.softmax(1),
        log_softmax=lambda x: x.log_softmax(1),
        mean=lambda x, axis=None: x.mean() if axis is None else x.mean(axis),
        sum=lambda x, axis=None: x.sum() if axis is None else x.sum(axis),
        log=torch.log,
        accuracy=lambda *_: None,
    ),
    "PreActResNet": lambda: lambda x: x,
    "np": Numpy64(),
}
"""What the code of joint optimisation takes of Chainer, by PyTorch."""


def _joint_optimization(spec: str, names: Names) -> Difference:
    """Train for all of that code's 200 and 120 epochs."""
    method, total = METHODS.build(spec), 320
    state, plan = method.init(Task(labels(), C, total)), epochs(total)
    first, second = (names[f"{each}_step_train.py"] for each in ("first", "second"))
    data = first["TrainData"](torch.zeros(N, 2).numpy(), 0, SimpleNamespace(begin=70, epoch=0))
    data.soft_labels = F.one_hot(labels(), C).double().numpy()
    with patch.dict(names, first):
        chains = [first["TrainChain"](N, 1.0, 0.5)]
    chains.append(second["TrainChain"]())

    def losses(epoch: int) -> list[Tensor]:
        if epoch and epoch <= 200:
            data.label_update(chains[0].results)
        found = []
        for ids, z in plan[epoch]:
            row = (z, labels()[ids], torch.from_numpy(data.soft_labels)[ids], ids)
            found.append(chains[0](*row) if epoch < 200 else chains[1](*row[:3]))
        return found

    def state_apart(state: State) -> float:
        return apart(state["target"], torch.from_numpy(data.soft_labels))

    array = property(lambda tensor: tensor.detach().numpy())
    with patch.object(Tensor, "array", array, create=True):
        return _alongside(method, state, plan, Other(losses, state_apart))


class _TorchWithCuda(Torch64):
    cuda = SimpleNamespace(LongTensor=lambda x: x.long())


def _glc(spec: str, names: Names) -> Difference:
    """Train a batch at a time in both phases, with the matrix estimated between them."""
    method, label = METHODS.build(spec), labels()
    places = torch.arange(0, N, 3)
    truth = torch.arange(len(places)) % C  # (M,), each class twice
    state = method.init(Task(label, C, EPOCHS, trusted=TrustedLabels(places, truth)))
    start, known = int(state["start"]), state["known"]
    outputs = 2 * torch.randn(N, C, generator=torch.Generator().manual_seed(2))
    names |= {"num_classes": C, "args": SimpleNamespace(batch_size=B), "optimizer": Mock()}
    names |= {"V": lambda x, **_: x, "train_data_gold": SimpleNamespace(train_labels=[*truth + C])}

    def given(rows: Tensor) -> Mock:
        return Mock(side_effect=lambda image: rows[image.long()])

    def losses(z: Tensor, ids: Tensor, early: bool) -> Tensor:
        """Ask for the loss of a batch whose images are the places of their logits."""
        names["net"], image, gold = given(z), torch.arange(B), known[ids] >= 0
        with losses_kept() as found, contextlib.suppress(IndexError):  # of loss.data[0]
            if early:
                names["train_silver_loader"] = [(image[~gold], label[ids][~gold])]
                names["train_phase1"]()
            else:
                target = torch.where(gold, known[ids] + C, label[ids])
                names["train_all_loader"] = [(image.double(), target)]
                names["train_phase2"](matrix)
        return found[0] * ((~gold).double().mean() if early else 1)

    names["net"] = given(outputs)
    names["train_gold_deterministic_loader"] = [(places, truth + C)]
    matrix = torch.from_numpy(names["get_C_hat_transpose"]())

    def visits(state: State) -> Iterator[Visit]:
        for ids, z in batches():
            mine, state = method.loss(z, Batch(ids, label[ids]), state, torch.tensor(start - 1))
            yield Visit(z, mine, losses(z, ids, early=True))
        state = method.refit(outputs[None], state, torch.tensor(start))
        for ids, z in batches():
            mine, state = method.loss(z, Batch(ids, label[ids]), state, torch.tensor(start))
            moved = apart(state["transition"].T, matrix)
            yield Visit(z, mine, losses(z, ids, early=False), moved)

    return largest(visits(state))


OVER_EPOCHS = (
    Training(
        "ido",
        "iTheresaApocalypse/IDO",
        "utils/bmm.py utils/lnl_methods.py stage_1.py stage_2.py",
        _ido,
        {**QUIET, "stats": stats},
    ),
    Training(
        "adacorr",
        "pingqingsheng/LRT",
        "data/mnist_prepare.py LRTcorrect.py",
        _adacorr,
        {**QUIET, "torch": Torch64(), "np": Numpy64(), "data": SimpleNamespace(Dataset=object)},
    ),
    Training(
        "joint_optimization",
        "DaikiTanaka-UT/JointOptimization",
        "first_step_train.py second_step_train.py",
        _joint_optimization,
        CHAINER,
    ),
    Training(
        "glc",
        "mmazeika/glc",
        "CIFAR/train_ours.py",
        _glc,
        {"torch": _TorchWithCuda(), "np": Numpy64()},
    ),
)
