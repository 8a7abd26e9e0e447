"""Epochs of the networks that papers use, and their memory against the planner's estimate."""

import functools
import statistics
from typing import NamedTuple

import torch

from benchmarks.planning import memory
from benchmarks.sweep import Cell
from tests.cells import build
from tests.gpu import speed
from tests.gpu.environment import judged, timed
from tests.gpu.findings import Findings, Row
from tests.gpu.invented import spec_of
from tests.gpu.truth import DRIVERS
from tests.gpu.work import Item, Session
from tests.speed import contest

WITHIN = 1.3
"""How many times the estimate a pack may take."""

SECONDS = 6.0


class Case(NamedTuple):
    """Cells of one kind by one driver."""

    dataset: str
    model: str
    method: str
    driver: str
    width: int = 1


CASES = (
    Case("cifar10", "resnet18", "cross_entropy", "graph"),
    Case("cifar10", "resnet18", "cross_entropy", "one by one"),
    Case("cifar10", "resnet18", "elr_plus", "graph"),
    Case("cifar10", "resnet18", "dividemix", "graph"),
    Case("cifar10", "resnet34", "cross_entropy", "graph"),
    Case("cifar10", "preact_resnet18", "cross_entropy", "graph"),
    Case("cifar10", "resnet18", "cross_entropy", "branches graph", 4),
    Case("mnist", "mnist_convnet", "cross_entropy", "stack graph", 32),
    Case("mnist", "mnist_convnet", "cross_entropy", "branches graph", 8),
)
TOY = (Case("cifar10", "resnet18", "cross_entropy", "one by one"),)


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List the cases."""
    cases = {_key(case): case for case in (TOY if session.toy else CASES)}
    find = functools.partial(_epochs, session, cases)
    return [Item([key], find, 0.0 if session.toy else SECONDS) for key in cases]


def _key(case: Case) -> str:
    width = f" of {case.width}" if case.width > 1 else ""
    return f"{case.method} of {case.model} on {case.dataset} by {case.driver}{width}"


def _epochs(session: Session, cases: dict[str, Case], key: str) -> Row:
    """Train for a few epochs under the protocol of the papers."""
    case, device = cases[key], torch.device(session.device)
    cells = _cells(case, session)
    _, flags = DRIVERS[case.driver]
    speed.forget(device)
    before = speed.reserved(device)
    epochs = contest.epochs_of(cells, session.data, device, flags)
    found = []
    for epoch in epochs:
        found.append((epoch[0].train_seconds, epoch[0].eval_seconds))
        if len(found) > 1 and (session.toy or len(found) > 3 or session.left("memory") < 0):
            break
    train, evaluate = (statistics.median(some) for some in zip(*found[1:], strict=True))
    taken = speed.reserved(device) - before
    estimate = memory.of_pack(cells[0], len(cells), flags)
    row = {"train": train, "evaluate": evaluate, "cell_epoch": train + evaluate}
    sizes = {"peak_gib": taken / 2**30, "estimate_gib": estimate / 2**30}
    verdict = judged(device, taken < WITHIN * estimate) if taken else timed(device)
    return {**row, **sizes, "verdict": verdict}


def _cells(case: Case, session: Session) -> list[Cell]:
    recipe = "cifar_n" if case.dataset == "cifar10" else "robust_loss"
    batch = ", batch=7" if session.toy else ""
    specs = {
        "dataset": spec_of(case.dataset, session.toy),
        "model": case.model,
        "recipe": f"{recipe}(epochs=50{batch})",
        "precision": "bfloat16" if torch.device(session.device).type == "cuda" else "float32",
    }
    return [build(case.method, seed=seed, **specs) for seed in range(case.width)]
