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

    Prints the commands that train the audited cells on them, and that compare before and after. An
    image is found by the column index where there is one, else by position. A blank in corrected
    says nothing; where classes are named by numbers, a number is read as a name.

    Args:
        folder: The results folder that was audited.
        reviewed: Its suspects.csv, with the column corrected filled in by class name or number.
        out: The .npy file to write; {seed} in its name stands for the seed, {noise} and {dataset}
            for the noise and the dataset. A file that this verb did not write, or that was changed
            since, is not replaced.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers your dataset; may be given several times.
    """
    from benchmarks import contract
    from benchmarks.commands import repeated_options
    from benchmarks.datasets import data_root
    from benchmarks.errors import some
    from benchmarks.suspects.corrections import relabel as apply
    from benchmarks.suspects.retraining import next_steps

    if not out.endswith(".npy"):
        raise RefusedError(f"--out must end with .npy, got {out!r}")
    contract.load(*plugin, root=data_root(data))
    files, relabelled = apply(folder, reviewed, data_root(data), out)
    for file in files:
        twice = f"; said twice in {reviewed}: line {some(file.repeated)}" if file.repeated else ""
        print(
            f"{file.path}: {file.corrected} of {file.size} labels corrected, "
            f"{file.confirmed} confirmed{twice}"
        )
    for steps in next_steps(folder, relabelled, repeated_options(data, plugin)):
        print("train on them, then compare before and after:\n")
        print(f"  {steps.train}\n  {steps.compare}\n")
    return Exit.DONE
