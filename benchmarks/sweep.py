"""A suite is a product of specs; a cell is one point of it."""

import contextlib
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import msgspec
import torch
from torch import Tensor

from benchmarks import plugin_errors
from benchmarks.datasets import DATASETS, Dataset, Split, content
from benchmarks.datasets.content import is_brought, load
from benchmarks.errors import DataMissingError, RefusedError, some, suggestion
from benchmarks.file_names import home_expanded
from benchmarks.inputs import TOML_BYTES, InputError, decode_toml, read_bytes
from benchmarks.models import MODELS, Model
from benchmarks.noise import NOISES, GivenLabels, Images, LabelSpace, Noise
from benchmarks.noise.field_files import digest
from benchmarks.profiles import PROFILES, Conditions, Tuned, shown
from benchmarks.question import Margins, Question, WrittenQuestion
from benchmarks.recipes import RECIPES, Recipe
from benchmarks.seeds import refuse_odd
from benchmarks.suites import FOLDER, is_file, names
from methods import METHODS, Method, Registry
from methods.bounds import FilePath, file_name

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
        dataset=DATASETS.name(dataset.origin),
        superclass=tuple(superclass) if groups else (),
        white=dataset.white,
        mean=dataset.mean,
        std=dataset.std,
        lenders=tuple(name for name, entry in others if _shape(entry) == dataset.shape),
        classes=dataset.classes,
        numbers=dataset.numbers,
        vectors=dataset.vectors,
        truth=dataset.truth,
        gives_labels=dataset.gives_labels,
    )


def _shape(dataset: type[Dataset]) -> object:
    """Return the shape of a dataset's images; None of one that a plugin has left without."""
    return getattr(dataset, "shape", None)


def published_index(split: Split) -> Tensor:
    """Return the publisher's index of each image of a split, ``(N,)`` int64."""
    return torch.arange(len(split.label)) if split.position is None else split.position


def corrupted(dataset: Dataset, noise: Noise, seed: int, train: Split, root: Path) -> GivenLabels:
    """Return the labels, and any images, that a noise gives the ``train`` split of a dataset.

    The split was loaded from the folder ``root`` with the same seed.
    """
    images = Images(
        train.image,
        published_index(train),
        root,
        lambda name: load(DATASETS.build(name), root, seed)[0].image,
        train.given,
    )
    mean, std = dataset.normalisation(root)
    space = label_space(dataset)._replace(images=images, mean=mean, std=std)
    return noise.corrupt(train.label, space, space.dataset, seed)


class File(NamedTuple):
    """A file behind a cell: which of its parts names it, in which field, and where it is."""

    kind: str
    field: str
    path: Path
    folder: bool = False


Precision = str | Callable[[Model, Dataset], str]
"""The arithmetic of training: of all cells, or what says it of a model on a dataset."""


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
    data: str = ""  # digest of images that nobody published a sum of
    asked: str = field(default="", compare=False)  # the method's name under the profile, if another
    profile: str = field(default="default", compare=False)  # where hyper-parameters come from

    @classmethod
    def build(cls, specs: Mapping[str, Any], folder: Path | None = None) -> "Cell":
        """Return the cell that :meth:`specs` describes.

        Files that are not where the specs say are looked for in the results folder ``folder``.
        """
        parts = {name: registry.build(specs[name]) for name, registry in REGISTRIES.items()}
        origin = {name: specs[name] for name in ("data", "asked", "profile") if name in specs}
        cell = cls(**parts, seed=specs["seed"], precision=specs["precision"], **origin)
        if folder is None or all(file.path.exists() for file in cell.files()):
            return cell
        return cell.within(folder)

    def specs(self) -> dict[str, str | int]:
        """Return what :meth:`build` needs: the cell spelled out, and how it came about."""
        origin = {"data": self.data} if self.data else {}
        origin |= {"asked": self.asked} if self.asked else {}
        origin |= {"profile": self.profile} if self.profile != "default" else {}
        parts = {name: reg.exact(getattr(self, name)) for name, reg in REGISTRIES.items()}
        return {**parts, "seed": self.seed, "precision": self.precision, **origin}

    def within(self, folder: Path) -> "Cell":
        """Return the cell with the files that lie in a results folder in place of its own."""

        def place(text: str, mark: FilePath) -> str:
            for path in (folder / text, folder / file_name(text)):
                if Path(mark.path(str(path), self.seed)).exists():
                    return str(path)
            return text

        parts = {kind: REGISTRIES[kind].moved(getattr(self, kind), place) for kind in REGISTRIES}
        return replace(self, **parts)

    @property
    def method_spec(self) -> str:
        """The method spelled out, as results show it."""
        return METHODS.named(self.method)

    @cached_property
    def id(self) -> str:
        """``c`` and 12 hex digits of what the cell is: fields, versions, and content of files.

        Left out are fields that were added after results had been kept and that change nothing, the
        profile, and the places of files: the same fields and bytes are the same cell, wherever they
        come from. A letter comes first, or a spreadsheet would take some for numbers. Files are
        read once: whoever trains the cell later builds it again, and sees by its id whether one was
        edited since.

        Raises:
            ValueError: a file cannot be read.
        """
        parts = {name: reg.identity(getattr(self, name)) for name, reg in REGISTRIES.items()}
        versions = {name: reg.version(getattr(self, name)) for name, reg in REGISTRIES.items()}
        for file in self.files():
            if file.folder:
                continue  # its content is among the cell's data
            versions[file.kind] = f"{versions[file.kind]}+{digest(file.path, file.field)}"
        if self.changes_vectors:
            versions["views"] = 2  # in the first version all views were the same vector
        identity = {**parts, "seed": self.seed, "precision": self.precision}
        if self.data:
            identity["data"] = self.data
        text = json.dumps([identity, versions], sort_keys=True)
        return "c" + hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def changes_vectors(self) -> bool:
        """Whether the method has several views of feature vectors, which are changed at random."""
        return self.dataset.vectors and self.method.views > 1

    def files(self) -> Iterator[File]:
        """Yield the files behind the cell."""
        for kind in self._with_files:
            for owner, mark, text in REGISTRIES[kind].files(getattr(self, kind)):
                yield File(kind, owner, Path(mark.path(text, self.seed)), mark.folder)

    @cached_property
    def _with_files(self) -> tuple[str, ...]:
        named = ((kind, getattr(self, kind)) for kind in REGISTRIES)
        return tuple(kind for kind, entry in named if any(REGISTRIES[kind].files(entry)))

    def name(self) -> tuple[object, ...]:
        """Return what results call the cell, without its id."""
        return tuple(value for key, value in self.keys().items() if key != "cell_id")

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
            "method": shown(self.asked) or METHODS.spec(self.method),
            "seed": self.seed,
        }


Place = Callable[[str, FilePath], str]
"""What is to be written for a path that a spec has."""


def _placed(axes: Mapping[str, Sequence[Any]], place: Place) -> dict[str, tuple[str, ...]]:
    """Return the specs of axes, those that name files with other paths of these."""
    kinds = REGISTRIES.keys() & axes.keys()
    return {kind: tuple(_with_files(kind, spec, place) for spec in axes[kind]) for kind in kinds}


def _with_files(kind: str, spec: str, place: Place) -> str:
    """Return a spec with other paths of its own files; one that has none as it is."""
    try:
        name, values = REGISTRIES[kind].explicit(spec)
        marks = {field.key: field.file for field in REGISTRIES[kind][name].fields() if field.file}
    except ValueError:
        return spec  # whoever builds it says what is wrong
    paths = {key: text for key, text in values.items() if key in marks and isinstance(text, str)}
    moved = {key: place(text, marks[key]) for key, text in paths.items() if text}
    if all(values[key] == text for key, text in moved.items()):
        return spec
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in (values | moved).items())})"


def _beside(suite: Path, seeds: Sequence[int]) -> Place:
    """Return the function that seeks the files of a suite from its own folder on."""

    def place(text: str, mark: FilePath) -> str:
        def is_there(path: str) -> bool:
            return any(Path(mark.path(path, seed)).exists() for seed in seeds)

        named = home_expanded(text)
        own = str(suite.parent / named)
        if is_there(named) and not is_there(own):
            raise RefusedError(
                f"suite {suite.stem!r}: there is no file {own}, and the files that a suite names "
                f"are sought from its own folder on; {text} is there from the current one alone"
            )
        return own

    return place


MOST_CELLS = 1_000_000
"""The most cells of a suite: they are counted before any is built."""

Specs = Annotated[list[str], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A suite as its TOML file has it; the method ``"all"`` stands for every one, plugins' too.

    Those that need side information, which few datasets have, are not among them.
    """

    dataset: Specs
    noise: Specs
    method: Specs | str  # the only text is "all"
    model: Specs
    recipe: Specs
    seed: Annotated[list[int], msgspec.Meta(min_length=1)]
    profile: str = "default"
    plugin: list[str] = []  # files that register what the suite names, from its own folder on
    question: WrittenQuestion | None = None


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
    question: WrittenQuestion | None = None
    given: frozenset[str] = frozenset()  # the axes that options have replaced

    def __post_init__(self) -> None:
        """Refuse seeds that results cannot keep, whoever asks for them.

        Raises:
            RefusedError: there is one.
        """
        with self._told_by("seed"):
            refuse_odd(self.seed)

    @contextlib.contextmanager
    def _told_by(self, axis: str) -> Iterator[None]:
        """Name the option that gave an axis, or the suite, in front of what is said of its values.

        Raises:
            RefusedError: a ``ValueError`` was raised within.
        """
        try:
            yield
        except ValueError as error:
            option = f"--{axis}" if axis == "profile" else f"--{axis}s"
            owner = option if axis in self.given else f"suite {self.name!r}"
            raise RefusedError(f"{owner}: {plugin_errors.refusal(error)}") from error

    @classmethod
    def read(
        cls,
        name: str,
        load: Callable[[Sequence[Path]], object] = tuple,
        replaced: Collection[str] = (),
    ) -> "Suite":
        """Read a suite that ships with the project, by name, or any TOML file.

        Args:
            name: of the suite or the file.
            load: called with the plugins that the file names, before ``"all"`` methods are counted.
            replaced: the axes that are to be replaced, whose files need not be there.

        Raises:
            RefusedError: there is no such suite, its file is not one, or a file that it names is
                not beside it.
        """
        known = names()
        if not is_file(name) and name not in known:
            lost = " and no such folder;" if Path(name).name != name else ";"
            hint = suggestion(name, known) or lost
            if name.endswith(".py"):
                hint = ", but a plugin, perhaps: write --plugin before each of them;"
            raise RefusedError(
                f"no suite {name[:200]!r}{hint} known: {', '.join(known)}, a .toml file, or a "
                "results folder"
            )
        path = Path(name) if is_file(name) else FOLDER / f"{name}.toml"
        values = msgspec.structs.asdict(decode_toml(read_bytes(path, TOML_BYTES), _File, path))
        if isinstance(text := values["method"], str) and text != "all":
            reason = f'a list is expected here, or the text "all", not {text[:200]!r}'
            raise InputError(path, reason, "method")
        values["plugin"] = [path.parent / home_expanded(plugin) for plugin in values["plugin"]]
        load(values["plugin"])
        listed = ["all"] if values["method"] == "all" else values["method"]
        usual = [name for name, method in METHODS.items() if not method.needs_side]
        every = (usual if spec == "all" else [spec] for spec in listed)
        values["method"] = [*itertools.chain.from_iterable(every)]
        if values["question"]:
            for reason, place in values["question"].faults(values["method"]):
                raise InputError(path, reason, place)
        axes = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        kept = {key: values for key, values in axes.items() if key not in replaced}
        axes |= _placed(kept, _beside(path, axes["seed"]))
        return cls(**values | axes, name=path.stem)

    def override(
        self, axes: Mapping[str, Sequence[Any] | None], profile: str | None = None
    ) -> "Suite":
        """Return the suite with the given axes in place of its own; empty ones change nothing."""
        changes: dict[str, Any] = {name: tuple(values) for name, values in axes.items() if values}
        changes |= _placed(changes, lambda text, _mark: home_expanded(text))
        changes |= {"profile": profile} if profile else {}
        return replace(self, given=self.given | changes.keys(), **changes)

    def asked(self) -> Question | None:
        """Return the question, with methods as results name them.

        Raises:
            RefusedError: a spec is wrong.
        """
        if self.question is None:
            return None
        reference, candidates = self.question.reference, self.question.candidates
        with self._told_by("question"):
            profile = PROFILES.build(self.profile)
            dataset, noise = DATASETS.build(self.dataset[0]), NOISES.build(self.noise[0])
            conditions = _conditions(dataset, noise)

            def named(spec: str) -> str:
                return shown(profile.configure(spec, conditions).name)

            own = named(reference)
            others = map(named, self.method if candidates == "all" else candidates)
            compared = tuple(dict.fromkeys(name for name in others if name != own))
        return Question(own, compared, cast("Margins", self.question.margin))

    def cells(
        self, precision: Precision, root: Path | None = None, *, fetch: bool = False
    ) -> Iterator[Cell]:
        """Yield every cell once, in the order of the file, seeds fastest.

        Under the profile ``tuned``, these are the cells before they are tuned.

        Args:
            precision: of the cells, or what says it of a model on a dataset.
            root: the folder of the image files. Without one, cells that train on a dataset of a
                plugin do not know what it holds.
            fetch: let a dataset of a plugin download what it has to hold.

        Raises:
            RefusedError: a spec is wrong, or the cells are too many; nothing has been trained.
            DataMissingError: the data of a plugin's dataset are not there.
        """
        axes = (*(getattr(self, name) for name in REGISTRIES), self.seed)
        if (count := math.prod(len(set(axis)) for axis in axes)) > MOST_CELLS:
            raise RefusedError(
                f"suite {self.name!r} names {count:,} cells, and a plan holds at most "
                f"{MOST_CELLS:,}; ask for fewer seeds, noises or methods at a time"
            )
        if fetch and root:
            if any(dataset.vectors for dataset in self._built("dataset")):
                list(self._cells(precision, None))  # refuses what it can before minutes of work
            self._fetch(root)
        cells = list(self._cells(precision, root))
        with self._told_by("noise"):
            return iter(_once(cells) if _names_files(cells) else cells)

    def _fetch(self, root: Path) -> None:
        """Download the data of plugins, which must be there before their cells have ids."""
        noises = self._built("noise")
        with self._told_by("noise"):
            lent = [DATASETS.build(name) for noise in noises for name in noise.borrows]
        for dataset in dict.fromkeys([*self._built("dataset"), *lent]):
            if is_brought(dataset):
                content.fetch(DATASETS.spec(dataset), dataset, root)

    def _built(self, axis: str) -> list[Any]:
        """Return the different entries that the specs of an axis name."""
        with self._told_by(axis):
            return list(dict.fromkeys(map(REGISTRIES[axis].build, getattr(self, axis))))

    def _cells(self, precision: Precision, root: Path | None) -> Iterator[Cell]:
        with self._told_by("profile"):
            profile = PROFILES.build(self.profile)
            if isinstance(profile, Tuned) and profile.seed in self.seed:
                seed = profile.seed
                raise ValueError(f"Tuned.seed must not be a seed that is reported, got {seed}")
        seeds = tuple(dict.fromkeys(self.seed))
        built = {name: self._built(name) for name in REGISTRIES if name != "method"}
        full = PROFILES.full(profile)
        for dataset, noise in itertools.product(built["dataset"], built["noise"]):
            with self._told_by("noise"):
                noise.check(label_space(dataset), seeds)
                conditions = _conditions(dataset, noise)
            names: dict[Method, str] = {}  # the first, where several specs mean one
            with self._told_by("method"):
                for spec in self.method:
                    names.setdefault(*profile.configure(spec, conditions))
                _check_privileges(dataset, names)
                for method, recipe in itertools.product(names, built["recipe"]):
                    _check_validation(method, recipe)
                    _check_vectors(dataset, recipe)
            with self._told_by("model"):
                for model in built["model"] if dataset.vectors else ():
                    model.check(dataset.shape)
            with self._told_by("dataset"):
                data = data_of(dataset, noise, root) if root else ""
            with self._told_by("noise"):
                if root:
                    _confirm(dataset, noise, seeds, root)
            for method, model, recipe in itertools.product(names, built["model"], built["recipe"]):
                asked = "" if names[method] == METHODS.spec(method) else names[method]
                name = precision if isinstance(precision, str) else precision(model, dataset)
                own = {"data": data, "asked": asked, "precision": name, "profile": full}
                for seed in seeds:
                    yield Cell(dataset, noise, method, model, recipe, seed, **own)


def _conditions(dataset: Dataset, noise: Noise) -> Conditions:
    kind = (NOISES.name(noise), NOISES.spec(noise))
    return Conditions(DATASETS.name(dataset), kind, noise.nominal_rate)


def _confirm(dataset: Dataset, noise: Noise, seeds: Sequence[int], root: Path) -> None:
    """Refuse files of labels that do not fit the images, if these are there yet.

    Raises:
        ValueError: one does not; a cell would fail with the same words.
    """
    with contextlib.suppress(DataMissingError):
        for seed in noise.unconfirmed(seeds):
            corrupted(dataset, noise, seed, load(dataset, root, seed)[0], root)


def data_of(dataset: Dataset, noise: Noise, root: Path) -> str:
    """Return the digests of images that nobody published a sum of: the dataset's, and lent ones."""
    lenders = map(DATASETS.build, noise.borrows)
    digests = [content.content(each, root) for each in (dataset, *lenders)]
    return "+".join(digests) if any(digests) else ""


def _once(cells: Iterable[Cell]) -> Iterable[Cell]:
    """Return cells without doubles: the same bytes in two files are the same cell.

    Raises:
        ValueError: two files of one name differ, so that results could not tell them apart.
    """
    once, named = dict[str, Cell](), dict[tuple[object, ...], Cell]()
    for cell in cells:
        other = named.setdefault(cell.name(), cell)
        if other.id != cell.id:
            names = (", ".join(str(file.path) for file in own.files()) for own in (other, cell))
            raise ValueError(
                f"{' and '.join(names)} differ, and results name a file without its folder; rename "
                "one of them"
            )
        once.setdefault(cell.id, cell)
    return once.values()


def _names_files(cells: Collection[Cell]) -> bool:
    """Tell whether a part of these cells can name a file."""
    for kind, registry in REGISTRIES.items():
        parts = {id(part): part for part in (getattr(cell, kind) for cell in cells)}
        if any(any(registry.files(part)) for part in parts.values()):
            return True
    return False


def _check_vectors(dataset: Dataset, recipe: Recipe) -> None:
    """Refuse to crop, flip or turn what is no image."""
    if dataset.vectors and recipe.augments:
        raise ValueError(
            f"{RECIPES.name(recipe)} crops, flips or rotates images, and {DATASETS.name(dataset)} "
            "holds feature vectors; name a recipe that does not, such as small"
        )


def _check_privileges(dataset: Dataset, methods: Collection[Method]) -> None:
    """Refuse methods that are given knowledge which comes with other datasets than this one.

    Raises:
        ValueError: there is one.
    """
    asking = [METHODS.spec(method) for method in methods if "side" in method.privileges]
    if asking and not dataset.has_side:
        raise ValueError(
            f"{DATASETS.spec(dataset)} has no side information, which these methods learn from: "
            f"{some(asking)}; leave them out, or name a file with an array side, as in "
            "arrays(file='data.npz')"
        )
    told = [METHODS.spec(method) for method in methods if {*method.privileges} - {"side"}]
    if told and dataset.truth == "unknown":
        raise ValueError(
            f"{DATASETS.spec(dataset)} has no clean labels, and these methods are told something "
            f"of them: {some(told)}; leave them out"
        )


def _check_validation(method: Method, recipe: Recipe) -> None:
    """Refuse to stop early by noisy validation labels where none are held out."""
    if method.stops_early == "val" and not recipe.val_fraction:
        name = RECIPES.name(recipe)
        raise ValueError(
            f"{METHODS.name(method)} stops by noisy validation labels, so "
            f"{type(recipe).__name__}.val_fraction must be above 0.0, as in "
            f"{name}(val_fraction=0.1)"
        )
