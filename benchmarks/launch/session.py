"""From a request to trained cells: check everything, then train what is missing."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import plugins
from benchmarks.datasets import DATASETS, data_root
from benchmarks.engine.compute import passes
from benchmarks.errors import RefusedError
from benchmarks.launch import pool, tuning
from benchmarks.launch.progress import Progress
from benchmarks.launch.request import Request
from benchmarks.launch.worker import Job
from benchmarks.planning.device import choose_device, default_precision
from benchmarks.planning.memory import of_cell
from benchmarks.planning.options import FLAGS, TrainingOptions
from benchmarks.planning.plan import Plan, kinds, make_plan, packs
from benchmarks.planning.probe import probe_widths
from benchmarks.planning.processes_per_gpu import probe_processes
from benchmarks.planning.throughput import STARTED_SECONDS, SecondsPerImage, Throughput
from benchmarks.profiles import PROFILES, Tuned
from benchmarks.store import Parts, derive, locked, remove_stale_files
from benchmarks.sweep import Cell, Suite


@dataclass(frozen=True)
class Session:
    """A request that has been checked; nothing has been written."""

    folder: Path
    root: Path
    device: torch.device
    plan: Plan
    parts: Parts
    plugins: tuple[Path, ...]
    workers: int

    def missing(self) -> list[Cell]:
        """Return the planned cells without a result, in the order of the plan."""
        done = self.parts.done()
        return [cell for cell in self.plan.cells if cell.id not in done]

    def memory(self) -> int:
        """Return the bytes that the largest pack is estimated to take in one process."""
        groups, widths = kinds(self.plan.cells), self.plan.widths
        return max(of_cell(group[0]).total * widths[kind] for kind, group in groups.items())

    def estimate(self) -> str:
        """Say how long the missing cells will take: as ``probe`` measured, else as the others."""
        missing, measured, plan = self.missing(), Throughput.read(), self.plan
        devices = torch.cuda.device_count() if self.device.type == "cuda" else self.workers
        sharing = self.workers // max(1, devices)
        known = [
            measured.seconds(cell, self.device, plan.width(cell), sharing, plan.flags)
            for cell in missing
        ]
        if all(found := [value for value in known if value]) and len(found) == len(known):
            count = min(self.workers, len(packs(missing, self.plan.widths)))
            total = sum(found) / max(1, count) + (STARTED_SECONDS if missing else 0)
            return f"about {total:.0f} s, as fast as probe measured"
        costs = [meta["costs"] for meta in self.parts.meta.values() if meta["costs"]]
        taken = sum(cost["forward_passes"] for cost in costs)
        if not taken:
            return "unknown until `probe` has measured it or the first cells are done"
        rate = sum(cost["train_seconds"] + cost["eval_seconds"] for cost in costs) / taken
        todo = sum(
            passes(cell, cell.dataset.sizes[0], cell.recipe.epochs).forward for cell in missing
        )
        return f"about {rate * todo / self.workers:.0f} s, as fast as the finished cells"


def probe(request: Request) -> Iterator[tuple[Cell, str, SecondsPerImage]]:
    """Measure how fast this machine trains what is asked for, and keep it for the planner.

    On a GPU, also how fast several processes are that share it.

    Yields:
        a cell of each kind, how many cells or processes in words, and what an image took.
    """
    (device, cells), root = _asked(request), data_root(request.data)
    flags = _flags(request, device)
    _fetch(cells, root)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a worker
    try:
        yield from probe_widths(cells, root, device, flags)
        if device.type == "cuda":
            yield from probe_processes(cells, root, device, flags)
    finally:
        torch.set_num_threads(threads)


def prepare(request: Request) -> Session:
    """Check a request against this machine and the results folder.

    Raises:
        RefusedError: something is wrong with it, or trials that its profile needs are missing;
            nothing has been written.
    """
    device, cells, folder = *_asked(request), request.folder()
    if profile := _tuned(cells):
        cells = tuning.chosen(cells, profile, folder / tuning.FOLDER)
    return _session(request, device, cells, folder)


def trials(request: Request) -> Session | None:
    """Check the trials that a request's profile needs before its cells; None if it needs none.

    Raises:
        RefusedError: something is wrong with the request; nothing has been written.
    """
    device, cells = _asked(request)
    if (profile := _tuned(cells)) is None:
        return None
    folder = request.folder() / tuning.FOLDER
    return _session(request, device, tuning.trials(cells, profile), folder)


def tune(request: Request, trial: Session) -> Parts:
    """Train the missing trials, and write what they chose."""
    parts = train(trial)
    cells = _asked(request)[1]
    if profile := _tuned(cells):
        tuning.write(cells, profile, trial.folder)
    return parts


def _asked(request: Request) -> tuple[torch.device, list[Cell]]:
    """Return the device, and the cells that are asked for, before any tuning."""
    for path in request.plugin:
        plugins.load(path)
    device = choose_device(request.device)
    precision = request.precision or default_precision(device)
    suite = Suite.read(request.suite).override(request.axes(), request.profile)
    return device, list(suite.cells(precision))


def _tuned(cells: Sequence[Cell]) -> Tuned | None:
    """Return the profile of these cells if it needs trials."""
    profile = PROFILES.build(cells[0].profile)
    return profile if isinstance(profile, Tuned) else None


def _session(
    request: Request, device: torch.device, cells: Sequence[Cell], folder: Path
) -> Session:
    options = TrainingOptions(device, request.pack, _flags(request, device))
    plan = make_plan(folder, Path(request.suite).stem, cells, options)
    workers = request.workers
    if workers is None:
        shared = (
            Throughput.read().best_processes(cells, device, plan.flags)
            if device.type == "cuda"
            else 1
        )
        workers = pool.default_workers(device) * shared
    if workers < 1:
        raise RefusedError(f"--workers must be a whole number of at least 1, got {workers}")
    return Session(
        folder=folder,
        root=data_root(request.data),
        device=device,
        plan=plan,
        parts=Parts(folder),
        plugins=tuple(path.resolve() for path in request.plugin),
        workers=workers,
    )


def _flags(request: Request, device: torch.device) -> tuple[str, ...]:
    """Return which of ``FLAGS`` are asked for and can be had here; branches are those of a graph.

    Raises:
        RefusedError: ``--graph`` or ``--branches`` is asked for without a GPU.
    """
    wanted = [name for name in FLAGS if getattr(request, name)]
    for name in ("graph", "branches"):
        if name in wanted and device.type != "cuda":
            raise RefusedError(f"--{name} needs --device cuda, got {device.type}; leave it out")
    if "branches" in wanted:
        wanted = [name for name in FLAGS if name in {*wanted, "graph"}]
    return tuple(wanted)


def train(session: Session) -> Parts:
    """Train the missing cells, derive the CSV files, and return all parts.

    Raises:
        RefusedError: the folder cannot be written, or another run is writing to it.
        DataMissingError: a dataset is neither there nor to be had.
    """
    missing = session.missing()
    _fetch(missing, session.root)
    with locked(session.folder):
        session.plan.write(session.folder)
        remove_stale_files(session.folder)
        parts = session.parts
        if missing:
            try:
                _launch(session, missing)
            finally:
                parts = Parts(session.folder)
                derive(session.folder, parts)
        else:
            derive(session.folder, parts)
    return parts


def _fetch(cells: Sequence[Cell], root: Path) -> None:
    """Make sure that the files behind datasets and noises are there."""
    noises = dict.fromkeys(cell.noise for cell in cells)
    lenders = [DATASETS.build(name) for noise in noises for name in noise.borrows]
    for dataset in dict.fromkeys((*(cell.dataset for cell in cells), *lenders)):
        dataset.fetch(root)
    for noise in noises:
        noise.fetch(root)


def _launch(session: Session, missing: Sequence[Cell]) -> None:
    job = Job(
        folder=session.folder,
        root=session.root,
        device=str(session.device),
        keep_all=session.plan.keep_all,
        commit=_commit(),
        plugins=session.plugins,
        flags=session.plan.flags,
    )
    with Progress(missing, len(session.plan.cells)) as progress:
        pool.run(job, packs(missing, session.plan.widths), session.workers, progress.tell)


def _commit() -> str:
    """Return the commit of this code, marked when the tree differs from it, or nothing."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()
