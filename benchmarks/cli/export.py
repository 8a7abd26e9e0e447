"""The verb ``export``: put the runs of a results folder into the store of a tracker."""

from pathlib import Path
from typing import Literal

from benchmarks.commands import quoted
from benchmarks.errors import Exit, count

SHOWING = {
    "mlflow": ("mlflow ui --backend-store-uri", "sqlite:///{}/mlflow.db"),
    "wandb": ("wandb sync --include-offline", "{}/wandb/offline-run-*"),
    "tensorboard": ("tensorboard --logdir", "{}"),
}
"""The commands that show a store, or send it."""


def export(
    folder: Path = Path("results/default"),
    *,
    to: Literal["mlflow", "wandb", "tensorboard"],
    out: Path | None = None,
) -> Exit:
    """Put a run for each cell into a store of MLflow, Weights & Biases or TensorBoard.

    A run has the id of its cell, its parameters, final metrics and curves. Exporting again adds
    what is new, and replaces what has changed; other runs of the store stay. Nothing is sent
    anywhere. Labels are exported by `data noise`.

    Args:
        folder: The results folder, finished or not.
        to: The program whose format it is.
        out: The folder of the store. [default: FOLDER/mlflow, wandb or tensorboard]
    """
    from benchmarks.store.plan_file import refuse_results
    from benchmarks.trackers import export as put

    if out:
        refuse_results(out)
    place = out or folder / to
    done = put(folder, to, place)
    print(
        f"{count(done.added, 'run')} added to {place}, {done.replaced} replaced, {done.kept} there "
        "already"
    )
    for line in done.damage:
        print(line)
    command, store = SHOWING[to]
    print(f"show it  {command} {quoted(store.format(place))}")
    return Exit.DONE
