"""Which code trains what a method is held against, where its loss alone does not say all."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.engine.one_by_one import OneByOne
from methods import METHODS, Batch, Task
from methods.rent import drawn_counts
from tests.authors.code import Names
from tests.authors.comparisons import EPOCHS, B, C, Difference, N, labels
from tests.cells import batches_of, build, few


class Training(NamedTuple):
    """A method's spec, where the code is that it is held against, and what both do."""

    spec: str
    repository: str
    path: str
    measure: Callable[[str, Names], Difference]
    stubs: dict[str, Any] = {}  # noqa: RUF012  nobody writes to it


def _sam(spec: str, names: Names) -> Difference:
    """Take steps of a network with batch normalisation by both; the gradient is that of a step."""
    recipe = "small(epochs=2, lr=0.1, batch=23, weight_decay=0.01)"
    cell = build(spec, model="convnet", recipe=recipe)
    team = OneByOne([cell], [few(cell, 6 * 23)])
    team.begin(0, cell.method.stages(2)[0], cell.recipe)
    (ours,) = team.members[0].networks
    theirs, value, apart = copy.deepcopy(ours).train(), 0.0, 0.0
    norms = [layer for layer in theirs.modules() if isinstance(layer, nn.BatchNorm2d)]
    optimizer = names["SAM"](
        theirs.parameters(),
        torch.optim.SGD,
        cell.method.rho,
        lr=0.1,
        momentum=0.9,
        weight_decay=0.01,
    )
    batches = batches_of(cell, team.data[0], 0)
    for image, batch in batches:
        ours.train()
        mine = team.step([(image, batch)], torch.tensor(0)).item()
        first = F.cross_entropy(theirs(image[0]), batch.label)
        first.backward()
        optimizer.first_step(zero_grad=True)
        momenta = [layer.momentum for layer in norms]
        for layer in norms:
            layer.momentum = 0.0  # as that code's bypass_bn does
        F.cross_entropy(theirs(image[0]), batch.label).backward()
        optimizer.second_step(zero_grad=True)
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        value = max(value, abs(mine - first.item()))
        pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
        moved = [(a - b).abs().max().item() for a, b in pairs if a.is_floating_point()]
        apart = max(apart, *moved)
    return Difference(len(batches), value, apart)


def _cal(spec: str, names: Names) -> Difference:
    """Ask for the loss of both stages, of random classes that are taken as true in the second."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(0)
    state = method.init(Task(label, C, EPOCHS))
    believed = torch.where(torch.rand(N, generator=source) < 0.7, label, label.roll(5))
    kinds, given = F.one_hot(believed, C).double(), F.one_hot(label, C).double()
    joint = kinds.T @ given
    mean = joint / joint.sum(1, keepdim=True)
    flips = (given[:, None] - mean) * kinds[..., None]  # (N, C, C), as that code prepares them
    share = joint.sum(1) / joint.sum()
    known = {"believed": believed, "joint": joint, "transition": mean}
    build, value, gradient = names["PeerLossRegCE"], 0.0, 0.0
    stages = {  # epoch, b, what is told, and the loss
        39: (2.0, state, build(2.0, state["prior"][:1], "crossentropy")),
        99: (
            1.0,
            state | known,
            build(1.0, state["prior"][1:], "crossentropy_CAL", flips.permute(1, 2, 0), None, share),
        ),
    }
    for epoch, (beta, told, theirs) in stages.items():
        for visit in range(6):
            ids = torch.randperm(N, generator=source)[:B]
            logits = torch.randn(B, C, generator=source) * (0.5, 2, 5)[visit % 3]
            logits.requires_grad_()
            mine, _ = method.loss(logits, Batch(ids, label[ids]), told, torch.tensor(epoch))
            other = theirs(
                logits, label[ids], logits, raw_idx=ids, loss_mean_all=torch.zeros(C, C)
            )[0] / (1 + beta)
            slopes = [torch.autograd.grad(each, logits)[0] for each in (mine, other)]
            value = max(value, abs(mine.item() - other.item()))
            gradient = max(gradient, (slopes[0] - slopes[1]).abs().max().item())
    return Difference(12, value, gradient)


def _rent(spec: str, names: Names) -> Difference:
    """Let both draw the same examples, each by its own weights."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(0)
    transition = (3 * torch.eye(C) + torch.rand(C, C, generator=source)).softmax(-1)
    state = method.init(Task(label, C, EPOCHS, transition=transition))
    theirs = SimpleNamespace(
        softmax=nn.Softmax(dim=1), transition=transition.T, args=SimpleNamespace(N=1)
    )
    value = gradient = 0.0
    for visit in range(6):
        ids, points = torch.randperm(N, generator=source)[:B], torch.rand(B, 2, generator=source)
        logits = torch.randn(B, C, generator=source) * (0.5, 2, 5)[visit % 3]
        logits.requires_grad_()
        batch = Batch(ids, label[ids], target=points)
        mine, state = method.loss(logits, batch, state, torch.tensor(60))
        names["torch"].points = points
        other = F.cross_entropy(*names["INIT"].sample_batch(theirs, logits, label[ids]))
        slopes = [torch.autograd.grad(each, logits)[0] for each in (mine, other)]
        value = max(value, abs(mine.item() - other.item()))
        gradient = max(gradient, (slopes[0] - slopes[1]).abs().max().item())
    return Difference(6, value, gradient)


def _f_divergence(spec: str, names: Names) -> Difference:
    """Give both the same peers: the labels of other examples of the batch."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(0)
    state, value, gradient = method.init(Task(label, C, EPOCHS)), 0.0, 0.0
    probability, own, peer = names["ProbLossStable"](), names["activation"], names["conjugate"]
    for visit in range(6):
        ids = torch.randperm(N, generator=source)[:B]
        logits = torch.randn(B, C, generator=source) * (0.5, 2, 5)[visit % 3]
        logits.requires_grad_()
        partner = label[ids].roll(1)
        batch = Batch(ids, label[ids], target=partner)
        mine, _ = method.loss(logits, batch, state, torch.tensor(60))
        other = own(-probability(logits, label[ids])) - peer(-probability(logits, partner))
        slopes = [torch.autograd.grad(each, logits)[0] for each in (mine, other)]
        value = max(value, abs(mine.item() - other.item()))
        gradient = max(gradient, (slopes[0] - slopes[1]).abs().max().item())
    return Difference(6, value, gradient)


def _l_dmi(spec: str, names: Names) -> Difference:
    """Ask for the loss of the second stage, of as many numbers as the training set has labels."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(0)
    state, value, gradient = method.init(Task(label, C, EPOCHS)), 0.0, 0.0
    for visit in range(6):
        ids = torch.randperm(N, generator=source)
        logits = torch.randn(N, C, generator=source) * (0.5, 2, 5)[visit % 3]
        logits.requires_grad_()
        mine, _ = method.loss(logits, Batch(ids, label[ids]), state, torch.tensor(60))
        with mock.patch.object(Tensor, "float", Tensor.double):
            other = names["DMI_loss"](logits, label[ids])
        slopes = [torch.autograd.grad(each, logits)[0] for each in (mine, other)]
        value = max(value, abs(mine.item() - other.item()))
        gradient = max(gradient, (slopes[0] - slopes[1]).abs().max().item())
    return Difference(6, value, gradient)


class _Torch:
    """What code knows as torch, with float64 for float32 and draws that fall on given points."""

    FloatTensor = torch.DoubleTensor
    points: Tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def multinomial(self, weight: Tensor, num_samples: int, replacement: bool) -> Tensor:
        """Return the examples that are hit, as often as they are."""
        assert (len(weight), True) == (num_samples, replacement)
        counts = drawn_counts(weight, self.points).long()
        return torch.arange(len(weight)).repeat_interleave(counts)


TRAININGS = (
    Training(
        "rent(source='given')",
        "BaeHeeSun/RENT",
        "RENT/library/method_utils.py",
        _rent,
        {"torch": _Torch()},
    ),
    Training(
        "f_divergence(divergence='total_variation')",
        "weijiaheng/Robust-f-divergence-measures",
        "CIFAR-10/runner.py",
        _f_divergence,
        {"opt": SimpleNamespace(divergence="Total-Variation")},
    ),
    Training("l_dmi(pace=1.0)", "Newbeeer/L_DMI", "CIFAR-10/DMI.py", _l_dmi, {"torch": _Torch()}),
    Training("sam", "davda54/sam", "sam.py", _sam),
    Training("cal", "UCSC-REAL/CAL", "lossfuncs/peerloss.py", _cal),
)
