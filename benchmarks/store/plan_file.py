"""The file ``plan.json`` of a results folder, as typed records."""

import ast
import contextlib
import functools
import hashlib
import re
import shlex
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from benchmarks import schema
from benchmarks.catalogue import Facts
from benchmarks.errors import RefusedError, count
from benchmarks.inputs import InputError, decode_json, read_bytes, sha256_of
from benchmarks.outputs import why_no_folder, write_atomically
from benchmarks.question import Question
from benchmarks.store.cell_meta import CellKeys, Seed

NAME = "plan.json"
WIDEST = 4096
"""No machine trains more cells at once."""

LARGEST = 2**31
"""The most bytes of a plan that is read: a few million cells."""

Width = Annotated[int, msgspec.Meta(ge=1, le=WIDEST)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Shard = tuple[Positive, Positive]
"""Which part of the cells is a folder's to train, from 1, and of how many."""

WHOLE: Shard = (1, 1)

Point = tuple[str, str, int]
"""Kind, noise and seed: what tells the cells of a folder apart, whatever version they are of."""


class CellSpecs(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cell spelled out: what ``sweep.Cell.build`` needs, and how the cell came about."""

    dataset: str
    noise: str
    method: str
    model: str
    recipe: str
    seed: Seed
    precision: str
    data: str = ""
    asked: str = ""
    profile: str = "default"

    def kind(self) -> str:
        """Name what cells of a pack have in common: everything but seed and noise."""
        return f"{self.dataset} {self.model} {self.method} {self.recipe} {self.precision}"

    def point(self) -> Point:
        """Return the kind, noise and seed."""
        return self.kind(), self.noise, self.seed


class PlannedCell(CellKeys, frozen=True, omit_defaults=True):
    """A cell of a results folder: its keys, how it is built, and whether it was asked for."""

    specs: CellSpecs
    requested: bool = True  # by the last run; the others are held

    def name(self) -> tuple[object, ...]:
        """Return what results call the cell, without its id."""
        kinds = (self.dataset, self.noise, self.noise_kind, self.noise_rate)
        return (*kinds, self.model, self.recipe, self.method, self.seed)


@functools.lru_cache(maxsize=4096)
def shows(name: str, spec: str) -> bool:
    """Tell whether a name may be what results show of a spec: some of its fields, and file names.

    >>> shows("elr(beta=0.9)", "elr(beta=0.9, weight=3.0)")
    True
    >>> shows("labels(file='a.npy')", "labels(file='data/a.npy')")
    True
    >>> shows("elr(beta=0.9)", "elr(beta=0.7, weight=3.0)"), shows("gce", "elr(beta=0.7)")
    (False, False)
    """
    if name == spec:
        return True
    (head, some), (kind, every) = fields_of(name), fields_of(spec)
    return head == kind != "" and all(k in every and _means(v, every[k]) for k, v in some.items())


def _means(shown: object, value: object) -> bool:
    """Tell whether a value may be shown so: a path by its file's name, a spec by a shorter one."""
    if isinstance(shown, str) and isinstance(value, str):
        return shown == re.split(r"[/\\]", value)[-1] or shows(shown, value)
    return shown == value


def fields_of(spec: str) -> tuple[str, dict[str, object]]:
    """Return the name in a spec and its fields; no name if it is none."""
    try:
        node = ast.parse(spec, mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id, {k.arg or "": ast.literal_eval(k.value) for k in node.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    return "", {}


class Driver(msgspec.Struct, frozen=True):
    """How the cells of a kind are trained."""

    driver: str
    width: Width
    precision: str


class PlanFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of ``plan.json``: settings, which never change, and the cells, which accumulate.

    The cells are the union of what was ever asked for, less what was dropped.
    """

    suite: str
    device: str
    keep_all: bool
    drivers: dict[str, Driver]  # by kind
    cells: tuple[PlannedCell, ...]
    pack: Width | None = None
    flags: tuple[str, ...] = ()
    method_facts: dict[str, Facts] = {}  # of the methods of plugins
    plugins: tuple[str, ...] = ()  # files of entries, as the runs of the folder were given them
    question: Question | None = None  # the first that was asked
    classes: dict[str, Positive] = {}  # by dataset
    class_names: dict[str, tuple[str, ...]] = {}  # by dataset
    licences: dict[str, str] = {}  # of the images, by dataset
    shard: Shard = WHOLE  # of the requested cells, that the last run was to train
    truth: dict[str, Literal["known", "unknown"]] = {}  # by dataset; of others it is known
    cells_sha256: str = ""  # of the cells as they were written; blank in earlier plans
    schema: int = 0

    def missing_plugins(self, given: Iterable[Path] = ()) -> str:
        """Say which plugins to add to those that were given, behind what cannot be built."""
        if not self.plugins:
            return "; --plugin brings back what a plugin brought"
        known = {path.resolve() for path in given}
        missing = [path for path in self.plugins if Path(path).resolve() not in known]
        options = shlex.join(word for path in missing for word in ("--plugin", path))
        return f"; add {options}" if options else ""

    def requested(self) -> list[PlannedCell]:
        """Return the cells that the last run was asked for."""
        return [cell for cell in self.cells if cell.requested]

    def ids(self) -> set[str]:
        """Return the ids of all cells."""
        return {cell.cell_id for cell in self.cells}

    def own(self) -> set[str]:
        """Return the ids of the requested cells that are this folder's to train."""
        return share_of((cell.cell_id for cell in self.requested()), self.shard)


def share_of(ids: Iterable[str], shard: Shard) -> set[str]:
    """Return the part of some cells that a shard trains: a fair sample, as an id is a digest.

    >>> sorted(share_of(["c4", "c1", "c3", "c2", "c5"], (2, 3)))
    ['c2', 'c5']
    """
    part, parts = shard
    return set(sorted(ids)[part - 1 :: parts])


class _Version(msgspec.Struct):
    schema: int


KEPT = ("parts", "collected", "tuning", "suspects", "confirm", "rerun")
"""The folders in a results folder that hold nothing else."""


def refuse_results(place: Path) -> None:
    """Refuse a place for other files that is a results folder, or is kept for what one holds.

    Raises:
        RefusedError: it is.
    """
    for folder in (place, *place.resolve().parents):
        if not (folder / NAME).is_file():
            continue
        inside = place.resolve().relative_to(folder.resolve()).parts
        if inside[:1] in {(), *((name,) for name in KEPT)}:
            what = f"keeps {inside[0]} for its own" if inside else "is a results folder"
            raise RefusedError(f"{folder} {what}, and other files need another place, got {place}")


def read_plan(folder: Path, versions: Container[int] = schema.READABLE_VERSIONS) -> PlanFile:
    """Return the content of ``plan.json`` of a results folder.

    Args:
        folder: the results folder.
        versions: those that can be read.

    Raises:
        RefusedError: the file is absent, damaged, or of a version that cannot be read.
    """
    path = folder / NAME
    if not path.exists():
        reason = why_no_folder(folder) or f"is not a results folder: it has no {NAME}"
        raise RefusedError(f"{folder} {reason}")
    data = read_bytes(path, min(path.stat().st_size, LARGEST))
    try:
        version = decode_json(data, _Version, path).schema
        if version in versions:
            plan = decode_json(data, PlanFile, path)
            _check(plan, path)
            return plan
    except InputError as error:
        raise _damaged(folder, error) from error
    raise RefusedError(
        f"{folder} was written by results version {version}, this is {schema.SCHEMA_VERSION}; "
        f"use another --out, or the version that wrote it"
    )


def read_current_plan(folder: Path) -> PlanFile:
    """Return the content of ``plan.json`` of a folder that is to be continued.

    Raises:
        RefusedError: it cannot be read, or is of an earlier version, whose cells have other ids.
    """
    plan = read_plan(folder)
    if (version := plan.schema) != schema.SCHEMA_VERSION:
        raise RefusedError(
            f"{folder} holds results of version {version}, which are shown and compared but not "
            f"added to, as version {schema.SCHEMA_VERSION} names cells otherwise; run "
            "into another folder, or use the version that wrote it"
        )
    return plan


def _damaged(folder: Path, error: InputError) -> RefusedError:
    place = f"{error.place}: " if error.place else ""
    return RefusedError(
        f"{folder / NAME} is damaged ({place}{error.reason}); restore it, or use another --out"
    )


def _check(plan: PlanFile, path: Path) -> None:
    """Refuse cells that contradict themselves or each other, or were edited."""
    part, parts = plan.shard
    if part > parts:
        raise InputError(path, f"part {part} of {parts} is none", "shard")
    for name, names in plan.class_names.items():
        if names and len(names) != (known := plan.classes.get(name, len(names))):
            reason = f"{count(len(names), 'name')} of {known} classes of {name}"
            raise InputError(path, reason, "class_names")
    seen, rates = set[str](), dict[str, float | None]()
    for number, cell in enumerate(plan.cells):
        place = f"cells[{number}]"
        if cell.cell_id in seen:
            raise InputError(path, f"the cell {cell.cell_id} is there twice", place)
        seen.add(cell.cell_id)
        if cell.seed != cell.specs.seed:
            raise InputError(path, f"its seed is {cell.seed} and {cell.specs.seed}", place)
        if plan.schema > 1 and cell.specs.kind() not in plan.drivers:  # 1 named kinds otherwise
            raise InputError(path, "its kind has no driver", place)
        if plan.schema == schema.SCHEMA_VERSION:
            _check_names(cell, rates.setdefault(cell.specs.noise, cell.noise_rate), path, place)
    if plan.cells_sha256 not in {"", _sha256(plan.cells)}:
        raise InputError(path, "they were edited, and their ids are not of what they say", "cells")


def _sha256(cells: tuple[PlannedCell, ...]) -> str:
    """Return the SHA-256 of cells, however a file lays out their JSON."""
    return hashlib.sha256(msgspec.json.encode(cells)).hexdigest()


def _check_names(cell: PlannedCell, rate: float | None, path: Path, place: str) -> None:
    """Refuse names of a cell, which are only shown, that are not those of its specs."""
    specs = cell.specs
    exact = {axis: getattr(specs, axis) for axis in ("dataset", "noise", "model", "recipe")}
    exact["method"] = specs.asked or specs.method
    for axis, spec in exact.items():
        if not shows(getattr(cell, axis), spec):
            reason = f"its {axis} is {getattr(cell, axis)!r}, and its specs say {spec!r}"
            raise InputError(path, reason, place)
    kind = specs.noise.partition("(")[0]
    if cell.noise_kind != kind:
        raise InputError(path, f"its noise_kind is {cell.noise_kind!r} and {kind!r}", place)
    if cell.noise_rate != rate:
        reason = f"its noise_rate is {cell.noise_rate}, and another cell of its noise has {rate}"
        raise InputError(path, reason, place)


def plan_digest(folder: Path) -> str:
    """Return the SHA-256 of the plan of a folder, nothing where it has none that can be read."""
    path = folder / NAME
    with contextlib.suppress(OSError):
        return sha256_of(path) if path.is_file() else ""
    return ""


def write_plan(folder: Path, plan: PlanFile) -> None:
    """Write ``plan.json`` with this content and the version of the results, unless it is there."""
    stamps = {"schema": schema.SCHEMA_VERSION, "cells_sha256": _sha256(plan.cells)}
    stamped = msgspec.structs.replace(plan, **stamps)
    data = msgspec.json.format(msgspec.json.encode(stamped, order="deterministic"), indent=1)
    path = folder / NAME
    if not path.exists() or path.read_bytes() != data + b"\n":
        write_atomically(path, data, b"\n")


def merged(before: PlanFile, request: PlanFile) -> PlanFile:
    """Return the plan of a folder after another request: all its cells, the requested ones marked.

    Args:
        before: what the folder holds.
        request: the cells that are asked for, and the folder's settings.
    """
    asked = {cell.cell_id: cell for cell in request.cells}
    points = {cell.specs.point() for cell in request.cells}
    held = {cell.cell_id: cell for cell in further(before, points) if cell.cell_id not in asked}
    known = [
        held[i] if i in held else asked.pop(i)
        for i in (cell.cell_id for cell in before.cells)
        if i in held or i in asked
    ]
    return msgspec.structs.replace(
        request,
        cells=(*known, *asked.values()),
        drivers=before.drivers | request.drivers,
        method_facts=before.method_facts | request.method_facts,
        plugins=tuple(dict.fromkeys((*before.plugins, *request.plugins))),
        question=before.question or request.question,
        classes=before.classes | request.classes,
        class_names=before.class_names | request.class_names,
        licences=before.licences | request.licences,
        truth=before.truth | request.truth,
    )


def further(plan: PlanFile, asked: Container[Point]) -> list[PlannedCell]:
    """Return the cells of a plan that are not asked for, held.

    A cell that is spelled like a requested one and has another id is not among them: its code or
    its data have changed since, and the requested one stands in its place.
    """
    return [
        msgspec.structs.replace(cell, requested=False)
        for cell in plan.cells
        if cell.specs.point() not in asked
    ]


def without(plan: PlanFile, ids: Container[str]) -> PlanFile:
    """Return the plan without cells, and without what it says of their kinds alone."""
    cells = tuple(cell for cell in plan.cells if cell.cell_id not in ids)
    kinds = {cell.specs.kind() for cell in cells}
    drivers = {kind: driver for kind, driver in plan.drivers.items() if kind in kinds}
    return msgspec.structs.replace(plan, cells=cells, drivers=drivers)
