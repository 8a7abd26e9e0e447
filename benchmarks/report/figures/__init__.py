"""The standard figures, each with the numbers it shows. Importing this imports matplotlib."""

from pathlib import Path

from benchmarks.report.figures import memorisation, rates, reliability
from benchmarks.report.figures.canvas import Drawing, paper_style, save
from benchmarks.report.read import Run


def draw(run: Run, folder: Path) -> list[tuple[str, str]]:
    """Write every figure that has data to ``folder``: PNG, PDF and CSV.

    Returns:
        File stem and caption of each, in reading order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with paper_style():
        for drawing in drawings(run):
            save(drawing, folder)
            written.append((drawing.name, drawing.caption))
    return written


def drawings(run: Run) -> list[Drawing]:
    """The figures of a run, not yet on disk; none where no cell finished."""
    if run.last.empty:
        return []
    found = [page for metric in ("acc", "nll", "ece") for page in rates.pages(run, metric)]
    return [*found, *memorisation.pages(run), *reliability.pages(run)]
