"""The checks that every entry of a catalogue must pass, ours or a plugin's.

``CHECKS`` has all of them, for ``run_all.py check``. ``QUICK`` has those that take less than a
second together: what an entry states, and one small step. They precede whatever uses a plugin, so
that nothing trains on what ``check`` would refuse.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import plugin_errors, plugins, processes
from benchmarks.contract import checks
from benchmarks.contract.checks import BrokenContractError, DoubtError
from benchmarks.datasets import DATASETS, data_root
from benchmarks.errors import DataMissingError, RefusedError, StopError
from benchmarks.models import MODELS, initialised
from benchmarks.plugins import Entry
from benchmarks.sweep import REGISTRIES
from methods.bounds import Bounded

Check = Callable[..., None]
"""A check of an entry; of a dataset, it gets the folder of the image files too."""

QUICK: Mapping[str, tuple[Check, ...]] = {
    "method": (
        checks.states_what_the_engine_knows,
        checks.divides_any_number_of_epochs,
        checks.returns_a_loss_for_each_example_and_the_state,
        checks.has_a_finite_loss_and_a_gradient_for_every_network,
        checks.predicts_the_logits_of_every_class,
    ),
    "dataset": (checks.states_what_every_dataset_must, checks.has_the_images_it_declares),
    "noise": (checks.has_rows_that_are_distributions,),
    "model": (checks.gives_logits_for_images,),
    "recipe": (),
}

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "method": (
        *QUICK["method"],
        checks.has_a_label_of_its_own,
        checks.keeps_its_state_in_shape,
        checks.changes_nothing_in_place,
        checks.does_not_see_the_order_of_a_batch,
        checks.asks_no_tensor_for_its_value,
        checks.maps_over_cells,
        checks.hands_on_a_gradient_for_every_weight,
        checks.stays_finite_on_huge_logits,
        checks.trains_on_digits,
    ),
    "dataset": (
        *QUICK["dataset"],
        checks.has_images_of_every_class,
        checks.is_the_same_when_loaded_again,
        checks.declares_the_mean_and_deviation_of_its_pixels,
    ),
    "noise": (*QUICK["noise"], checks.draws_what_its_matrix_says),
    "model": (*QUICK["model"], checks.judges_each_image_by_itself, checks.maps_over_networks),
    "recipe": (),  # a recipe is numbers alone, and its fields bound them
}

LONGEST_STEP = 60.0
"""Seconds after which a quick check is taken to hang."""


class Finding(NamedTuple):
    """The outcome of one check of one entry."""

    check: str  # what the entry must do, in words
    fault: str = ""  # what it does instead; empty where all is well
    doubt: str = ""  # what may be meant otherwise, and is no fault
    repeated: bool = False  # its fault has been told by an earlier check

    def __str__(self) -> str:
        if self.repeated:
            return f"same  {self.check}"
        if self.fault or self.doubt:
            word = "FAULT" if self.fault else "DOUBT"
            return f"{word} {self.check}\n      {self.fault or self.doubt}"
        return f"ok    {self.check}"


def load(*paths: Path, root: Path | None = None) -> list[Entry]:
    """Load plugins and return the kinds and names of their entries, which pass the quick checks.

    Args:
        paths: of the plugins.
        root: the folder of the image files. [default: as :func:`data_root` says]

    Raises:
        RefusedError: a plugin fails, or an entry of its does not do what it must.
    """
    for entry, fault in _quick_faults(paths, root):
        raise RefusedError(_sentence(entry, fault))
    return plugins.load(*paths)


def load_faulty(*paths: Path, root: Path | None = None) -> dict[Entry, str]:
    """Load plugins and return the entries that fail a quick check, with what each does wrong.

    Args:
        paths: of the plugins.
        root: the folder of the image files. [default: as :func:`data_root` says]

    Raises:
        RefusedError: a plugin fails.
    """
    faults = dict(_quick_faults(paths, root))
    plugins.load(*paths)
    return faults


def refuse_used(faults: Mapping[Entry, str], used: Collection[Entry]) -> list[str]:
    """Refuse entries that fail and are used, and return a line about those that are not.

    Args:
        faults: what entries do wrong.
        used: the entries that a request names.

    Raises:
        RefusedError: an entry that fails is used.
    """
    for entry, fault in faults.items():
        if entry in used:
            raise RefusedError(_sentence(entry, fault))
    if not faults:
        return []
    sentence, others = _sentence(*next(iter(faults.items()))), len(faults) - 1
    if not others:
        return [f"{sentence}; nothing here uses it"]
    more = f"so {'does' if others == 1 else 'do'} {others} more, and nothing here uses them"
    return [f"{sentence}; {more}"]


def _sentence(entry: Entry, fault: str) -> str:
    kind, name = entry
    return f"the {kind} {name} fails: {fault}"


def _quick_faults(paths: Sequence[Path], root: Path | None) -> Iterator[tuple[Entry, str]]:
    """Yield the entries of plugins that fail a quick check, each with what it does wrong.

    Where processes can be forked, a copy of this one tries, as a plugin may end it.
    """
    from benchmarks.contract.process import try_quickly  # noqa: PLC0415  it imports this module

    if paths and processes.FORKS:
        yield from try_quickly(paths, root or data_root(None))
        return
    for entry in plugins.load(*paths):
        faults = (finding.fault for finding in quick(*entry, root) if finding.fault)
        if fault := next(faults, ""):
            yield entry, fault


def named_by(kind: str, spec: str) -> Iterator[Entry]:
    """Yield the entries that a spec names, its own and those of its fields; none it does not know.

    >>> list(named_by("method", "elr(beta=0.9)"))
    [('method', 'elr')]
    """
    try:
        name, values = REGISTRIES[kind].explicit(spec)
        entry = REGISTRIES[kind][name]
    except ValueError:
        return  # whoever builds it says what is wrong
    yield kind, name
    defaults = {field.name: field.default for field in fields(entry)}
    for field in entry.fields():
        if field.spec:
            yield from named_by(kind, str(values.get(field.key, defaults[field.name])))


def quick(kind: str, name: str, root: Path | None) -> Iterator[Finding]:
    """Run the quick checks on an entry and yield their outcomes; images may be missing yet.

    An entry that needs a value is built when it is asked for.
    """
    try:
        for finding in _findings(kind, name, QUICK[kind], root, LONGEST_STEP):
            if finding.check != BUILT:
                yield finding
    except DataMissingError:
        return  # what reads the images says so


def examine(
    kind: str, name: str, root: Path | None = None, seconds: float = LONGEST_STEP
) -> Iterator[Finding]:
    """Run every check of a kind on an entry and yield its outcome.

    Args:
        kind: of the entry: method, dataset, noise, model or recipe.
        name: of the entry in the catalogue of its kind.
        root: the folder of the image files. [default: as :func:`data_root` says]
        seconds: after which a check is taken to hang; those that follow it are left out.

    Raises:
        DataMissingError: a dataset's files are not there.
    """
    return _findings(kind, name, CHECKS[kind], root, seconds)


BUILT = "can be built"
"""The first check: a spec with the values that are asked for may be built where it fails."""


def _findings(
    kind: str, name: str, functions: Sequence[Check], root: Path | None, seconds: float
) -> Iterator[Finding]:
    try:
        with plugin_errors.deadline(seconds):
            entry = example(REGISTRIES[kind][name])
    except StopError:
        raise
    except BaseException as error:  # noqa: BLE001  a plugin can fail in any way
        yield Finding(BUILT, _fault(error))
        return
    more = (root or data_root(None),) if kind == "dataset" else ()
    told = set[object]()
    for check in functions:
        words, fault = check.__name__.replace("_", " "), ""
        try:
            with plugin_errors.deadline(seconds):
                check(entry, *more)
        except (DataMissingError, StopError):
            raise
        except DoubtError as doubt:
            yield Finding(words, doubt=str(doubt))
            continue
        except BaseException as error:
            if kind == "dataset" and isinstance(error, OSError):
                raise DataMissingError(f"{name} is not available: {_fault(error)}") from error
            fault = _fault(error)
            repeated = {fault, plugin_errors.place(error)} & told
            told |= {fault, plugin_errors.place(error)} - {None}
            yield Finding(words, fault, repeated=bool(repeated))
            if isinstance(error, plugin_errors.LateError):
                return
            continue
        yield Finding(words)


def _fault(error: BaseException) -> str:
    """Say what an entry does wrong; the place is where its own code failed."""
    told = str(error) if isinstance(error, BrokenContractError) else plugin_errors.in_words(error)
    place = plugin_errors.place(error)
    return f"{told} ({plugin_errors.shown(place[0])}:{place[1]})" if place else told


def where(kind: str, name: str) -> str:
    """Return the file and the line of an entry of a plugin; "" for one of ours."""
    entry = REGISTRIES[kind][name]
    if not plugin_errors.MODULE.fullmatch(entry.__module__):
        return ""
    try:
        file, line = Path(inspect.getfile(entry)), inspect.getsourcelines(entry)[1]
    except (OSError, TypeError):
        return ""
    return f"{plugin_errors.shown(file)}:{line}"


def refuse_images(models: Sequence[str], datasets: Sequence[str]) -> None:
    """Refuse models that take no images of a dataset, before anything is trained.

    Those of plugins are built and called; ours say what they need.

    Args:
        models: specs of models.
        datasets: specs of datasets.

    Raises:
        RefusedError: a model fails on the images of a dataset.
    """
    for model, dataset in ((m, d) for m in models for d in datasets):
        network, images = MODELS.build(model), DATASETS.build(dataset)
        try:
            network.check(images.shape)
            if plugin_errors.MODULE.fullmatch(type(network).__module__):
                with plugin_errors.deadline(LONGEST_STEP), torch.no_grad():
                    built = initialised(network, images.shape, images.num_classes, ("check", 0))
                    built.eval()(torch.zeros(2, *images.shape))
        except (RefusedError, StopError):
            raise
        except BaseException as error:
            told = plugin_errors.failure(error) or plugin_errors.in_words(error)
            raise RefusedError(f"{model} takes no images of {dataset}: {told}") from error


def example(entry: type[Bounded]) -> Bounded:
    """Return an entry at its defaults; what has none gets a third of its range, or a choice."""
    values: dict[str, object] = {}
    needed = {field.name for field in fields(entry) if field.default is MISSING}
    for field in entry.fields():
        if field.name not in needed:
            continue
        if field.choices:
            values[field.name] = field.choices[0]
            continue
        if field.interval is None:
            raise BrokenContractError(f"{entry.__name__}.{field.name} needs a default or a range")
        low, high = field.interval
        values[field.name] = field.kind(low + (min(high, low + 10) - low) / 3)
    return entry(**values)
