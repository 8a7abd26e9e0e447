"""What comes after corrected labels: training on them, and comparing before and after."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.commands import command_line
from benchmarks.noise import NOISES, Labels
from benchmarks.store import PlannedCell, read_plan
from benchmarks.suspects.corrections import Relabelled
from benchmarks.sweep import REGISTRIES


class Steps(NamedTuple):
    """The command lines that train on corrected labels, and that compare before and after."""

    train: str
    compare: str


def next_steps(
    folder: Path, relabelled: Sequence[Relabelled], repeated: Sequence[str] = ()
) -> list[Steps]:
    """Return what trains the cells of an audited folder again, on each of the corrected labels.

    Args:
        folder: the results folder that was audited.
        relabelled: which of its noises were corrected.
        repeated: options that training needs as the audit did, such as ``--plugin``.
    """
    cells, names = read_plan(folder).cells, _free_names(folder)
    return [
        _steps(folder, next(names), _before(cells, each), each, repeated) for each in relabelled
    ]


def _free_names(folder: Path) -> Iterator[Path]:
    """Yield names of folders that are not there, so that the labels of two rounds stay apart."""
    name, number = f"{folder.resolve().name}-relabelled", 1
    while True:
        path = folder.parent / (name if number == 1 else f"{name}-{number}")
        if not path.exists():
            yield path
        number += 1


def _before(cells: Sequence[PlannedCell], done: Relabelled) -> list[PlannedCell]:
    """Return the cells of a plan that were trained on the labels before."""
    return [
        cell
        for cell in cells
        if cell.dataset == done.dataset and cell.noise in done.noises and cell.seed in done.seeds
    ]


def _steps(
    folder: Path,
    out: Path,
    cells: Sequence[PlannedCell],
    done: Relabelled,
    repeated: Sequence[str],
) -> Steps:
    after = [f"labels(file={file!r})" for file in done.noises.values()]
    shown = [NOISES.spec(Labels(file)) for file in done.noises.values()]
    profile, precisions = cells[0].specs.profile, {cell.specs.precision for cell in cells}
    settings = ["--profile", profile] if profile != "default" else []
    if len(precisions) == 1:  # several are those that CUDA gives by itself
        settings += ["--precision", *precisions]
    train = command_line(
        *("--datasets", *_values(cells, "dataset"), "--noises", *after),
        *("--methods", *_values(cells, "method"), "--models", *_values(cells, "model")),
        *("--recipes", *_values(cells, "recipe"), "--seeds", *done.seeds),
        *(*settings, *repeated, "--out", out),
    )
    noises = ["--noises-a", *done.noises]
    if len(after) > 1:
        noises += ["--noises-b", *shown]
    return Steps(train, command_line("compare", folder, out, "--pair", "method", *noises))


def _values(cells: Sequence[PlannedCell], axis: str) -> list[str]:
    return list(dict.fromkeys(_as_asked(cell, axis) for cell in cells))


def _as_asked(cell: PlannedCell, axis: str) -> str:
    """Return a spec that builds a cell's part, the shortest if it does: results show no folders."""
    registry, short, exact = REGISTRIES[axis], getattr(cell, axis), getattr(cell.specs, axis)
    if axis == "method" and cell.specs.asked:
        return cell.specs.asked
    with contextlib.suppress(ValueError):
        if registry.build(short) == registry.build(exact):
            return str(short)
    return str(exact)
