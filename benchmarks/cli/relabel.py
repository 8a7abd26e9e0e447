"""The verb ``relabel``: apply a reviewer's corrections of the suspects."""

from pathlib import Path

from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Plugins


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
    from benchmarks import plugins
    from benchmarks.datasets import data_root
    from benchmarks.suspects.corrections import relabel as apply

    if not out.endswith(".npy"):
        raise RefusedError(f"--out must end with .npy, got {out!r}")
    plugins.load(*plugin)
    try:
        written = apply(folder, reviewed, data_root(data), out)
    except OSError as error:
        raise RefusedError(f"cannot write {out}: {error.strerror or error}") from error
    for file in written:
        print(
            f"{file.path}: {file.corrected} of {file.size} labels corrected, "
            f"{file.confirmed} confirmed"
        )
    print(f'train on them with --noises "labels(file={out!r})"')
    return Exit.DONE
