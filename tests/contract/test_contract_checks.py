"""Every entry of ours passes every check, and every check has an entry that fails it."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from benchmarks import plugins
from benchmarks.contract import CHECKS, examine, where
from benchmarks.datasets.digits import Digits
from benchmarks.models.small import MLP
from benchmarks.noise.class_conditional import PairFlip
from benchmarks.sweep import REGISTRIES
from methods import METHODS, Method, Stage
from methods.cross_entropy import CrossEntropy

FILES = {"matrix", "labels", "cifar10n", "cifar100n", "matched", "given"}  # noises that need files
OURS = [
    (kind, name)
    for kind in ("method", "noise", "model")
    for name in REGISTRIES[kind]
    if name not in FILES
]


@pytest.mark.parametrize(("kind", "name"), [*OURS, ("dataset", "digits")])
def test_ours_pass(kind, name):
    found = list(examine(kind, name))
    assert len(found) == len(CHECKS[kind]) > 0
    assert [finding for finding in found if finding.fault] == []


@pytest.mark.parametrize("name", METHODS)
def test_the_first_stage_has_the_first_networks(name):
    assert not METHODS[name]().stages(30)[0].fresh_networks


class NoGradient(CrossEntropy):
    def loss(self, logits, batch, state, epoch):
        return (0 * logits).sum(), state


class Averaged(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        return super().losses(logits, batch, state, epoch)[0].mean(), state


class Fewer(CrossEntropy):
    def columns(self, classes):
        return classes - 1


class TooMany(CrossEntropy):
    def columns(self, classes):
        return classes + 3


class GrowingState(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        return super().losses(logits, batch, state, epoch)[0], {"new": logits.detach()}


class LeftGraph(CrossEntropy):
    def init(self, task):
        return {"seen": torch.zeros(())}

    def losses(self, logits, batch, state, epoch):
        return super().losses(logits, batch, state, epoch)[0], {"seen": logits.sum()}


class InPlace(CrossEntropy):
    def init(self, task):
        return {"seen": torch.zeros(len(task.label))}

    def losses(self, logits, batch, state, epoch):
        state["seen"][batch.ids] += 1
        return super().losses(logits, batch, state, epoch)


class Relabels(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        batch.label[:3] = 0
        return super().losses(logits, batch, state, epoch)


class FirstCounts(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return losses * torch.arange(1.0, 1 + len(losses)), state


class Branches(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return (2 * losses if losses.mean() > 1 else losses), state


class Asks(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return losses * min(epoch.item(), 1), state


class Turns(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return (losses if epoch > 1 else 2 * losses), state


class LosesWeights(CrossEntropy):
    def gradient(self, params, grads, state, epoch):
        return {}


class Teleports(CrossEntropy):
    def perturb(self, params, grads, state, epoch):
        return {name: value[:1] for name, value in params.items()}


class Explodes(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return losses.exp(), state


class LosesEpochs(CrossEntropy):
    def stages(self, epochs):
        return [Stage(epochs // 2), Stage(epochs // 2)]


class Diverges(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        losses, state = super().losses(logits, batch, state, epoch)
        return losses * (1e38 if len(batch.label) > 8 else 1.0), state


@dataclass(frozen=True)
class Needy(CrossEntropy):
    file: str


class WrongShape(Digits):
    def load(self, root, seed):
        return tuple(p._replace(image=p.image.view(-1, 1, 4, 16)) for p in super().load(root, seed))


class NoNines(Digits):
    def load(self, root, seed):
        train, test = super().load(root, seed)
        return train._replace(label=train.label.clamp(max=8)), test


class Shuffled(Digits):
    def load(self, root, seed):
        order = torch.randperm(719)
        train, test = super().load(root, seed)
        return train, type(test)(test.image[order], test.label[order])


class WrongMean(Digits):
    mean: ClassVar[tuple[float, ...]] = (0.3,)


class Nameless(Digits):
    classes: ClassVar[tuple[str, ...]] = ("zero",)


@dataclass(frozen=True)
class Leaky(PairFlip):
    rate: float = 0.2

    def matrix(self, space):
        return 0.9 * super().matrix(space)


@dataclass(frozen=True)
class OffTable(PairFlip):
    rate: float = 0.2

    def corrupt(self, label, space, dataset, seed):
        return super().corrupt(label, space, dataset, seed)._replace(label=label)


class Pooled(MLP):
    def build(self, shape, num_classes):
        return torch.nn.Sequential(super().build(shape, num_classes), Centre())


class Centre(torch.nn.Module):
    def forward(self, x):
        return x - x.mean(0)


class Transposed(MLP):
    def build(self, shape, num_classes):
        return super().build(shape, num_classes + 1)


class Looks(torch.nn.Module):
    def forward(self, x):
        return x if x.sum() > 1e9 else 2 * x


class Peeking(MLP):
    def build(self, shape, num_classes):
        return torch.nn.Sequential(super().build(shape, num_classes), Looks())


class Guessing(CrossEntropy):
    privileges = ("truth",)


class Stronger(CrossEntropy):
    strong_views = (1,)


class Unlabelled(CrossEntropy):
    pass


FAULTY = [
    (
        "method",
        Guessing,
        "states what the engine",
        "must be a tuple of some of rate, T, clean",
    ),
    (
        "method",
        Stronger,
        "states what the",
        "strong_views must be a tuple of some of (0,), got",
    ),
    ("method", Unlabelled, "has a label", "tables and figures call it 'faulty', as its class st"),
    ("method", Asks, "asks no tensor", "it asks the epoch for its value by item: compute with"),
    ("method", Turns, "asks no tensor", "it asks the epoch for its value by __bool__: compute"),
    ("dataset", Nameless, "states what every", "Nameless.classes must be a tuple of num_classes"),
    ("method", NoGradient, "has a finite loss", "a network gets no gradient"),
    ("method", Fewer, "predicts the", "Fewer.columns must be a whole number of at least 5"),
    ("method", TooMany, "predicts the", "(41, 5) for 41 images of 5 classes, got (41, 8)"),
    ("method", GrowingState, "keeps its state", "a step changes the keys of the state"),
    ("method", LeftGraph, "keeps its state", "a step leaves a graph behind 'seen': detach it"),
    ("method", InPlace, "changes nothing", "a hook changes what it was given"),
    ("method", Relabels, "changes nothing", "a hook changes what it was given"),
    ("method", FirstCounts, "does not see the order", "another order of the same batch gives"),
    ("method", Branches, "maps over cells", "cannot be mapped by torch.func.vmap"),
    ("method", LosesWeights, "hands on a gradient", "the gradient that it hands on must have"),
    ("method", Teleports, "hands on a gradient", "the perturbed weights that it hands on must"),
    ("method", Explodes, "stays finite", "is not finite at 10000"),
    ("method", LosesEpochs, "divides any number", "of 3 epochs it makes stages of [1, 1]"),
    ("method", Diverges, "trains on digits", "it does not train: "),
    ("method", Averaged, "returns a loss", "Averaged.losses must return a loss for each example"),
    ("method", Method, "has a finite loss", "NotImplementedError: Method defines neither losses"),
    ("method", Needy, "can be built", "Needy.file needs a default or a range"),
    ("dataset", WrongShape, "has the images", "(1078, 1, 4, 16), declared is (1078, 1, 8, 8)"),
    ("dataset", NoNines, "has images of every class", "it has no training image of '9'"),
    ("dataset", Shuffled, "is the same when", "loaded twice, it differs"),
    ("dataset", WrongMean, "declares the mean", "mean is declared as (0.3,)"),
    ("noise", Leaky, "has rows", "the rows of T must sum to 1 within 1e-9, and they sum to [0.9"),
    ("noise", OffTable, "draws what", "the shares that come out are 0.20 from those of T"),
    ("model", Transposed, "gives logits", "5 images and 7 classes give (5, 8)"),
    ("model", Pooled, "judges each image", "in evaluation mode, a smaller batch moves its logits"),
    ("model", Peeking, "maps over networks", "cannot be mapped by torch.func.vmap"),
]


@pytest.mark.parametrize(
    ("kind", "entry", "check", "sentence"), FAULTY, ids=[entry.__name__ for _, entry, *_ in FAULTY]
)
def test_a_faulty_entry_is_told_what_is_wrong(monkeypatch, kind, entry, check, sentence):
    monkeypatch.setitem(REGISTRIES[kind]._entries, "faulty", entry)
    faults = {f.check: f.fault or f.doubt for f in examine(kind, "faulty") if f.fault or f.doubt}
    (told,) = [fault for name, fault in faults.items() if name.startswith(check)]
    assert sentence in told


def test_one_mistake_is_told_once(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from methods import METHODS, Method\nclass Mine(Method):\n"
        "    def losses(self, logits, batch, state, epoch):\n"
        "        raise KeyError(len(batch.label))  # another text in another check\n"
        "METHODS.register('mine', Mine)\n"
    )
    plugins.load(path)
    found = list(examine("method", "mine"))
    assert len(found) == len(CHECKS["method"])
    told = [str(finding) for finding in found if finding.fault and not finding.repeated]
    assert told == [
        f"FAULT returns a loss for each example and the state\n      KeyError: 8 ({path}:4)"
    ]
    assert sum(finding.repeated for finding in found) > 4
    assert where("method", "mine") == f"{path}:2"


class FourOrMore(PairFlip):
    def check(self, space, seeds):
        if space.num_classes < 4:
            raise ValueError(f"it needs 4 classes, got {space.num_classes}")


def test_a_noise_is_tried_with_numbers_of_classes_that_it_accepts(monkeypatch):
    monkeypatch.setitem(REGISTRIES["noise"]._entries, "picky", FourOrMore)
    assert [finding.fault for finding in examine("noise", "picky")] == ["", ""]


def test_two_methods_of_one_label_are_in_doubt_and_in_no_fault(monkeypatch):
    class Twin(CrossEntropy, label="ELR"):
        pass

    monkeypatch.setitem(METHODS._entries, "twin", Twin)
    found = [finding for finding in examine("method", "twin") if str(finding)[:2] != "ok"]
    (finding,) = found
    assert finding.check == "has a label of its own"
    assert finding.doubt.startswith("elr has the label 'ELR' too")


def test_every_check_has_failed_once():
    told = {check for _, _, check, _ in FAULTY}
    for checks in CHECKS.values():
        for check in checks:
            assert any(check.__name__.replace("_", " ").startswith(text) for text in told)
