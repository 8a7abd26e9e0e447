"""Which code trains what a method is held against, where its loss alone does not say all."""

import copy
from collections.abc import Iterator
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.engine.one_by_one import OneByOne
from methods import METHODS, Batch, Task
from methods.rent import drawn_counts
from tests.authors.code import Names
from tests.authors.stand_ins import Torch64, losses_kept
from tests.authors.visits import (
    EPOCHS,
    B,
    C,
    Difference,
    N,
    Training,
    Visit,
    batches,
    labels,
    largest,
)
from tests.cells import batches_of, build, few


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
    build = names["PeerLossRegCE"]
    stages = {  # epoch, b, what is told, and the loss
        39: (2.0, state, build(2.0, state["prior"][:1], "crossentropy")),
        99: (
            1.0,
            state | known,
            build(1.0, state["prior"][1:], "crossentropy_CAL", flips.permute(1, 2, 0), None, share),
        ),
    }

    def visits() -> Iterator[Visit]:
        for epoch, (beta, told, theirs) in stages.items():
            for ids, logits in batches():
                mine, _ = method.loss(logits, Batch(ids, label[ids]), told, torch.tensor(epoch))
                other = theirs(
                    logits, label[ids], logits, raw_idx=ids, loss_mean_all=torch.zeros(C, C)
                )[0] / (1 + beta)
                yield Visit(logits, mine, other)

    return largest(visits())


def _rent(spec: str, names: Names) -> Difference:
    """Let both draw the same examples, each by its own weights."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(0)
    transition = (3 * torch.eye(C) + torch.rand(C, C, generator=source)).softmax(-1)
    theirs = SimpleNamespace(
        softmax=nn.Softmax(dim=1), transition=transition.T, args=SimpleNamespace(N=1)
    )

    def visits() -> Iterator[Visit]:
        state = method.init(Task(label, C, EPOCHS, transition=transition))
        for ids, logits in batches():
            points = torch.rand(B, 2, generator=source)
            batch = Batch(ids, label[ids], target=points)
            mine, state = method.loss(logits, batch, state, torch.tensor(60))
            names["torch"].points = points
            other = F.cross_entropy(*names["INIT"].sample_batch(theirs, logits, label[ids]))
            yield Visit(logits, mine, other)

    return largest(visits())


def _f_divergence(spec: str, names: Names) -> Difference:
    """Give both the same peers: the labels of other examples of the batch."""
    method, label = METHODS.build(spec), labels()
    probability, own, peer = names["ProbLossStable"](), names["activation"], names["conjugate"]

    def visits() -> Iterator[Visit]:
        state = method.init(Task(label, C, EPOCHS))
        for ids, logits in batches():
            partner = label[ids].roll(1)
            batch = Batch(ids, label[ids], target=partner)
            mine, _ = method.loss(logits, batch, state, torch.tensor(60))
            other = own(-probability(logits, label[ids])) - peer(-probability(logits, partner))
            yield Visit(logits, mine, other)

    return largest(visits())


def _l_dmi(spec: str, names: Names) -> Difference:
    """Ask for the loss of the second stage, of as many numbers as the training set has labels."""
    method, label = METHODS.build(spec), labels()

    def visits() -> Iterator[Visit]:
        state = method.init(Task(label, C, EPOCHS))
        for ids, logits in batches(size=N):
            mine, _ = method.loss(logits, Batch(ids, label[ids]), state, torch.tensor(60))
            with losses_kept():
                other = names["DMI_loss"](logits, label[ids])
            yield Visit(logits, mine, other)

    return largest(visits())


class _Drawing(Torch64):
    """What code knows as torch, whose draws fall on given points."""

    points: Tensor

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
        {"torch": _Drawing()},
    ),
    Training(
        "f_divergence(divergence='total_variation')",
        "weijiaheng/Robust-f-divergence-measures",
        "CIFAR-10/runner.py",
        _f_divergence,
        {"opt": SimpleNamespace(divergence="Total-Variation")},
    ),
    Training("l_dmi(pace=1.0)", "Newbeeer/L_DMI", "CIFAR-10/DMI.py", _l_dmi, {"torch": Torch64()}),
    Training("sam", "davda54/sam", "sam.py", _sam),
    Training("cal", "UCSC-REAL/CAL", "lossfuncs/peerloss.py", _cal),
)
