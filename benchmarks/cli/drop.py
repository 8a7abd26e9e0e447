"""The verb ``drop``: take cells out of a results folder."""

from pathlib import Path

from benchmarks.errors import Exit
from benchmarks.launch.request import Seeds, Specs


def drop(  # noqa: PLR0913  options of a command
    folder: Path,
    *,
    datasets: Specs = None,
    noises: Specs = None,
    methods: Specs = None,
    models: Specs = None,
    recipes: Specs = None,
    seeds: Seeds = None,
) -> Exit:
    """Take cells out of a results folder, with their results, and write its CSV files again.

    Dropped are the cells that have one of the values of every option given, whether or not this
    version can build them. The other cells keep their numbers to the last bit. There is no way
    back but to train them again.

    Args:
        folder: The results folder.
        datasets: Those of these datasets.
        noises: Those of these noises, as `status` and results.csv write them.
        methods: Those of these methods, likewise.
        models: Those of these models.
        recipes: Those of these recipes.
        seeds: Those of these seeds.
    """
    from benchmarks.store.dropping import drop as drop_cells

    axes = {"dataset": datasets, "noise": noises, "method": methods, "model": models}
    axes |= {"recipe": recipes}
    dropped = drop_cells(folder, {**{k: v or () for k, v in axes.items()}, "seed": seeds or ()})
    print("\n".join(dropped.lines()))
    return Exit.DONE
