"""The audit that a run makes by itself of labels that nobody has checked: what to look at first."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.suspects.audit import AuditOptions, audit
from benchmarks.suspects.ranking import CellFilter


def look_first(folder: Path, root: Path, repeated: Sequence[str]) -> str:
    """Rank the labels of a folder by the first choice of its guide, and return a line about it.

    What a reviewer has filled in stays, and so does an audit that cannot be made again.

    Args:
        folder: a results folder with its CSV files, of a dataset without clean labels.
        root: the folder of the image files.
        repeated: options that the next command needs as this one did.
    """
    from benchmarks.report.analysis import Analysis  # noqa: PLC0415  seconds, of few runs
    from benchmarks.report.data import load  # noqa: PLC0415
    from benchmarks.report.own_labels import picked  # noqa: PLC0415

    pick = picked(Analysis(load(folder)))
    if pick is None:
        return "suspects not listed: no method agrees with the labels by more than chance"
    dataset, noise, method = pick
    cells = CellFilter((dataset,), (noise,), (method,))
    try:
        made = audit(folder, root, cells, AuditOptions(repeated=tuple(repeated)))
    except (RefusedError, DataMissingError) as error:
        return f"suspects left as they are: {error}"
    return f"suspects {made.table}, the labels to look at first"
