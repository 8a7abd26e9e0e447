"""A suite is a product of specs; a cell is one point of it."""

import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.datasets import DATASETS, Dataset, Split
from benchmarks.models import MODELS, Model
from benchmarks.noise import NOISES, Given, Images, LabelSpace, Noise
from benchmarks.recipes import RECIPES, Recipe
from benchmarks.refusals import RefusedError
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
    own = type(dataset)
    lenders = [n for n, d in DATASETS.items() if d.shape == own.shape and d is not own]
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
        lenders=tuple(lenders),
    )


def corrupted(dataset: Dataset, noise: Noise, seed: int, train: Split, root: Path) -> Given:
    """Return what a noise makes of a training set that was loaded from ``root``."""
    place = torch.arange(len(train.label)) if train.position is None else train.position
    images = Images(
        train.image, place, root, lambda name: DATASETS.build(name).load(root, seed)[0].image
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

    @classmethod
    def build(cls, specs: Mapping[str, Any]) -> "Cell":
        """Return the cell that :meth:`specs` describes."""
        parts = {name: registry.build(specs[name]) for name, registry in REGISTRIES.items()}
        return cls(**parts, seed=specs["seed"], precision=specs["precision"])

    def specs(self) -> dict[str, str | int]:
        """Return the cell with every field of every part spelled out.

        Left out are fields that were added after results had been kept and that change nothing.
        """
        parts = {name: reg.identity(getattr(self, name)) for name, reg in REGISTRIES.items()}
        return {**parts, "seed": self.seed, "precision": self.precision}

    @property
    def id(self) -> str:
        """Twelve hex digits of the full specs, of each part's version, and of a noise's file."""
        versions = {name: reg.version(getattr(self, name)) for name, reg in REGISTRIES.items()}
        if content := self.noise.content(self.seed):
            versions["noise"] = f"{self.noise.version}+{content}"
        text = json.dumps([self.specs(), versions], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

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
            "method": METHODS.spec(self.method),
            "seed": self.seed,
        }


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

    @classmethod
    def read(cls, name: str) -> "Suite":
        """Read a suite that ships with the project, by name, or any TOML file.

        Raises:
            RefusedError: there is no such suite, or its file is not one.
        """
        path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
        if not path.is_file():
            known = names()
            hint = suggestion(name, known) or ";"
            raise RefusedError(
                f"no suite {name!r}{hint} known: {', '.join(known)}, or a .toml file"
            )
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RefusedError(f"{path} is not TOML: {error}") from error
        return cls(name=path.stem, **_axes(path, found))

    def override(self, axes: Mapping[str, Sequence[Any] | None]) -> "Suite":
        """Return the suite with the given axes in place of its own; empty ones change nothing."""
        changes: dict[str, Any] = {name: tuple(values) for name, values in axes.items() if values}
        return replace(self, **changes)

    def cells(self, precision: str) -> Iterator[Cell]:
        """Yield every cell once, in the order of the file, seeds fastest.

        Raises:
            RefusedError: a spec is wrong; nothing has been trained.
        """
        try:
            axes = [
                [registry.build(spec) for spec in getattr(self, name)]
                for name, registry in REGISTRIES.items()
            ]
            for dataset, noise in itertools.product(*axes[:2]):
                noise.check(label_space(dataset), self.seed)
            for method, recipe in itertools.product(axes[2], axes[4]):
                _check_validation(method, recipe)
        except ValueError as error:
            raise RefusedError(f"suite {self.name!r}: {error}") from error
        points: Iterator[tuple[Any, ...]] = itertools.product(*axes, self.seed)
        axis = [*REGISTRIES, "seed"]
        cells = (Cell(**dict(zip(axis, p, strict=True)), precision=precision) for p in points)
        return iter(dict.fromkeys(cells))


def _check_validation(method: Method, recipe: Recipe) -> None:
    """Refuse to stop early where nothing is held out.

    Raises:
        ValueError: the method needs noisy validation labels and the recipe keeps none.
    """
    if method.stops_early and not recipe.val_fraction:
        name = RECIPES.name(recipe)
        raise ValueError(
            f"{METHODS.name(method)} stops by noisy validation labels, so "
            f"{type(recipe).__name__}.val_fraction must be above 0.0, as in "
            f"{name}(val_fraction=0.1)"
        )


def _axes(path: Path, found: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Check that a suite file has exactly the axes, each a list of the right type."""
    wanted = tuple(field.name for field in fields(Suite) if field.name != "name")
    for key in found:
        if key not in wanted:
            hint = suggestion(key, wanted) or ";"
            raise RefusedError(f"{path}: unknown key {key!r}{hint} known: {', '.join(wanted)}")
    if absent := [key for key in wanted if key not in found]:
        raise RefusedError(f"{path}: missing key {absent[0]!r}")
    for key in wanted:
        kind = int if key == "seed" else str
        values = found[key]
        if not isinstance(values, list) or not values or any(type(v) is not kind for v in values):
            noun = "whole numbers" if kind is int else "texts"
            raise RefusedError(f"{path}: {key} must be a list of {noun}, got {values!r}")
    return {key: tuple(found[key]) for key in wanted}
