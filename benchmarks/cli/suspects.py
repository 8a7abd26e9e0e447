"""The verbs of the label audit: rank doubtful labels, and apply what a reviewer says of them."""

from pathlib import Path
from typing import Literal

from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Plugins, Seeds, Specs


def suspects(  # noqa: PLR0913  options of a command
    folder: Path = Path("results/default"),
    *,
    datasets: Specs = None,
    noises: Specs = None,
    methods: Specs = None,
    seeds: Seeds = None,
    score: Literal["loss_mean", "loss", "own"] = "loss_mean",
    top: int = 100,
    reveal: bool = False,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Rank the training labels by how doubtful each method finds them, and draw the worst.

    Writes FOLDER/suspects: the table suspects.csv, contact sheets, and index.md. Cells that trained
    on the same labels are averaged over seeds.

    Args:
        folder: The results folder.
        datasets: Only these.
        noises: Only these.
        methods: Only these.
        seeds: Only these.
        score: loss_mean, the loss on the given label averaged over epochs; loss, at the end; own,
            the method's own opinion, where it has one.
        top: How many labels of each ranking go into the table.
        reveal: Say which labels are known to be wrong. A reviewer should not see it.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers your dataset; may be given several times.
    """
    from benchmarks import plugins  # noqa: PLC0415
    from benchmarks.datasets import data_root  # noqa: PLC0415
    from benchmarks.suspects.audit import How, audit  # noqa: PLC0415
    from benchmarks.suspects.rank import Wanted  # noqa: PLC0415

    if top < 1:
        raise RefusedError(f"--top must be a whole number of at least 1, got {top}")
    for path in plugin:
        plugins.load(path)
    wanted = Wanted(datasets or (), noises or (), methods or (), seeds or ())
    found = audit(folder, data_root(data), wanted, How(score, top, reveal))
    shown = found.lines[:20]
    print("\n".join(shown))
    if left := len(found.lines) - len(shown):
        print(f"and {left} more in {found.index}")
    print(f"table    {found.table}\nsheets   {len(found.sheets)}, in {found.index}")
    if found.undrawn:
        print(f"{found.undrawn} rankings have no sheet; --methods, --noises and --seeds choose")
    return Exit.DONE


def relabel(
    folder: Path,
    reviewed: Path,
    *,
    out: str,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Write the given labels with a reviewer's corrections, to train on with labels(file=...).

    Args:
        folder: The results folder that was audited.
        reviewed: Its suspects.csv, with the column corrected filled in by class number or name.
        out: The .npy file to write; {seed} in its name stands for the seed.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers your dataset; may be given several times.
    """
    from benchmarks import plugins  # noqa: PLC0415
    from benchmarks.datasets import data_root  # noqa: PLC0415
    from benchmarks.suspects.relabel import relabel as apply  # noqa: PLC0415

    if not out.endswith(".npy"):
        raise RefusedError(f"--out must end with .npy, got {out!r}")
    for path in plugin:
        plugins.load(path)
    try:
        written = apply(folder, reviewed, data_root(data), out)
    except OSError as error:
        raise RefusedError(f"cannot write {out}: {error.strerror or error}") from error
    for found in written:
        print(
            f"{found.path}: {found.corrected} of {found.size} labels corrected, "
            f"{found.confirmed} confirmed"
        )
    print(f'train on them with --noises "labels(file={out!r})"')
    return Exit.DONE
