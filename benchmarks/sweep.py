"""A suite is a product of specs; a cell is one point of it."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import torch

from benchmarks import blame
from benchmarks.datasets import DATASETS, Dataset, Split
from benchmarks.errors import RefusedError
from benchmarks.inputs import TOML_BYTES, decode_toml, read_bytes
from benchmarks.models import MODELS, Model
from benchmarks.noise import NOISES, GivenLabels, Images, LabelSpace, Noise
from benchmarks.profiles import PROFILES, Conditions, Tuned
from benchmarks.recipes import RECIPES, Recipe
from benchmarks.seeds import refuse_odd
from benchmarks.suites import FOLDER, names
from methods import METHODS, Method, Registry
from methods.bounds import suggestion

REGISTRIES: dict[str, Registry[Any]] = {
    "dataset": DATASETS,
    "noise": NOISES,
    "method": METHODS,
    "model": MODELS,
    "recipe": RECIPES,
}


def label_space(dataset: Dataset) -> LabelSpace:
    """Return what a noise may know of a dataset before its images are loaded."""
    groups = list(dataset.superclasses.values())
    superclass = (next(i for i, g in enumerate(groups) if n in g) for n in dataset.classes)
    others = [(name, entry) for name, entry in DATASETS.items() if entry is not type(dataset)]
    return LabelSpace(
        num_classes=dataset.num_classes,
        size=dataset.sizes[0],
        confusions=dataset.confusions,
        resplit=dataset.resplit,
        dataset=DATASETS.name(dataset),
        superclass=tuple(superclass) if groups else (),
        white=dataset.white,
        mean=dataset.mean,
        std=dataset.std,
        lenders=tuple(name for name, entry in others if entry.shape == dataset.shape),
        classes=dataset.classes,
    )


def corrupted(dataset: Dataset, noise: Noise, seed: int, train: Split, root: Path) -> GivenLabels:
    """Return the labels, and any images, that a noise gives the ``train`` split of a dataset.

    The split was loaded from the folder ``root`` with the same seed.
    """
    position = torch.arange(len(train.label)) if train.position is None else train.position
    images = Images(
        train.image, position, root, lambda name: DATASETS.build(name).load(root, seed)[0].image
    )
    space = label_space(dataset)._replace(images=images)
    return noise.corrupt(train.label, space, space.dataset, seed)


@dataclass(frozen=True)
class Cell:
    """One training run: everything that may change its numbers, and nothing else."""

    dataset: Dataset
    noise: Noise
    method: Method
    model: Model
    recipe: Recipe
    seed: int
    precision: str = "float32"
    asked: str = field(default="", compare=False)  # the method's name under the profile, if another
    profile: str = field(default="default", compare=False)  # where hyper-parameters come from

    @classmethod
    def build(cls, specs: Mapping[str, Any]) -> "Cell":
        """Return the cell that :meth:`specs` describes."""
        parts = {name: registry.build(specs[name]) for name, registry in REGISTRIES.items()}
        origin = {name: specs[name] for name in ("asked", "profile") if name in specs}
        return cls(**parts, seed=specs["seed"], precision=specs["precision"], **origin)

    def specs(self) -> dict[str, str | int]:
        """Return what :meth:`build` needs: the cell spelled out, and how it came about."""
        origin = {"asked": self.asked} if self.asked else {}
        origin |= {"profile": self.profile} if self.profile != "default" else {}
        return {**self.identity(), **origin}

    def identity(self) -> dict[str, str | int]:
        """Return the cell with every field of every part spelled out.

        Left out are fields that were added after results had been kept and that change nothing, and
        the profile: the same fields are the same cell, wherever they come from.
        """
        parts = {name: reg.identity(getattr(self, name)) for name, reg in REGISTRIES.items()}
        return {**parts, "seed": self.seed, "precision": self.precision}

    @property
    def id(self) -> str:
        """``c`` and 12 hex digits of the full specs, each part's version, and a noise's file.

        A letter comes first, or a spreadsheet would take some for numbers.
        """
        content = self.noise.content(self.seed)  # the file may be edited meanwhile
        if content not in self._ids:
            self._ids[content] = self._id(content)
        return self._ids[content]

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {}

    def _id(self, content: str) -> str:
        versions = {name: reg.version(getattr(self, name)) for name, reg in REGISTRIES.items()}
        if content:
            versions["noise"] = f"{self.noise.version}+{content}"
        text = json.dumps([self.identity(), versions], sort_keys=True)
        return "c" + hashlib.sha256(text.encode()).hexdigest()[:12]

    def keys(self) -> dict[str, str | int | float | None]:
        """Return the columns that name this cell in every CSV."""
        return {
            "cell_id": self.id,
            "dataset": DATASETS.spec(self.dataset),
            "noise": NOISES.spec(self.noise),
            "noise_kind": NOISES.name(self.noise),
            "noise_rate": self.noise.nominal_rate,
            "model": MODELS.spec(self.model),
            "recipe": RECIPES.spec(self.recipe),
            "method": self.asked or METHODS.spec(self.method),
            "seed": self.seed,
        }


MOST_CELLS = 1_000_000
"""The most cells of a suite: they are counted before any is built."""

Specs = Annotated[list[str], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A suite as its TOML file has it; ``method = "all"`` stands for every one, plugins' too."""

    dataset: Specs
    noise: Specs
    method: Specs | Literal["all"]
    model: Specs
    recipe: Specs
    seed: Annotated[list[int], msgspec.Meta(min_length=1)]
    profile: str = "default"
    plugin: list[str] = []  # files that register what the suite names, from its own folder on


@dataclass(frozen=True)
class Suite:
    """The cells ``dataset x noise x method x model x recipe x seed``."""

    name: str
    dataset: tuple[str, ...]
    noise: tuple[str, ...]
    method: tuple[str, ...]
    model: tuple[str, ...]
    recipe: tuple[str, ...]
    seed: tuple[int, ...]
    profile: str = "default"
    plugin: tuple[Path, ...] = ()  # the files that register entries of its own

    def __post_init__(self) -> None:
        """Refuse seeds that results cannot keep, whoever asks for them.

        Raises:
            RefusedError: there is one.
        """
        try:
            refuse_odd(self.seed)
        except ValueError as error:
            raise RefusedError(f"suite {self.name!r}: {error}") from error

    @classmethod
    def read(cls, name: str, load: Callable[[Sequence[Path]], object] = tuple) -> "Suite":
        """Read a suite that ships with the project, by name, or any TOML file.

        Args:
            name: of the suite or the file.
            load: called with the plugins that the file names, before ``"all"`` methods are counted.

        Raises:
            RefusedError: there is no such suite, or its file is not one.
        """
        known = names()
        if not name.endswith(".toml") and name not in known:
            hint = suggestion(name, known) or ";"
            raise RefusedError(
                f"no suite {name[:200]!r}{hint} known: {', '.join(known)}, a .toml file, or a "
                "results folder"
            )
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        values = msgspec.structs.asdict(decode_toml(read_bytes(path, TOML_BYTES), _File, path))
        values["plugin"] = [path.parent / plugin for plugin in values["plugin"]]
        load(values["plugin"])
        if values["method"] == "all":
            values["method"] = list(METHODS)
        axes = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**values | axes, name=path.stem)

    def override(
        self, axes: Mapping[str, Sequence[Any] | None], profile: str | None = None
    ) -> "Suite":
        """Return the suite with the given axes in place of its own; empty ones change nothing."""
        changes: dict[str, Any] = {name: tuple(values) for name, values in axes.items() if values}
        return replace(self, profile=profile or self.profile, **changes)

    def cells(self, precision: str) -> Iterator[Cell]:
        """Yield every cell once, in the order of the file, seeds fastest.

        Under the profile ``tuned``, these are the cells before they are tuned.

        Raises:
            RefusedError: a spec is wrong, or the cells are too many; nothing has been trained.
        """
        axes = (*(getattr(self, name) for name in REGISTRIES), self.seed)
        if (count := math.prod(len(set(axis)) for axis in axes)) > MOST_CELLS:
            raise RefusedError(
                f"suite {self.name!r} names {count:,} cells, and a plan holds at most "
                f"{MOST_CELLS:,}; ask for fewer seeds, noises or methods at a time"
            )
        try:
            return iter(list(self._cells(precision)))
        except ValueError as error:
            raise RefusedError(f"suite {self.name!r}: {blame.refusal(error)}") from error

    def _cells(self, precision: str) -> Iterator[Cell]:
        profile = PROFILES.build(self.profile)
        if isinstance(profile, Tuned) and profile.seed in self.seed:
            raise ValueError(f"Tuned.seed must not be a seed that is reported, got {profile.seed}")
        seeds = tuple(dict.fromkeys(self.seed))
        built = {
            name: list(dict.fromkeys(registry.build(spec) for spec in getattr(self, name)))
            for name, registry in REGISTRIES.items()
            if name != "method"
        }
        shared = {"precision": precision, "profile": PROFILES.full(profile)}
        for dataset, noise in itertools.product(built["dataset"], built["noise"]):
            noise.check(label_space(dataset), seeds)
            kind = (NOISES.name(noise), NOISES.spec(noise))
            conditions = Conditions(DATASETS.name(dataset), kind, noise.nominal_rate)
            names: dict[Method, str] = {}  # the first, where several specs mean one
            for spec in self.method:
                names.setdefault(*profile.configure(spec, conditions))
            for method, recipe in itertools.product(names, built["recipe"]):
                _check_validation(method, recipe)
            for method, model, recipe in itertools.product(names, built["model"], built["recipe"]):
                asked = "" if names[method] == METHODS.spec(method) else names[method]
                for seed in seeds:
                    yield Cell(dataset, noise, method, model, recipe, seed, asked=asked, **shared)


def _check_validation(method: Method, recipe: Recipe) -> None:
    """Refuse to stop early by noisy validation labels where none are held out."""
    if method.stops_early and not recipe.val_fraction:
        name = RECIPES.name(recipe)
        raise ValueError(
            f"{METHODS.name(method)} stops by noisy validation labels, so "
            f"{type(recipe).__name__}.val_fraction must be above 0.0, as in "
            f"{name}(val_fraction=0.1)"
        )
