"""The verb ``report``: draw the report of a results folder."""

import shutil
from pathlib import Path
from typing import Literal

from benchmarks import processes
from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Specs
from benchmarks.report import NEURIPS, Paper
from benchmarks.schema import TIMINGS_NAME

VenueName = Literal["neurips", "iclr", "icml", "tmlr", "jmlr"]


def report(  # noqa: PLR0913  options of a command
    folder: Path = Path("results/default"),
    *,
    out: Path | None = None,
    force: bool = False,
    venue: VenueName | None = None,
    columns: Literal[1, 2] = 2,
    methods: Specs = None,
    noises: Specs = None,
    metrics: Specs = None,
    ranking: Specs = None,
    beside: Path | None = None,
) -> Exit:
    """Draw the figures and tables of a results folder, and say what they show.

    A file in the report's folder that `report` did not write is kept, and never written over.

    Args:
        folder: The results folder.
        out: Where the report goes; the results folder is then only read. [default: FOLDER/report]
        force: Draw them again even if nothing changed.
        venue: Whose page figures and tables fit at their natural size, and figures as PDF, too,
            which takes longer. [default: neurips, without PDF]
        columns: How many columns of that page a figure is as wide as.
        methods: Draw figures of only these, with or without values; tables and words are of all.
        noises: Draw figures of only these, with or without values.
        metrics: Draw only these by noise rate and as differences: acc, nll, brier, ece, ...
        ranking: Columns of the ranking in LaTeX, as in `--ranking Accuracy Brier`.
            [default: Accuracy, ECE, NLL, Memorised and Cost]
        beside: A results folder whose methods stand beside, marked, wherever its cells have the
            same noisy labels, model and recipe; what has not is left out, and said why.
    """
    from benchmarks.outputs import scratch_folder
    from benchmarks.schema import history_places
    from benchmarks.store import Parts, derive
    from benchmarks.store.plan_file import refuse_results

    if out:
        refuse_results(out)
    paper = Paper(
        venue=venue or "neurips",
        pdf=venue is not None,
        ranking=tuple(ranking or ()),
        columns=columns,
        methods=tuple(methods or ()),
        noises=tuple(noises or ()),
        metrics=tuple(metrics or ()),
        beside=beside,
    )
    parts = Parts(folder)
    if not (folder / "parts").is_dir():  # committed results have only the CSV files
        show(folder, out, force=force, paper=paper)
    elif out is None:
        derive(folder, parts)
        show(folder, force=force, paper=paper)
    else:
        with scratch_folder(out, "report") as tables:
            derive(folder, parts, into=tables)
            for name in ("plan.json", TIMINGS_NAME):
                if (folder / name).is_file():
                    shutil.copyfile(folder / name, tables / name)
            for path in filter(Path.is_file, reversed(history_places(folder))):
                shutil.copyfile(path, tables / path.name)
            try:
                show(tables, out, force=force, paper=paper)
            except RefusedError as error:  # of tables that are gone when it is read
                raise RefusedError(str(error).replace(str(tables), str(folder))) from error
    for line in parts.damage():
        print(line)
    return Exit.DONE


def show(
    folder: Path, out: Path | None = None, *, force: bool = False, paper: Paper = NEURIPS
) -> None:
    """Draw a report, to ``folder/report`` if not ``out``; print its ranking, files and summary."""
    from benchmarks.report import build

    built = build(folder, out, force=force, paper=paper, workers=processes.choose_workers().number)
    print(f"\n{built.ranking}\n")
    if out is None:
        print(f"results  {folder / 'results.csv'}")
    print(f"report   {built.folder / 'report.md'}{'' if built.rebuilt else ' (unchanged)'}")
    print(f"browser  {built.folder / 'report.html'}")
    print(f"figures  {built.folder / 'figures'}")
    print(f"\n{built.answer}\n")
