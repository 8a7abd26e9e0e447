"""A forecast of a run: what it would train, and the time, memory and disk that it would take."""

from collections.abc import Iterable

from benchmarks.commands import command_line
from benchmarks.data_files import absent
from benchmarks.engine.drivers import in_words
from benchmarks.errors import some
from benchmarks.launch import duration
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, prepare_trials, requested
from benchmarks.planning.disk import disk_of
from benchmarks.planning.memory import of_cell, of_pack
from benchmarks.planning.options import flags_of_cell
from benchmarks.planning.plan import Plan, kinds
from benchmarks.planning.repeats import repeats
from benchmarks.recipes import RECIPES, Recipe
from benchmarks.sweep import Cell
from methods import METHODS, Method

SHOWN = 60
"""The most values of an axis that are listed."""


def forecast(request: Request) -> str:
    """Describe what a run would do, a line for each fact; nothing is trained or written.

    Raises:
        RefusedError: something is wrong with the request.
    """
    wanted = requested(request)
    trials = prepare_trials(request, wanted)
    if trials and trials.missing():
        head = "trials of the profile tuned; the cells follow with what they choose\n"
        return head + describe(trials)
    return describe(prepare(request, wanted))


def describe(session: Session) -> str:
    """Describe the cells of a session and what training the missing ones takes."""
    plan, cells, missing = session.plan, session.plan.groups, session.missing_groups
    count, owed = len(plan.cells), sum(map(len, missing)) + len(session.again)
    lines = [f"{axis:8} {some(values, SHOWN, '  ')}" for axis, values in session.values().items()]
    groups = kinds(cells)
    precisions = " and ".join(dict.fromkeys(own[0].precision for own in groups.values()))
    library = "CUDA" if plan.device == "cuda" else "PyTorch"
    largest = max(_memory(plan, own[0]) for own in groups.values())
    lines += [
        f"cells    {count} planned, {count - owed} done, {owed} to do",
        *_views(each.first for each in cells),
        f"device   {session.device} ({precisions}), {_places(session)}",
        *(f"driver   {kind}: {_driver(plan, own[0])}" for kind, own in groups.items()),
        f"disk     {disk_of(cells, keep_all=plan.keep_all)}",
        f"memory   about {largest / 2**20:.0f} MiB a process, beside what {library} takes",
        *duration.lines(session, [*missing, *repeats(session.again)]),
        *_absent(session),
        *session.notes(),
        *session.parts.damage("put aside by `run`, its cells are trained again"),
    ]
    return "\n".join(lines)


def _places(session: Session) -> str:
    """Say how many packs are trained side by side, which of a cluster nobody knows."""
    if session.cluster.elsewhere:
        return f"by {session.cluster.launcher.capitalize()}"
    return f"{session.workers} workers"


def _views(cells: Iterable[Cell]) -> list[str]:
    """Say what is done to feature vectors of which a method has several views."""
    named: dict[Recipe, dict[str, Method]] = {}
    for cell in cells:
        if cell.changes_vectors:
            named.setdefault(cell.recipe, {})[METHODS.name(cell.method)] = cell.method
    lines = []
    for recipe, methods in named.items():
        strong = [name for name, method in methods.items() if method.strong_views]
        parts = [f"noise of {recipe.jitter:g} of each feature's deviation for {some([*methods])}"]
        if strong:
            parts.append(f"a share of {recipe.masked:g} masked in strong views of {some(strong)}")
        name = RECIPES.spec(recipe)
        lines.append(f"views    of feature vectors under {name}: {'; '.join(parts)}")
    return lines


def _absent(session: Session) -> list[str]:
    """Say which images and labels of people are not there yet, and how to get them."""
    names = absent([each.first for each in session.missing_groups], session.root)
    if not names:
        return []
    get = command_line("data", "get", *names, "--data", session.root)
    return [f"data     {', '.join(names)} not in {session.root}; `{get}` downloads what is missing"]


def _memory(plan: Plan, cell: Cell) -> int:
    """Return the bytes that a pack takes."""
    width = plan.width(cell)
    if plan.device == "cuda":
        return of_pack(cell, width, flags_of_cell(cell, plan.flags))
    return width * of_cell(cell).total


def _driver(plan: Plan, cell: Cell) -> str:
    flags = flags_of_cell(cell, plan.flags)
    graph = ", each step a CUDA graph" if "graph" in flags else ""
    return f"{in_words(plan.width(cell), flags)}{graph}"
