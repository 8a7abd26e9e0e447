"""The verb ``data``: fetch datasets, look at them, and export their noisy labels."""

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from benchmarks.commands import command_line, repeated_options
from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Plugins, Seeds, Specs

data = App(name="data", help="Fetch datasets, describe them, export noisy labels.")


@data.command
def get(names: Specs = None, *, data: Path | None = None, plugin: Plugins = ()) -> Exit:
    """Download datasets unless they are there, and check them.

    Args:
        names: Which datasets, or the labels of people: cifar10n, cifar100n. [default: all datasets]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    return _check(names, data, plugin, fetch=True)


@data.command
def verify(names: Specs = None, *, data: Path | None = None, plugin: Plugins = ()) -> Exit:
    """Check that datasets are there and undamaged; download nothing.

    Args:
        names: Which datasets, or the labels of people: cifar10n, cifar100n. [default: all datasets]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    return _check(names, data, plugin, fetch=False)


@data.command
def info(
    names: Specs = None,
    *,
    sheet: Path | None = None,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Describe datasets: source, licence, sizes, classes, known errors in their "clean" labels.

    Args:
        names: Which datasets, such as "arrays(file='data.npz')". [default: all published ones]
        sheet: A PNG to write: the first images of every class of the one dataset that is named.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    from benchmarks.datasets import DATASETS, data_root, published
    from benchmarks.datasets.cards import card
    from benchmarks.datasets.sheet import draw_sheet

    if sheet and len(names or ()) != 1:
        raise RefusedError("--sheet shows one dataset; name it")
    _load(plugin, data)
    try:
        print("\n\n".join(card(name, data) for name in names or published()))
        if sheet and names:
            draw_sheet(DATASETS.build(names[0]), data_root(data), sheet)
            print(f"sheet    {sheet}")
    except ValueError as error:
        raise RefusedError(str(error)) from error
    return Exit.DONE


@data.command
def noise(  # noqa: PLR0913  options of a command
    dataset: str,
    noise: str,
    *,
    out: Path,
    seeds: Seeds = None,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Write the given labels of a dataset under a noise, for use elsewhere.

    For each seed: the labels (.npy and .csv), the transition matrix they were drawn from, the one
    that came out, and their hash. `labels(file='OUT/labels-{seed}.npy')` trains on them.

    Args:
        dataset: A dataset, e.g. digits.
        noise: A noise, e.g. 'symmetric(rate=0.4)'.
        out: The folder to write to. It may have other seeds of the same labels, which stay, and no
            other labels.
        seeds: Which seeds. [default: 0]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    from benchmarks.datasets import DATASETS, data_root
    from benchmarks.export import export_seeds
    from benchmarks.noise import NOISES

    if "{seed}" in str(out):  # in the command that trains on the labels, it stands for the seed
        raise RefusedError(f"--out is one folder for all seeds, without {{seed}}, got {str(out)!r}")
    _load(plugin, data)
    repeated = repeated_options(data, plugin)
    _refuse_swapped(dataset, noise, ("--seeds", *seeds, *repeated) if seeds else repeated, out)
    try:
        chosen, kind = DATASETS.build(dataset), NOISES.build(noise)
        lines = export_seeds(chosen, kind, list(dict.fromkeys(seeds or [0])), data_root(data), out)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    print("\n".join([*lines, f"labels   {out}"]))
    given = f"labels(file={str(out / 'labels-{seed}.npy')!r})"
    train = ("--datasets", dataset, "--noises", given, "--seeds", *(seeds or [0]))
    print(f"train    {command_line(*train, *repeated, '--out', 'results/own_labels')}")
    return Exit.DONE


def _refuse_swapped(dataset: str, noise: str, options: Sequence[object], out: Path) -> None:
    """Refuse a noise where a dataset is asked for, and a dataset where a noise is.

    Args:
        dataset: what was given as one.
        noise: likewise.
        options: all others but ``--out``, for the command that was meant.
        out: where the labels go.
    """
    from benchmarks.datasets import DATASETS
    from benchmarks.noise import NOISES

    first, second = (text.partition("(")[0].strip() for text in (dataset, noise))
    wrong = [f"{first!r} is a noise"] if first in NOISES and first not in DATASETS else []
    wrong += [f"{second!r} is a dataset"] if second in DATASETS and second not in NOISES else []
    if wrong:
        turned = command_line("data", "noise", noise, dataset, *options, "--out", out)
        meant = f"; did you mean `{turned}`?" if len(wrong) > 1 else ""
        raise RefusedError(
            f"data noise takes a dataset and then a noise, and {' and '.join(wrong)}{meant}"
        )


def _check(
    names: list[str] | None, data: Path | None, plugin: Sequence[Path], *, fetch: bool
) -> Exit:
    from benchmarks.data_files import check_files
    from benchmarks.datasets import data_root

    _load(plugin, data)
    code = Exit.DONE
    for line, result in check_files(names or (), data_root(data), fetch=fetch):
        print(line)
        code = result or code
    return code


def _load(plugin: Sequence[Path], data: Path | None) -> None:
    """Load plugins, which must pass the quick checks."""
    if plugin:
        from benchmarks import contract
        from benchmarks.datasets import data_root

        contract.load(*plugin, root=data_root(data))
