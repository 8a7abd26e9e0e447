"""The verb ``suspects``: rank the training labels by how doubtful they are."""

from pathlib import Path
from typing import Literal

from benchmarks.errors import Exit, RefusedError, count
from benchmarks.launch.request import Plugins, Seeds, Specs, Whole

SHOWN = 20
"""The number of rankings that are printed."""


def suspects(  # noqa: PLR0913  options of a command
    folder: Path = Path("results/default"),
    *,
    datasets: Specs = None,
    noises: Specs = None,
    methods: Specs = None,
    seeds: Seeds = None,
    score: Literal["loss_mean", "loss", "own"] = "loss_mean",
    top: Whole = None,
    reveal: bool = False,
    data: Path | None = None,
    plugin: Plugins = (),
) -> Exit:
    """Rank the training labels by how doubtful each method finds them, and draw the worst.

    Writes FOLDER/suspects: the table suspects.csv to fill in, held-out.csv with the labels that
    were held out and so are not ranked, contact sheets, and index.md, which says how to go on. Your
    own files there, and a table that was filled in, are left alone. Cells that trained on the same
    labels are averaged over seeds. Clean labels count as right: they are ranked only when you ask
    for them, by --noises clean.

    Args:
        folder: The results folder.
        datasets: Only these.
        noises: Only these. [default: all but clean]
        methods: Only these.
        seeds: Only these.
        score: loss_mean, the loss on the given label averaged over epochs; loss, at the end; own,
            the method's own opinion, where it has one.
        top: How many labels of each ranking go into the table. [default: as many as are known to
            be wrong, or, where none is, as the method would change, and at least 100]
        reveal: Say which labels are known to be wrong, and the true ones. A reviewer should not see
            it.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers your dataset; may be given several times.
    """
    from benchmarks import contract
    from benchmarks.commands import repeated_options
    from benchmarks.datasets import data_root
    from benchmarks.suspects.audit import AuditOptions, audit
    from benchmarks.suspects.ranking import CellFilter

    if top is not None and top < 1:
        raise RefusedError(f"--top must be a whole number of at least 1, got {top}")
    contract.load(*plugin, root=data_root(data))
    cells = CellFilter(datasets or (), noises or (), methods or (), seeds or ())
    options = AuditOptions(score, top, reveal, repeated_options(data, plugin))
    written = audit(folder, data_root(data), cells, options)
    print("\n".join(written.lines[:SHOWN]))
    if (left := len(written.lines) - SHOWN) > 0:
        print(f"and {left} more in {written.index}")
    if written.notes:
        print("\n".join(written.notes))
    print(f"table    {written.table}, {written.rows} rows")
    print(f"sheets   {len(written.sheets)}, in {written.index}")
    if written.undrawn:
        print(
            f"without a sheet, as there are many: {count(written.undrawn, 'ranking')}; --methods, "
            "--noises and --seeds choose"
        )
    print(f"fill in its column corrected and keep it as {written.reviewed}, then\n")
    print(f"  {written.relabel}\n")
    return Exit.DONE
