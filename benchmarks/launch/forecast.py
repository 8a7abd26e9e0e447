"""A forecast of a run: what it would train, and the time, memory and disk that it would take."""

import torch

from benchmarks.engine.drivers import in_words
from benchmarks.engine.record import passes
from benchmarks.launch.request import Request
from benchmarks.launch.session import Session, prepare, prepare_trials, requested
from benchmarks.planning.memory import of_cell
from benchmarks.planning.plan import disk_bytes, kinds, packs
from benchmarks.planning.throughput import STARTED_SECONDS, Throughput

AXES = ("dataset", "noise", "method", "model", "recipe", "seed")


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
    plan, cells, missing = session.plan, session.plan.cells, session.missing()
    keys = [cell.keys() for cell in cells]
    lines = [
        f"{axis:8} {'  '.join(dict.fromkeys(str(each[axis]) for each in keys))}" for axis in AXES
    ]
    largest = max(of_cell(g[0]).total * plan.widths[kind] for kind, g in kinds(cells).items())
    lines += [
        f"cells    {len(cells)} planned, {len(cells) - len(missing)} done, {len(missing)} to do",
        f"device   {session.device} ({cells[0].precision}), {session.workers} workers",
        *(f"driver   {kind}: {in_words(width, plan.flags)}" for kind, width in plan.widths.items()),
        f"disk     {disk_bytes(cells, keep_all=plan.keep_all) / 2**20:.0f} MiB",
        f"memory   about {largest / 2**20:.0f} MiB a process, beside what PyTorch takes",
        f"time     {time_left(session)}",
        *session.notes(),
        *session.parts.damage("put aside by `run`, its cells are trained again"),
    ]
    return "\n".join(lines)


def time_left(session: Session) -> str:
    """Say how long the missing cells will take.

    As fast as ``probe`` measured if it has measured all of them, else as the finished cells of the
    folder were.
    """
    missing, throughput, plan = session.missing(), Throughput.read(), session.plan
    devices = torch.cuda.device_count() if session.device.type == "cuda" else session.workers
    sharing = session.workers // max(1, devices)
    predicted = [
        throughput.seconds(cell, session.device, plan.width(cell), sharing, plan.flags)
        for cell in missing
    ]
    seconds = [value for value in predicted if value]
    if len(seconds) == len(predicted):
        busy = min(session.workers, len(packs(missing, plan.widths)))
        total = sum(seconds) / max(1, busy) + (STARTED_SECONDS if missing else 0)
        return f"about {total:.0f} s, as fast as probe measured"
    costs = [meta.costs for meta in session.parts.meta.values() if meta.costs.forward_passes]
    taken = sum(cost.forward_passes or 0 for cost in costs)
    if not taken:
        return "unknown until `probe` has measured it or the first cells are done"
    spent = sum((cost.train_seconds or 0.0) + (cost.eval_seconds or 0.0) for cost in costs)
    pace = spent / taken
    todo = sum(passes(cell, cell.dataset.sizes[0], cell.recipe.epochs).forward for cell in missing)
    return f"about {pace * todo / session.workers:.0f} s, as fast as the finished cells"
