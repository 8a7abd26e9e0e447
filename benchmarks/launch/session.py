"""A session: a request that has been checked against this machine and a results folder."""

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from msgspec.structs import astuple

from benchmarks import contract
from benchmarks.commands import repeated_options
from benchmarks.datasets import content, data_root
from benchmarks.errors import RefusedError, count
from benchmarks.launch import pool, tuning
from benchmarks.launch.cluster import LOCAL, Cluster
from benchmarks.launch.environment import commit
from benchmarks.launch.request import Request
from benchmarks.launch.worker import CHECKPOINT_SECONDS, Job
from benchmarks.noise import NOISES
from benchmarks.planning.options import (
    FLAGS,
    ON_CUDA,
    TrainingOptions,
    choose_device,
    default_precision,
    gpus_of,
)
from benchmarks.planning.plan import Plan, make_plan, rebuild
from benchmarks.planning.repeats import Repeats
from benchmarks.plugins import Entry
from benchmarks.profiles import PROFILES, Tuned
from benchmarks.question import Question
from benchmarks.store import Parts, read_current_plan, read_plan, refuse_foreign
from benchmarks.store.choice import Choice
from benchmarks.store.held import AXES, held_lines
from benchmarks.store.plan_file import WHOLE, plan_digest, share_of
from benchmarks.sweep import REGISTRIES, Cell, Suite


@dataclass(frozen=True)
class Session:
    """A request that has been checked; nothing has been written."""

    folder: Path  # of the results
    root: Path  # of the image files
    device: torch.device
    plan: Plan
    parts: Parts  # that were there at the start
    plugins: tuple[Path, ...]
    workers: int
    why_workers: str
    lost: Mapping[str, int]  # how many of the held cells cannot be built now, by reason
    lost_plugins: str  # what may bring them back
    timeout: float | None = None  # seconds without a finished epoch
    unused: Sequence[str] = ()  # lines about what is wrong with entries of plugins
    budget: float | None = None  # seconds after which nothing is trained on
    checkpoint_every: float = CHECKPOINT_SECONDS
    cluster: Cluster = LOCAL
    read: str = ""  # the digest of the plan that the folder had at the start
    rerun: Choice | None = None  # which of the cells are trained; None: those without a result

    @cached_property
    def own(self) -> set[str]:
        """The ids of the cells that are this session's to train, whatever is done already."""
        own = share_of((cell.id for cell in self.plan.cells), self.plan.shard)
        if self.rerun is None:
            return own
        keys = [cell.keys() for cell in self.plan.cells if cell.id in own]
        return self.rerun.ids(keys, self.parts.meta)

    @cached_property
    def again(self) -> list[Cell]:
        """The cells that had a result at the start and are to be trained all the same."""
        if self.rerun is None:
            return []
        chosen = self.own & self.parts.done()
        return [cell for cell in self.plan.cells if cell.id in chosen]

    def missing(self) -> list[Cell]:
        """Return the cells that are asked for and had no result, in the order of the request."""
        return [cell for each in self.missing_groups for cell in each.cells]

    @cached_property
    def missing_groups(self) -> list[Repeats]:
        """The cells that are asked for and had no result at the start, seeds together."""
        done = self.parts.done()
        seeds: dict[tuple[object, ...], set[int]] = {}  # of the finished, by their other keys
        for cell_id in done:
            *others, seed = astuple(self.parts.meta[cell_id].keys)[1:]
            seeds.setdefault(tuple(others), set()).add(seed)
        missing, whole = [], self.plan.shard == WHOLE and self.rerun is None
        for each in self.plan.groups:
            _, *keys, _ = each.first.keys().values()
            left = [cell for cell in each.cells if whole or cell.id in self.own]
            if any(each.first.files()):  # which may have had another name
                left = [cell for cell in left if cell.id not in done]
            elif known := seeds.get(tuple(keys)):
                left = [cell for cell in left if cell.seed not in known or cell.id not in done]
            missing += [Repeats(left)] if left else []
        return missing

    def job(self) -> Job:
        """Return what its packs have in common."""
        return Job(
            folder=self.folder.resolve(),
            root=self.root.resolve(),
            device=str(self.device),
            keep_all=self.plan.keep_all,
            commit=commit(),
            plugins=self.plugins,
            flags=self.plan.flags,
            timeout=self.timeout,
            seconds=self.budget,
            checkpoint_every=self.checkpoint_every,
            cluster=self.cluster,
        )

    def values(self) -> dict[str, list[str | int]]:
        """Return the values of each axis of what is asked for."""
        groups = self.plan.groups
        keys = [each.first.keys() for each in groups]
        axes: dict[str, list[str | int]] = {
            axis: list(dict.fromkeys(str(one[axis]) for one in keys)) for axis in AXES
        }
        seeds = dict.fromkeys(cell.seed for each in groups for cell in each.cells)
        return axes | {"seed": list(seeds)}

    def notes(self) -> list[str]:
        """Say what the folder holds beside what is asked for, and what cannot be built."""
        named = None if self.root == data_root(None) else self.root
        repeated = repeated_options(named, ())  # the folder's plan names its plugins
        lines = held_lines(self.folder, self.values(), self.plan.held, self.parts, repeated)
        if self.lost:
            reason, *others = self.lost
            more = f", and {count(len(others), 'further reason')}" if others else ""
            cells = count(sum(self.lost.values()), "cell")
            lines.append(
                f"{self.folder} holds {cells} that cannot be built now ({reason}{more}); results "
                f"stay as they are{self.lost_plugins}"
            )
        if self.rerun is not None and not self.own:
            lines.append("no cell is as --rerun asks for, so none is trained")
        return [*lines, *self.unused]


Faults = Mapping[Entry, str]
"""What entries of plugins do wrong."""


class Wanted(NamedTuple):
    """The cells that a request names, before any tuning, and where to train them."""

    device: torch.device
    cells: list[Cell]
    tuned: Tuned | None  # the profile, if it needs trials first
    plugins: tuple[Path, ...]  # the suite's, and those that were given
    unused: Sequence[str] = ()  # lines about what is wrong with their other entries
    question: Question | None = None  # that the suite asks


def prepare(request: Request, wanted: Wanted | None = None) -> Session:
    """Return the session that trains the cells of a request.

    Args:
        request: what to train.
        wanted: its cells, if they have been built.

    Raises:
        RefusedError: something is wrong with the request, or trials that its profile needs are
            missing; nothing has been written.
    """
    wanted = wanted or requested(request)
    cells, tuned = wanted.cells, wanted.tuned
    if tuned:
        cells = tuning.chosen(cells, tuned, request.folder() / tuning.FOLDER)
    return _session(request, wanted, cells, request.folder())


def prepare_trials(request: Request, wanted: Wanted | None = None) -> Session | None:
    """Return the session of the trials that a request's profile needs first, None without any.

    Raises:
        RefusedError: something is wrong with the request; nothing has been written.
    """
    wanted = wanted or requested(request)
    if wanted.tuned is None:
        return None
    if request.shard:
        raise RefusedError(
            "--shard cannot be used with the profile tuned, whose trials every shard needs; train "
            "without it, or name its choices as methods"
        )
    folder = request.folder() / tuning.FOLDER
    trials = tuning.trials(wanted.cells, wanted.tuned)
    return _session(replace(request, rerun=None), wanted, trials, folder)


def requested(request: Request, *, fetch: bool = False) -> Wanted:
    """Return the cells that a request names: those of a suite, or all of a results folder.

    Args:
        request: what to train.
        fetch: let a dataset of a plugin download its data, without which its cells have no ids.

    Raises:
        RefusedError: there is no such device, a plugin fails, a spec is wrong, or the results
            folder is none.
        DataMissingError: the data of a plugin's dataset are not there.
    """
    given, root = request.plugin, data_root(request.data)
    content.forget()  # it may have been edited since
    faults = contract.load_faulty(*given, root=root)
    if request.resumes():
        return _of_folder(request, faults)
    refuse_foreign(request.folder())
    device = choose_device(request.device, elsewhere=request.cluster().elsewhere)
    precision = request.precision or functools.partial(default_precision, device)
    axes = request.axes()
    suite = Suite.read(
        request.suite,
        lambda plugins: faults.update(contract.load_faulty(*plugins, root=root)),
        replaced=[axis for axis, values in axes.items() if values],
    ).override(axes, request.profile)
    unused = refuse_faulty(faults, {kind: getattr(suite, kind) for kind in REGISTRIES})
    cells = list(suite.cells(precision, root, fetch=fetch))
    contract.refuse_images(suite.model, suite.dataset)
    content.release()
    profile = PROFILES.build(suite.profile)
    plugins = tuple(dict.fromkeys((*suite.plugin, *given)))
    tuned = profile if isinstance(profile, Tuned) else None
    return Wanted(device, cells, tuned, plugins, unused, suite.asked())


def refuse_faulty(faults: Faults, specs: Mapping[str, Iterable[str]]) -> list[str]:
    """Refuse entries that fail and that specs use, by kind; return a line about the others."""
    if not faults:
        return []
    used = {one for kind, each in specs.items() for s in each for one in contract.named_by(kind, s)}
    contract.refuse_used(faults, used)
    return contract.refuse_used(faults, {*used, *_lenders(specs["noise"])})


def _lenders(noises: Iterable[str]) -> Iterator[Entry]:
    """Yield the datasets from which noises borrow images."""
    for spec in noises:
        with contextlib.suppress(ValueError):  # whoever trains on it says so
            yield from (("dataset", name) for name in NOISES.build(spec).borrows)


def _of_folder(request: Request, faults: Faults) -> Wanted:
    """Return the cells of a results folder that can be built, to be trained as it says."""
    folder = request.folder()
    fixed: dict[str, object] = {**request.axes(), "profile": request.profile, "out": request.out}
    fixed["precision"] = request.precision
    if set_ := [name for name, value in fixed.items() if value]:
        option = set_[0] + "s" * (set_[0] in request.axes())
        raise RefusedError(
            f"{folder} is gone on with as it is, all its cells by its own settings, so --{option} "
            f"cannot be given; name a suite and --out {folder} to ask for other cells"
        )
    plan = read_current_plan(folder)
    specs = {kind: {getattr(cell.specs, kind) for cell in plan.cells} for kind in REGISTRIES}
    unused = refuse_faulty(faults, specs)
    cells, reasons = rebuild(plan.cells, folder, data_root(request.data))
    if not cells:
        why = f" that can be built now ({next(iter(reasons))})" if reasons else ""
        why += plan.missing_plugins(request.plugin) if reasons else ""
        raise RefusedError(f"{folder} has no cell{why}")
    device = choose_device(request.device or plan.device, elsewhere=request.cluster().elsewhere)
    return Wanted(device, cells, None, request.plugin, unused)


def options_of(request: Request, device: torch.device) -> TrainingOptions:
    """Return how a request wants its cells trained.

    Raises:
        RefusedError: a graph is asked for without a GPU, or branches without the graph.
    """
    said = {name: getattr(request, name) for name in FLAGS}
    flags = tuple(name for name in FLAGS if said[name])
    for name in ON_CUDA:
        if name in flags and device.type != "cuda":
            raise RefusedError(f"--{name} needs --device cuda, got {device.type}; leave it out")
    if said["branches"] and said["graph"] is False:
        raise RefusedError("--branches are those of a graph, got --no-graph; leave one of them out")
    without = tuple(name for name in ON_CUDA if said[name] is False)
    cluster, gpus = request.cluster(), max(1, gpus_of(device))
    sharing = cluster.slots
    if request.workers and not cluster.elsewhere:
        sharing = max(1, math.ceil(request.workers / gpus))
    return TrainingOptions(device, request.pack, flags, without, sharing)


def _refuse_shares(request: Request, device: torch.device) -> None:
    """Refuse shares of GPUs for workers here that have none, or whose number says otherwise."""
    if request.gpus is None or request.cluster().elsewhere:
        return
    if device.type != "cuda":
        raise RefusedError(f"--gpus needs --device cuda, got {device.type}; leave it out")
    if request.workers is not None:
        raise RefusedError(
            "--workers says how many processes train and --gpus how much of a GPU each has; leave "
            "one of them out"
        )


def _session(request: Request, wanted: Wanted, cells: Sequence[Cell], folder: Path) -> Session:
    device, read = wanted.device, plan_digest(folder)
    plan = make_plan(folder, Path(request.suite).stem, cells, options_of(request, device))
    plugins = tuple(map(str, wanted.plugins))
    plan = replace(plan, plugins=plugins, question=wanted.question, shard=request.share())
    cluster = request.cluster()
    cluster.check(budget=request.budget)
    _refuse_shares(request, device)
    workers, why = request.workers, "as asked for"
    if workers is None:
        workers, why = cluster.most() or pool.default_workers(device, cluster.slots)
    if workers < 1:
        raise RefusedError(f"--workers must be a whole number of at least 1, got {workers}")
    if request.timeout is not None and not 0 < request.timeout < math.inf:
        raise RefusedError(f"--timeout must be a number of seconds above 0, got {request.timeout}")
    root, every = data_root(request.data), CHECKPOINT_SECONDS
    if request.checkpoint_every is not None:
        every = request.checkpoint_every.total_seconds()
        if every <= 0:
            raise RefusedError("--checkpoint-every must be above 0, such as 30s or 10m")
    return Session(
        folder=folder,
        root=root,
        device=device,
        plan=plan,
        parts=Parts(folder),
        plugins=tuple(path.resolve() for path in wanted.plugins),
        workers=workers,
        why_workers=why,
        lost=rebuild(plan.held, folder, root).reasons,
        lost_plugins=read_plan(folder).missing_plugins(wanted.plugins) if plan.held else "",
        timeout=request.timeout,
        unused=wanted.unused,
        budget=None if request.budget is None else request.budget.total_seconds(),
        checkpoint_every=every,
        cluster=cluster,
        read=read,
        rerun=None if request.rerun is None else Choice.read(request.rerun),
    )
