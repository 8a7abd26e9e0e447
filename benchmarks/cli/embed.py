"""The verb ``embed``: write the feature vectors of a dataset to a file."""

from pathlib import Path

from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Plugins


def embed(
    dataset: str,
    *,
    backbone: str = "random_conv",
    out: Path,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Write the feature vectors of a dataset, with its labels, to train on by features(file=...).

    They are computed in pieces under the folder of image files, where a run that was killed is
    gone on with and `embedded(dataset=...)` finds them. A suite that names that computes them by
    itself: this verb is for use elsewhere.

    Args:
        dataset: A dataset of images, e.g. cifar10.
        backbone: What computes the vectors.
        out: The .npz file to write. A file that this verb did not write, or that was changed since,
            is not replaced.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    from benchmarks import contract
    from benchmarks.commands import command_line, repeated_options
    from benchmarks.datasets import data_root
    from benchmarks.feature_files import export_features

    if out.suffix != ".npz":
        raise RefusedError(f"--out must end with .npz, got {str(out)!r}")
    contract.load(*plugin, root=data_root(data))
    try:
        print(export_features(dataset, backbone, data_root(data), out))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    spec = f"features(file={str(out)!r})"
    own = ("--datasets", spec, "--models", "linear", "mlp", *repeated_options(None, plugin))
    print(f"train    {command_line(*own, '--out', 'results/features')}")
    return Exit.DONE
