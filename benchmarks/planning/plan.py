"""Which cells a results folder owes, and how they are trained: fixed at its first start."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import asdict

from benchmarks.catalogue import Facts, catalogue
from benchmarks.datasets import DATASETS
from benchmarks.engine.drivers import driver_name
from benchmarks.errors import RefusedError
from benchmarks.models import MODELS
from benchmarks.noise import NOISES, Noise
from benchmarks.planning.memory import LARGEST_NETWORK, free_bytes, weights_of, widest
from benchmarks.planning.options import FLAGS, TrainingOptions, flags_of_cell, gpus_of
from benchmarks.planning.repeats import Cells, Repeats, repeats
from benchmarks.planning.throughput import Throughput
from benchmarks.question import Question
from benchmarks.store import CellSpecs, Driver, PlanFile, PlannedCell, read_current_plan, write_plan
from benchmarks.store.plan_file import NAME, WHOLE, WIDEST, Shard, further, merged
from benchmarks.sweep import Cell, data_of, label_space
from methods import METHODS
from methods.bounds import FilePath

KEEP_ALL_UP_TO = 1000
"""Above this many cells only the last epoch's test logits are kept."""


@dataclass(frozen=True)
class Plan:
    """The cells that are asked for, and a folder's settings, which never change."""

    suite: str
    device: str  # kind: cuda, mps or cpu
    pack: int | None  # what was asked for; None leaves it to what was measured
    keep_all: bool
    cells: tuple[Cell, ...]
    widths: Mapping[str, int]  # by kind: how many cells are trained together; 1 is one by one
    flags: tuple[str, ...] = ()  # of FLAGS
    held: tuple[PlannedCell, ...] = ()  # the folder's further cells
    plugins: tuple[str, ...] = ()  # the files that were given, as they were
    question: Question | None = None
    shard: Shard = WHOLE  # which part of the cells is trained, and of how many

    def ids(self) -> set[str]:
        """Return the ids of all cells, those of the folder too."""
        return {cell.id for cell in self.cells} | {entry.cell_id for entry in self.held}

    def width(self, cell: Cell) -> int:
        """Return how many cells like this one are trained together."""
        return self.widths[kind_of(cell)]

    @cached_property
    def groups(self) -> list[Repeats]:
        """The cells, those of all seeds together."""
        return repeats(self.cells)

    def write(self, folder: Path) -> None:
        """Write ``plan.json``: the settings, each kind's driver, and every cell spelled out.

        The cells that a folder holds already stay in it.
        """
        drivers = {}
        for kind, cell in {kind_of(cell): cell for cell in self.cells}.items():
            name = driver_name(self.widths[kind], flags_of_cell(cell, self.flags))
            driver = Driver(name, self.widths[kind], cell.precision)
            drivers[_specs(cell, folder).kind()] = driver
        datasets = {DATASETS.spec(g.first.dataset): g.first.dataset for g in self.groups}
        new = PlanFile(
            suite=self.suite,
            device=self.device,
            keep_all=self.keep_all,
            drivers=drivers,
            cells=tuple(_entry(cell, folder) for cell in self.cells),
            pack=self.pack,
            flags=self.flags,
            method_facts=_facts_of_plugins(self.cells),
            plugins=self.plugins,
            question=self.question,
            classes={name: each.num_classes for name, each in datasets.items()},
            truth={name: each.truth for name, each in datasets.items() if each.truth != "known"},
            class_names={name: each.classes for name, each in datasets.items()},
            licences={name: each.card.licence for name, each in datasets.items()},
            shard=self.shard,
        )
        if (folder / NAME).exists():
            new = merged(read_current_plan(folder), new)
        write_plan(folder, new)


def _entry(cell: Cell, folder: Path) -> PlannedCell:
    keys: dict[str, Any] = cell.keys()
    return PlannedCell(**keys, specs=_specs(cell, folder))


def _specs(cell: Cell, folder: Path) -> CellSpecs:
    """Return how a cell is built again; its files by relative paths where they can be."""

    def place(text: str, _mark: FilePath) -> str:
        for root in (folder.resolve(), Path.cwd()):
            if Path(text).is_relative_to(root):
                return str(Path(text).relative_to(root))
        return text

    dataset, noise = DATASETS.moved(cell.dataset, place), NOISES.moved(cell.noise, place)
    same = dataset is cell.dataset and noise is cell.noise
    moved = cell if same else replace(cell, dataset=dataset, noise=noise)
    specs: dict[str, Any] = moved.specs()
    return CellSpecs(**specs)


def _facts_of_plugins(cells: Iterable[Cell]) -> dict[str, Facts]:
    """Return what methods that the catalogue lacks state of themselves."""
    methods = {type(cell.method): cell.method for cell in cells}.values()
    stated = {METHODS.name(method): method.facts() for method in methods if method.family}
    return {name: Facts(**facts) for name, facts in stated.items() if name not in catalogue()}


def kind_of(cell: Cell) -> str:
    """Name what cells of a pack have in common: everything but seed and noise."""
    specs: dict[str, Any] = cell.specs()
    return CellSpecs(**specs).kind()


def make_plan(folder: Path, suite: str, cells: Iterable[Cell], options: TrainingOptions) -> Plan:
    """Return the plan of a folder in which these cells are asked for; nothing is written.

    Args:
        folder: the results folder.
        suite: its name.
        cells: what is asked for.
        options: how they are to be trained.

    Raises:
        RefusedError: the folder was started by another version, on another kind of device, with
            packs of another size, or without one of the flags, any of which changes the last bits
            of its numbers.
    """
    asked, device, pack = tuple(cells), options.device, options.pack
    groups = repeats(asked)
    if pack is not None and not 1 <= pack <= WIDEST:
        raise RefusedError(f"--pack must be a whole number from 1 to {WIDEST}, got {pack}")
    if not (folder / NAME).exists():
        flags = options.flags_at_start()
        widths = _widths(groups, options, flags, {})
        keep_all = len(asked) <= KEEP_ALL_UP_TO
        return Plan(suite, device.type, pack, keep_all, asked, widths, flags)
    written = read_current_plan(folder)
    _refuse_other_settings(written, options, folder)
    _refuse_other_profile(written, [each.first for each in groups], folder)
    fixed = {kind: driver.width for kind, driver in written.drivers.items()}
    spelled = {kind_of(each.first): _specs(each.first, folder).kind() for each in groups}
    fixed |= {kind: fixed[other] for kind, other in spelled.items() if other in fixed}
    options = options._replace(pack=written.pack)
    rest = asked, _widths(groups, options, written.flags, fixed), written.flags
    named = ((_specs(each.first, folder).point()[:2], each.cells) for each in groups)
    points = {(*point, cell.seed) for point, cells in named for cell in cells}
    held = _without_moved(further(written, points), groups)
    _refuse_other_files(groups, held, folder)
    return Plan(written.suite, device.type, written.pack, written.keep_all, *rest, held)


def _refuse_other_settings(written: PlanFile, options: TrainingOptions, folder: Path) -> None:
    """Refuse options that change the last bits of the numbers of a folder."""
    device, pack, flags, without, _ = options
    if pack not in {None, written.pack}:
        started = f"--pack {written.pack}" if written.pack else "packs of its own choice"
        raise RefusedError(
            f"{folder} was started with {started} and is finished with it; use it or another --out"
        )
    if written.device != device.type:
        raise RefusedError(
            f"{folder} was started on {written.device} and numbers of {device.type} must not be "
            f"mixed with it; use --device {written.device} or another --out"
        )
    if foreign := [name for name in written.flags if name not in FLAGS]:
        raise RefusedError(
            f"{folder} was started with --{foreign[0]}, which this version does not have, and "
            "numbers without it must not be mixed with its own; use another --out"
        )
    if there := [name for name in without if name in written.flags]:
        raise RefusedError(
            f"{folder} was started with --{there[0]}, which changes the last bits of its numbers; "
            f"leave --no-{there[0]} out or use another --out"
        )
    if missing := [name for name in flags if name not in written.flags]:
        raise RefusedError(
            f"{folder} was started without --{missing[-1]}, which changes the last bits of its "
            f"numbers; leave it out or use another --out"
        )


def _without_moved(held: list[PlannedCell], groups: Sequence[Repeats]) -> tuple[PlannedCell, ...]:
    """Return the held cells that are not asked for by another path of the same file."""
    asked = {cell.id for cell in _with_files(groups)} if held else set[str]()
    return tuple(entry for entry in held if entry.cell_id not in asked)


def _refuse_other_files(
    groups: Sequence[Repeats], held: Sequence[PlannedCell], folder: Path
) -> None:
    """Refuse a file that has the name of another one of the folder and holds something else."""
    names = {entry.name() for entry in held}
    for cell in _with_files(groups) if names else ():
        if cell.name() in names:
            raise RefusedError(
                f"{folder} has results of another file of the name of {next(cell.files()).path}, "
                "and results name a file without its folder; rename it, use another --out, or drop "
                "the others"
            )


def _with_files(groups: Sequence[Repeats]) -> Iterator[Cell]:
    """Yield the cells that name a file."""
    for group in groups:
        if any(group.first.files()):
            yield from group.cells


def _refuse_other_profile(written: PlanFile, asked: Sequence[Cell], folder: Path) -> None:
    """Refuse cells whose hyper-parameters come from elsewhere than those of the folder."""
    there = dict.fromkeys(cell.specs.profile for cell in written.cells)
    if others := [cell.profile for cell in asked if there and cell.profile not in there]:
        raise RefusedError(
            f"{folder} was started with the profile {', '.join(there)} and {others[0]} must not be "
            f"mixed with it; use --profile '{', '.join(there)}' or another --out"
        )


def _widths(
    cells: Cells, options: TrainingOptions, flags: Sequence[str], fixed: Mapping[str, int]
) -> dict[str, int]:
    """Return the width of every kind: as fixed, as asked, or as measured and fits, cut evenly."""
    device, pack = options.device, options.pack
    throughput, free, widths = Throughput.read(), free_bytes(device), dict(fixed)
    free = None if free is None else free // options.sharing
    gpus = gpus_of(device)
    refuse_huge(cells)
    for kind, group in kinds(cells).items():
        if kind not in widths:
            own = flags_of_cell(group[0], flags)
            fastest = throughput.best_width(group[0], device, own)
            best = pack or widest(group[0], free, own, fastest)
            fewest = max(math.ceil(len(group) / best), min(gpus, len(group)))  # packs
            even = max(2, math.ceil(len(group) / fewest)) if len(group) > 1 else 1
            widths[kind] = best if pack or best == 1 else even
    return widths


def kinds(cells: Cells) -> dict[str, list[Cell]]:
    """Group cells that can be trained together."""
    groups: dict[str, list[Cell]] = {}
    for each in repeats(cells):
        groups.setdefault(kind_of(each.first), []).extend(each.cells)
    return groups


def refuse_huge(cells: Cells) -> None:
    """Refuse networks that no machine should be asked to train.

    Raises:
        RefusedError: the weights of one take more than ``LARGEST_NETWORK``.
    """
    for model, dataset in dict.fromkeys(
        (each.first.model, each.first.dataset) for each in repeats(cells)
    ):
        size = weights_of(model, dataset.shape, dataset.num_classes)
        if size > LARGEST_NETWORK:
            most = LARGEST_NETWORK / 2**30
            raise RefusedError(
                f"the model {MODELS.spec(model)} on {DATASETS.name(dataset)} has "
                f"{size / 2**30:,.0f} GiB of weights, and at most {most:.0f} GiB are planned and "
                "trained; choose a smaller one"
            )


class Rebuilt(NamedTuple):
    """The cells of a plan that can be built now, and why others cannot: how many, by reason."""

    cells: list[Cell]
    reasons: Counter[str]


def rebuild(entries: Iterable[PlannedCell], folder: Path, root: Path) -> Rebuilt:
    """Build the cells of a plan again, as far as plugins, data, files and versions allow.

    Args:
        entries: the cells.
        folder: the results folder, in which files are looked for that are nowhere else.
        root: the folder of the image files.
    """
    rebuilt = Rebuilt([], Counter())
    for entry in entries:
        try:
            cell = Cell.build(asdict(entry.specs), folder)
            if cell.id != entry.cell_id:
                cell = cell.within(folder)  # another file of this name is here
            cell.noise.check(label_space(cell.dataset), [cell.seed])  # its file may have changed
            data = data_of(cell.dataset, cell.noise, root)
            if cell.id == entry.cell_id and data == cell.data:
                rebuilt.cells.append(cell)
            else:
                rebuilt.reasons["what it is made of has changed since"] += 1
        except (ValueError, RefusedError) as error:
            rebuilt.reasons[str(error)] += 1
    return rebuilt


class Pack(NamedTuple):
    """Cells that are trained together."""

    cells: tuple[Cell, ...]
    width: int  # what they are padded to; 1 is one by one


def packs(cells: Cells, widths: Mapping[str, int]) -> list[Pack]:
    """Group cells that can be trained together, at most as many as their width; longest first.

    Groups are cut evenly: 25 cells and a width of 8 make packs of 7, 6, 6 and 6.
    """
    cut = []
    for width, group in alike(cells, widths):
        count = math.ceil(len(group) / width)
        cut += [Pack(tuple(group[start::count]), width) for start in range(count)]
    return sorted(cut, key=lambda p: -sum(c.method.networks * c.recipe.epochs for c in p.cells))


def alike(cells: Cells, widths: Mapping[str, int]) -> Iterator[tuple[int, list[Cell]]]:
    """Yield the width of packs, and the cells of which these are cut.

    A noise that may leave images out has training sets of a size of its own.
    """
    for kind, group in kinds(cells).items():
        apart: dict[Noise | None, list[Cell]] = {}
        for cell in group:
            apart.setdefault(cell.noise if cell.noise.leaves_out else None, []).append(cell)
        for own in apart.values():
            yield widths[kind], own
