"""The verb ``data``: fetch datasets, look at them, and export their noisy labels."""

from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Seeds, Specs

if TYPE_CHECKING:
    from benchmarks.noise import Human

data = App(name="data", help="Fetch datasets, describe them, export noisy labels.")


@data.command
def get(names: Specs = None, *, data: Path | None = None) -> Exit:
    """Download datasets unless they are there, and check them.

    Args:
        names: Which datasets, or the labels of people: cifar10n, cifar100n. [default: all datasets]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
    """
    return _look(names, data, fetch=True)


@data.command
def verify(names: Specs = None, *, data: Path | None = None) -> Exit:
    """Check that datasets are there and undamaged; download nothing.

    Args:
        names: Which datasets, or the labels of people: cifar10n, cifar100n. [default: all datasets]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
    """
    return _look(names, data, fetch=False)


@data.command
def info(names: Specs = None) -> Exit:
    """Describe datasets: source, licence, sizes, classes, known errors in their "clean" labels.

    Args:
        names: Which datasets. [default: all]
    """
    from benchmarks.datasets import DATASETS  # noqa: PLC0415
    from benchmarks.datasets.cards import card  # noqa: PLC0415

    try:
        print("\n\n".join(card(name) for name in names or DATASETS))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    return Exit.DONE


@data.command
def noise(
    dataset: str,
    noise: str,
    *,
    out: Path,
    seeds: Seeds = None,
    data: Path | None = None,
) -> Exit:
    """Write the given labels of a dataset under a noise, for use elsewhere.

    For each seed: the labels (.npy and .csv), the transition matrix they were drawn from, the one
    that came out, and their hash. `labels(file='OUT/labels-{seed}.npy')` trains on them.

    Args:
        dataset: A dataset, e.g. digits.
        noise: A noise, e.g. 'symmetric(rate=0.4)'.
        out: The folder to write to.
        seeds: Which seeds. [default: 0]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
    """
    from benchmarks.datasets import DATASETS, data_root  # noqa: PLC0415
    from benchmarks.export import export  # noqa: PLC0415
    from benchmarks.noise import NOISES  # noqa: PLC0415

    try:
        chosen, kind = DATASETS.build(dataset), NOISES.build(noise)
        for seed in seeds or [0]:
            print(export(chosen, kind, seed, data_root(data), out))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    except OSError as error:
        raise RefusedError(f"cannot write to {out}: {error.strerror or error}") from error
    print(f"labels   {out}")
    return Exit.DONE


def _look(names: list[str] | None, data: Path | None, *, fetch: bool) -> Exit:
    from benchmarks.datasets import DATASETS, data_root  # noqa: PLC0415
    from benchmarks.noise import NOISES, Human  # noqa: PLC0415

    root, code = data_root(data), Exit.DONE
    labels = {name: entry for name, entry in NOISES.items() if issubclass(entry, Human)}
    chosen = list(names or DATASETS)
    try:
        wanted = {name: DATASETS.build(name) for name in chosen if name not in labels}
    except ValueError as error:
        raise RefusedError(str(error)) from error
    for name in chosen:
        try:
            if name in labels:
                print(f"{name}: {_labels(labels[name], root, fetch=fetch)}")
                continue
            if fetch:
                wanted[name].fetch(root)
            train, test = wanted[name].load(root, 0)
            print(f"{name}: {len(train.label)} training and {len(test.label)} test images")
        except RefusedError as error:
            print(f"{name}: {error}")
            code = error.code
    return code


def _labels(human: "type[Human]", root: Path, *, fetch: bool) -> str:
    """Say what is in a file of people's labels, after fetching it where asked to."""
    if fetch:
        human.download(root)
    found = human.read(root)
    sets = [name for name in found if not name.startswith("clean")]
    size = len(found["clean_label"])
    return f"{size} training labels of {human.labels_of}: {', '.join(sets)} ({human.licence})"
