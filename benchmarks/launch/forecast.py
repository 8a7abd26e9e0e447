"""A forecast of a run: what it would train, and the time, memory and disk that it would take."""

from benchmarks.commands import command_line
from benchmarks.data_files import absent
from benchmarks.engine.drivers import in_words
from benchmarks.engine.record import passes
from benchmarks.errors import some
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, prepare_trials, requested
from benchmarks.planning.memory import of_cell, of_pack
from benchmarks.planning.options import flags_of_cell
from benchmarks.planning.plan import Plan, disk_bytes, kinds, pack_count
from benchmarks.planning.throughput import STARTED_SECONDS, Throughput
from benchmarks.sweep import Cell

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
        f"device   {session.device} ({precisions}), {_places(session)}",
        *(f"driver   {kind}: {_driver(plan, own[0])}" for kind, own in groups.items()),
        f"disk     {disk_bytes(cells, keep_all=plan.keep_all) / 2**20:.0f} MiB",
        f"memory   about {largest / 2**20:.0f} MiB a process, beside what {library} takes",
        f"time     {time_left(session)}",
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


def time_left(session: Session) -> str:
    """Say how long the missing cells will take.

    As fast as ``probe`` measured if it has measured all of them, else as the finished cells of the
    folder were.
    """
    if session.cluster.elsewhere:
        return f"as {session.cluster.launcher.capitalize()} has room"
    groups, throughput, plan = session.missing_groups, Throughput.read(), session.plan
    predicted = [
        throughput.seconds(
            g.first, session.device, plan.width(g.first), flags_of_cell(g.first, plan.flags)
        )
        for g in groups
    ]
    if all(predicted):
        seconds = sum(len(g) * (each or 0.0) for g, each in zip(groups, predicted, strict=True))
        busy = min(session.workers, pack_count(groups, plan.widths))
        total = seconds / max(1, busy) + (STARTED_SECONDS if groups else 0)
        return f"about {total:.0f} s, as fast as probe measured"
    costs = [meta.costs for meta in session.parts.meta.values() if meta.costs.forward_passes]
    taken = sum(cost.forward_passes or 0 for cost in costs)
    if not taken:
        return "unknown until `probe` has measured it or the first cells are done"
    spent = sum((cost.train_seconds or 0.0) + (cost.eval_seconds or 0.0) for cost in costs)
    pace = spent / taken
    todo = 0
    for each in groups:
        sizes, epochs = each.first.dataset.sizes, each.first.recipe.epochs
        todo += len(each) * passes(each.first, sizes[0], epochs).forward
    return f"about {pace * todo / session.workers:.0f} s, as fast as the finished cells"
