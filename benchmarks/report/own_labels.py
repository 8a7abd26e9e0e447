"""What a report says first of labels that nobody has checked: how many are wrong, and what to do.

It writes of estimates, and so of accuracy, in words of its own.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.commands import command_line
from benchmarks.errors import count
from benchmarks.inputs import InputError, read_table, read_text
from benchmarks.report import guide
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.guide import Choice
from benchmarks.report.phrases import BLANK, listing, number
from benchmarks.report.render import Block, Picture
from benchmarks.report.tables import Table, labelled, unmarked

ESTIMATED, FIRST = "Estimates", "Your labels"
"""The titles of the two sections."""
MIXED_UP = 5
"""The most pairs of classes that are named as mixed up."""
_TOP = 10
"""The suspects that are listed."""
_SHEET = "suspects"
_WHOSE = {
    "test": "test labels",
    "held out": "training labels, held out",
    "trained on": "training labels",
}
_NOT_MEASURED = (
    "Estimates, not measurements: nobody knows which labels are right. In brackets 95% intervals, "
    "which hold chance and not the bias of an estimator: where networks are poor, mistakes of "
    "theirs count as wrong labels."
)
_CONFIDENT = (
    "Over images: the confident joint (Northcutt et al. 2021) of the mean probabilities of all "
    "networks better than chance, for images that they have not trained on; percentiles of a "
    "bootstrap over images."
)
_MATRICES = (
    "Matrix of a method: the share that the transition matrix which it estimates as it trains "
    "tells of the given labels; t over seeds, so of other weights with the same labels. Dual-T "
    "counts the noise twice where its network is calibrated."
)
_AFTER = "Summary"
"""The section behind which these stand."""


def inserted(
    analysis: Analysis,
    sections: Mapping[str, list[Block]],
    folder: Path,
    new: Path,
    *,
    audited: bool,
) -> dict[str, list[Block]]:
    """Return the sections of a report with those on labels of which nobody knows the true ones.

    Args:
        analysis: a run with such labels.
        sections: by title.
        folder: the results folder.
        new: the folder of the report, which gets the contact sheet.
        audited: whether the suspects lie beside the report.
    """
    found: dict[str, list[Block]] = {}
    for title, blocks in sections.items():
        found[title] = blocks
        if title == _AFTER:
            found[FIRST] = [*_first(analysis, folder, new, audited=audited)]
            found[ESTIMATED] = estimates(analysis)
    return {title: blocks for title, blocks in found.items() if blocks}


def estimates(analysis: Analysis) -> list[Block]:
    """Return the tables of what is estimated, nothing where nothing is."""
    rows = analysis.run.estimates
    if rows.empty:
        return []
    tables = (_shares(analysis, rows), _mixed_up(analysis, rows), _corrected(analysis, rows))
    return [table for table in tables if table]


def _interval(row: pd.Series) -> str:
    """Return an estimate in percent with the ends of its interval."""
    ends = f" [{number('acc', row.low)}, {number('acc', row.high)}]"
    return number("acc", row.value) + (ends if np.isfinite(row.low) else "")


def _shares(analysis: Analysis, rows: pd.DataFrame) -> Table | None:
    out = {(s, m) for s in analysis.run.settings for m in analysis.excluded(s)}
    own = rows[rows["quantity"] == "wrong"]
    own = own[[pair not in out for pair in zip(own["setting"], own["method"], strict=True)]]
    if own.empty:
        return None
    several = len(set(own["setting"])) > 1
    lines, names = [], []
    for row in rows_of(own):
        by = f", matrix of {analysis.label(row.method)}" if row.method else ""
        names.append(f"{f'{row.setting}: ' if several else ''}{_WHOSE[row.labels]}{by}")
        images = f"{row.images:.0f}" if np.isfinite(row.images) else BLANK
        over = "images" if row.over == "images" else f"{row.seeds} seeds"
        lines.append({"Wrong labels %": _interval(row), "Images judged": images, "Over": over})
    text = pd.DataFrame(lines, index=pd.Index(names, name="Estimated for"))
    notes = [_NOT_MEASURED, _CONFIDENT]
    if own["method"].ne("").any():
        notes.append(_MATRICES)
    notes.append("All, with the joint and the transition matrix, is in estimates.csv.")
    return replace(unmarked(text, own, notes), title="Estimated shares of wrong labels")


def mixed_up(run_estimates: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of classes that are estimated to be mixed up most, among test labels."""
    joint = run_estimates[
        (run_estimates["quantity"] == "joint") & (run_estimates["labels"] == "test")
    ]
    apart = joint[(joint["label"] != joint["given_label"]) & (joint["value"] > 0)]
    ordered = apart.sort_values(["value", "label", "given_label"], ascending=[False, True, True])
    return ordered.drop_duplicates(["dataset", "label", "given_label"])


def _mixed_up(analysis: Analysis, rows: pd.DataFrame) -> Table | None:
    worst = mixed_up(rows).head(MIXED_UP)
    if worst.empty:
        return None
    lines, index = [], []
    for row in rows_of(worst):
        names = analysis.run.class_names.get(row.dataset, ())
        label, given = (_class(names, place) for place in (row.label, row.given_label))
        index.append(f"{label} labelled as {given}")
        lines.append({"Test labels %": _interval(row)})
    text = pd.DataFrame(lines, index=pd.Index(index, name="Mixed up most, estimated"))
    note = "Share of all test labels, by the confident joint, with its 95% interval over images."
    return replace(unmarked(text, worst, [note]), title="Classes that are mixed up, estimated")


def _class(names: Sequence[str], place: float) -> str:
    return names[int(place)] if int(place) < len(names) else str(int(place))


def _corrected(analysis: Analysis, rows: pd.DataFrame) -> Table | None:
    own = rows[rows["quantity"] == "acc"]
    if own.empty:
        return None
    settings = [name for name in analysis.run.settings if name in set(own["setting"])]
    columns = {
        name: ("" if len(settings) == 1 else f"{name}: ", analysis.scores("acc").loc[name])
        for name in settings
    }
    order = [method for method in analysis.ranking.index if method in set(own["method"])]
    text = pd.DataFrame(index=order)
    for name, (before, measured) in columns.items():
        found = own[own["setting"] == name].set_index("method")
        text[f"{before}Agreement %"] = [number("acc", measured.get(m, np.nan)) for m in order]
        text[f"{before}Accuracy %, estimated"] = [
            _interval(found.loc[m]) if m in found.index else BLANK for m in order
        ]
    note = (
        "Agreement is with the given test labels, as measured; accuracy is an estimate of what it "
        "would be with right ones: the table of predicted and given classes times the inverse of "
        "the estimated transition matrix, mean over seeds. It takes the mistakes of a network and "
        "those of the labels to be independent within a true class. 95% intervals over images; "
        "none where a matrix has no inverse."
    )
    table = replace(unmarked(text, own, [note]), title="Agreement, and accuracy estimated from it")
    return labelled(analysis, table)


def _first(analysis: Analysis, folder: Path, new: Path, *, audited: bool) -> Iterator[Block]:
    """Yield what is known of the labels, which method to take, and how to go on."""
    run = analysis.run
    unknown = [run.images[name] for name in run.unknown]
    others = [run.images[name] for name in run.datasets if name not in run.unknown]
    if others:
        yield (
            f"Nobody has told which labels of {listing(unknown)} are right: there, "
            "agreement is with the given test labels, and is no accuracy. Of "
            f"{listing(others)} clean test labels are known, and agreement with these is accuracy. "
            "No mean or rank is over both: where all methods have been tried on clean test labels, "
            "it is over these alone."
        )
    else:
        yield (
            "Nobody has told which labels are right, so nothing here is an accuracy: all is "
            "agreement with the given labels, but what is called an estimate."
        )
    shares = run.estimates[run.estimates["quantity"] == "wrong"]
    for row in rows_of(shares[shares["labels"] == "test"]):
        where = f" ({row.setting})" if len(run.settings) > 1 else ""
        yield (
            f"Estimated share of wrong labels among the test images{where}: {_interval(row)}%, by "
            f"{count(int(row.images), 'image')} that no network has trained on."
        )
    pick = _pick(analysis)
    if pick is None:
        return
    yield (
        f"Method to take: {analysis.label(pick.method)}, the first choice of the guide: with "
        f"{number('acc', pick.acc)}% it agrees best with the given test labels. Under wrong labels "
        "spread evenly the order by agreement is that by accuracy."
    )
    if audited:
        cells = run.cells
        (dataset,) = cells.loc[cells["setting"] == pick.setting, "dataset"].unique()
        yield from _suspects(folder, new, str(dataset))
    yield from _steps(analysis, folder, pick)


def _pick(analysis: Analysis) -> Choice | None:
    """Return the first choice in the first setting without clean labels that has one."""
    cells = analysis.run.cells
    unknown = set(cells.loc[cells["truth"] == "unknown", "setting"])
    return next((each for each in guide.choices(analysis) if each.setting in unknown), None)


def picked(analysis: Analysis) -> tuple[str, str, str] | None:
    """Return dataset, noise and method of the first choice among labels that nobody knows."""
    pick = _pick(analysis)
    if pick is None:
        return None
    cell = analysis.run.cells[analysis.run.cells["setting"] == pick.setting].iloc[0]
    return str(cell["dataset"]), str(cell["noise"]), pick.method


def first_suspects(audit: Path, dataset: str) -> tuple[Path | None, Table | None]:
    """Return the first contact sheet of an audit, and its first rows, of a dataset, or None.

    Args:
        audit: the folder of the audit, whose files a reviewer may have changed.
        dataset: whose labels they are; an audit may have those of others, too.
    """
    try:
        rows, text = read_table(audit / "suspects.csv"), read_text(audit / "index.md")
    except InputError:
        return None, None
    columns = {"Image": "index", "Given": "given_name", "Predicted": "predicted_name"}
    if not {"dataset", "rank", *columns.values()} <= set(rows.header):
        return None, None
    own = [place for place, name in enumerate(rows.column("dataset")) if name == dataset][:_TOP]
    if not own:
        return None, None
    rank, *others = (rows.column(key) for key in ("rank", *columns.values()))
    entries = {n: [o[k] for k in own] for n, o in zip(columns, others, strict=True)}
    shown = pd.DataFrame(entries, index=pd.Index([rank[k] for k in own], name="Rank"))
    sheet = re.search(r"!\[[^\]]*\]\(([^)/\\]+\.png)\)", text)
    there = sheet and own[0] == 0 and (audit / sheet[1]).is_file()  # the first is of the first row
    return (audit / sheet[1] if sheet and there else None), unmarked(shown, shown)


def _suspects(folder: Path, new: Path, dataset: str) -> Iterator[Block]:
    """Yield the labels to look at first: the contact sheet, else rows of the table."""
    sheet, table = first_suspects(folder / "suspects", dataset)
    if table is None:
        return
    yield "Look at these labels first; the [table to fill in](../suspects/suspects.csv) has more."
    if sheet is None:
        yield table
        return
    for source, kind in ((sheet, "png"), (folder / "suspects" / "suspects.csv", "csv")):
        shutil.copyfile(source, new / "figures" / f"{_SHEET}.{kind}")
    caption = "The most doubtful training labels: the given label, then the predicted one."
    yield Picture(_SHEET, caption, drawn=False)


def _steps(analysis: Analysis, folder: Path, pick: Choice) -> Iterator[str]:
    """Yield the commands that list the suspects, write a corrected file, and train on it."""
    if not (folder / "parts").is_dir():
        return
    run = analysis.run
    plugins = [word for path in run.plugins for word in ("--plugin", path)]
    cells = run.cells[run.cells["setting"] == pick.setting]
    (dataset,), (noise,) = cells["dataset"].unique(), cells["noise"].unique()
    audit, spelled = folder / "suspects", run.spelled.get(dataset, dataset)
    chosen = ("--datasets", spelled, "--noises", noise, "--methods", pick.method)
    lines = [command_line("suspects", folder, *chosen, *plugins)]
    if len(set(cells["noise_sha256"])) == 1:
        labels = audit / "labels.npy"
        reviewed = ("relabel", folder, audit / "reviewed.csv", "--out", labels)
        lines.append(command_line(*reviewed, *plugins))
        lines.append(
            command_line(
                *("--datasets", spelled, "--noises", f"labels(file={str(labels)!r})"),
                *("--methods", pick.method, "--models", cells["model"].iloc[0]),
                *("--recipes", cells["recipe"].iloc[0], "--seeds", *sorted(set(cells["seed"]))),
                *plugins,
                *("--out", folder.parent / f"{folder.resolve().name}-relabelled"),
            )
        )
    text = "\n".join(lines)
    yield (
        "How to go on: list the most doubtful labels; fill in the column `corrected` of "
        "`suspects.csv` and keep it as `reviewed.csv`; write the corrected labels; train on them. "
        "Where the run was given a folder by `--data`, give it to these, too."
    )
    yield f"```bash\n{text}\n```"
