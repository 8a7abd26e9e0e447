"""Which team trains the cells of a pack, by its width and by what was asked for."""

import math
from collections.abc import Sequence
from typing import Any

from benchmarks.engine.cuda.branches import Branches
from benchmarks.engine.cuda.graph import CudaGraphs, Graphed
from benchmarks.engine.data import CellData
from benchmarks.engine.loop import Team
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.engine.stack import Stack
from benchmarks.sweep import Cell

TAIL = 31  # numbers: two registers of 16, less one


def team_of(
    cells: Sequence[Cell], data: Sequence[CellData], width: int, flags: Sequence[str]
) -> Team[Any]:
    """Return the team that trains cells, and behind them those that pad a stack.

    A stack is padded with its last cell to its width, which may decide the last bits: then their
    number does not. Kernels treat the end of a tensor by itself, in up to ``TAIL`` numbers, so more
    are added for no cell to lie there: then its place does not. Other teams share no kernels.

    Args:
        cells: one, or several that differ in seed and noise alone.
        data: theirs.
        width: cells that a pack is trained for; 1 is one by one.
        flags: of ``planning.options.FLAGS``.
    """
    if not cells[0].recipe.augments:
        data = [own.normalised_once() for own in data]
    team: OneByOne | Stack
    capturable = "graph" in flags
    if width == 1:
        team = OneByOne(cells, data, capturable=capturable)
    elif "branches" in flags:
        team = Branches(cells, data, capturable=capturable)
    else:
        missing = width - len(cells) + padding(cells[0], len(data[0].noisy))
        cells, data = [*cells, *[cells[-1]] * missing], [*data, *[data[-1]] * missing]
        team = Stack(cells, data, capturable=capturable, copies=missing)
    return Graphed(team, CudaGraphs(data[0].noisy.device)) if capturable else team


def padding(cell: Cell, size: int) -> int:
    """Return how many cells a stack has behind those that it is as wide as.

    Args:
        cell: of the stack.
        size: of its training set.
    """
    last_batch = (size - 2) % cell.recipe.batch + 2
    return math.ceil(TAIL / last_batch)


def driver_name(width: int, flags: Sequence[str], no_graph: str = "") -> str:
    """Name what trains packs of a width: in ``plan.json`` and ``costs.csv``.

    Args:
        width: cells that a pack is trained for; 1 is one by one.
        flags: of ``planning.options.FLAGS``.
        no_graph: why there was none where one was asked for.

    >>> driver_name(1, ()), driver_name(16, ("deterministic",))
    ('one_by_one', 'stack deterministic')
    >>> driver_name(8, ("graph", "branches"))
    'branches graph'
    >>> driver_name(8, ("graph",), "a hook waits")
    'stack (no graph: a hook waits)'
    """
    team = "branches" if "branches" in flags else "stack"
    hidden = {"branches", "graph"} if no_graph else {"branches"}
    words = ["one_by_one" if width == 1 else team, *(f for f in flags if f not in hidden)]
    return " ".join([*words, f"(no graph: {no_graph})"] if no_graph else words)


def why_no_graph(team: Team[Any]) -> str:
    """Return why a team that was to have a graph has none, or nothing."""
    return team.reason if isinstance(team, Graphed) else ""


def in_words(width: int, flags: Sequence[str]) -> str:
    """Say how many cells are trained at once."""
    if width == 1:
        return "one by one"
    return f"{'branches' if 'branches' in flags else 'packs'} of {width}"
