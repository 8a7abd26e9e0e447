"""Which driver trains cells together, by the width of their pack and what was asked for."""

import math
from collections.abc import Iterator, Sequence

from benchmarks.engine import packed, reference
from benchmarks.engine.branches import Branches
from benchmarks.engine.data import CellData
from benchmarks.engine.graph import CudaGraphs
from benchmarks.engine.reference import Epoch
from benchmarks.sweep import Cell

FLAGS = ("graph", "branches", "deterministic")
"""Of the command line: they change the last bits, so a folder has them from start to end."""

TAIL = 31  # numbers: two registers of 16, less one


def named(width: int, flags: Sequence[str]) -> str:
    """Name what trains packs of a width: in ``plan.json`` and ``costs.csv``.

    >>> named(1, ()), named(16, ("deterministic",)), named(8, ("graph", "branches"))
    ('reference', 'packed deterministic', 'branches graph')
    """
    driver = "branches" if "branches" in flags else "packed"
    return " ".join(["reference" if width == 1 else driver, *(f for f in flags if f != "branches")])


def in_words(width: int, flags: Sequence[str]) -> str:
    """Say how many cells are trained at once."""
    if width == 1:
        return "one by one"
    return f"{'branches' if 'branches' in flags else 'packs'} of {width}"


def driven(
    cells: Sequence[Cell], problems: Sequence[CellData], width: int, flags: Sequence[str]
) -> Iterator[Sequence[Epoch]]:
    """Yield the epochs of all cells in step, and then those of what pads their pack.

    A pack is padded with its last cell to its width, which may decide the last bits: then their
    number does not. Kernels treat the end of a tensor by itself, in up to ``TAIL`` numbers, so more
    are added for no cell to lie there: then its place does not. Branches share no kernels.

    Args:
        cells: one, or several that differ in seed and noise alone.
        problems: theirs.
        width: cells that a pack is trained for; 1 is the reference driver.
        flags: of ``FLAGS``.
    """
    recipe = cells[0].recipe
    if not recipe.augments:
        problems = [problem.ready() for problem in problems]
    recorder = CudaGraphs() if "graph" in flags else None
    if width == 1:
        (cell,), (problem,) = cells, problems
        alone = reference.train(cell, problem, recorder=recorder)
        return ([epoch] for epoch in alone)
    if "branches" in flags:
        return packed.train(cells, problems, Branches, recorder=recorder)
    last_batch = (len(problems[0].noisy) - 2) % recipe.batch + 2
    missing = width - len(cells) + math.ceil(TAIL / last_batch)
    cells, problems = [*cells, *[cells[-1]] * missing], [*problems, *[problems[-1]] * missing]
    return packed.train(cells, problems, recorder=recorder)
