"""The report itself: every file of it, written to an empty folder."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.catalogue import families
from benchmarks.errors import RefusedError, count, refuse_unknown
from benchmarks.question import MARGINS
from benchmarks.report import (
    Paper,
    browser,
    claims,
    latex,
    macros,
    own_labels,
    provenance,
    render,
    scaling,
    stats,
    tables,
    trend,
)
from benchmarks.report.analysis import Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import Run, load
from benchmarks.report.drawing import Place, draw_beside, kinds
from benchmarks.report.ensembles import ensembles
from benchmarks.report.looks import base
from benchmarks.report.opening import FirstScreen, first_screen
from benchmarks.report.phrases import capitalised, listing, span
from benchmarks.report.render import Block, Picture, Words
from benchmarks.report.tables import Table, unmarked
from benchmarks.report.venues import VENUES
from benchmarks.report.verdict import verdict
from benchmarks.schema import METRICS

SCALED = {"settings_ece_scaled": scaling.in_settings, "scaling": scaling.overall}
"""The tables on temperature scaling, by the stem of their files."""
_FAULTS_SHOWN = 20
WIDTH = 100
"""The columns to which sentences on a terminal are broken."""
_PAIRED = (
    "Within a seed every method has the same {noisy} labels, initial weights and order of the "
    "data, so comparisons are paired."
)
_TESTS = (
    "Tests: two-sided paired t tests over seeds. At five pairs a Wilcoxon signed-rank test cannot "
    "fall below p = 0.0625, so it could not reach 0.05."
)
_FLOOR = (
    "ECE has 15 equal-width bins. A perfectly calibrated model does not reach 0 on a finite test "
    "set: its floor is drawn and quoted. Brier scores sum over classes (0 to 2)."
)


def write(
    folder: Path, new: Path, paper: Paper, processes: int, *, audited: bool
) -> dict[str, str]:
    """Read ``folder``, write its report to ``new``, and return what a terminal shows of it.

    Args:
        folder: a results folder.
        new: the empty folder of the report.
        paper: what figures and tables are for, and what they show.
        processes: how many draw.
        audited: whether the suspects lie beside the report, to be linked.

    Raises:
        RefusedError: the folder does not have what the paper is to show.
    """
    analysis = Analysis(load(folder, paper.beside))
    run, venue = analysis.run, VENUES[paper.venue]
    part, which = chosen(analysis, paper, folder), kinds(paper.metrics)
    place = Place(new / "figures", venue.of_columns(paper.columns), pdf=paper.pdf)
    shown = _tables(analysis, paper.ranking)  # while what draws is being imported
    with draw_beside(part, place, processes, which) as wait_for_figures:
        first = first_screen(analysis)
        context = latex.context_of(analysis, venue)
        told = verdict(analysis)
        for name, table in printed(analysis, shown, [first.guide, *told]).items():
            _text(new / f"{name}.tex", latex.table(name, table, context))
        for name, table in shown.items():
            _text(new / f"{name}.md", render.markdown(table))
            _csv(new / f"{name}.csv", table.numbers, index=table.numbers.index.name is not None)
        _csv(new / "differences.csv", analysis.all_differences)
        found = [table for table in (*shown.values(), tables.detection(analysis)) if table]
        _text(new / "values.tex", macros.latex(analysis, context.suite, found))
        _text(new / "references.bib", latex.bibliography(context.references))
        if first.guide:
            _text(new / "guide.md", render.markdown(first.guide))
            _csv(new / "guide.csv", first.guide.numbers)
        several = len(run.settings) > 1  # of one, the ranking says the same
        sections: dict[str, list[Block]] = {
            "Summary": [Words(render.bullets(first.summary))],
            "Guide": [first.guide] if first.guide else [],
            "Ranking": [shown["ranking"]],
            "Verdict": told,
            "Figures": [],
            "Trend": [],
            f"{run.words.headline} in each setting": [shown["settings"]] if several else [],
            "ECE in each setting": [
                shown[name] for name in ("settings_ece", *SCALED) if name in shown
            ],
            "Ensembles": [shown["ensembles"]] if "ensembles" in shown else [],
            "Statistics": _statistics(analysis, shown),
            "Finding the wrong labels": []
            if no_truth(run)
            else _detection(analysis, audited=audited),
            "Coverage": _coverage(analysis),
            "What a reviewer asks first": [_checks(analysis)],
            "How the numbers were made": [_protocol(analysis)],
            "Provenance": provenance.section(run),
        }
        drawn = wait_for_figures()
        sections["Figures"] = _figures([one for one in drawn if not _is_trend(one)])
        if not run.history.empty:
            sections["Trend"] = [*filter(_is_trend, drawn), trend.words(analysis)]
        sections = {title: blocks for title, blocks in sections.items() if blocks}
        if run.unknown:
            sections = own_labels.inserted(analysis, sections, folder, new, audited=audited)
    note = f"**{run.note}**\n\n" if run.note else ""
    head = f"# {render.literal(first.title)}\n\n{render.literal(first.about)}\n\n{note}"
    texts = [f"## {name}\n\n{render.document(blocks)}" for name, blocks in sections.items()]
    _text(new / "report.md", head + "\n".join(texts))
    browser.write(analysis, first, sections, new)
    return {"ranking": _plain(shown["ranking"], run), "answer": _answer(first, run)}


def no_truth(run: Run) -> bool:
    """Return whether no dataset of a run has clean labels."""
    return set(run.datasets) == set(run.unknown)


def _is_trend(drawn: Picture | str) -> bool:
    return isinstance(drawn, Picture) and drawn.stem == "trend"


def _plain(table: Table, run: Run) -> str:
    return "\n\n".join(filter(None, (render.plain(table), render.legend(table, run.words))))


def _answer(first: FirstScreen, run: Run) -> str:
    """Return title, summary and guide as a terminal shows them."""
    lines = [textwrap.fill(f"- {line}", WIDTH, subsequent_indent="  ") for line in first.summary]
    parts = [first.title, "\n".join(lines), *([_plain(first.guide, run)] if first.guide else [])]
    parts += [textwrap.fill(line, WIDTH) for line in first.beside]
    return "\n\n".join(parts)


def chosen(analysis: Analysis, paper: Paper, folder: Path) -> Analysis:
    """Return the analysis of what the figures show, in which every claim is that of the whole.

    Raises:
        RefusedError: ``folder`` does not have it.
    """
    cells = analysis.run.cells
    asked = {"method": paper.methods, "noise": paper.noises}
    known = {axis: {*cells[axis], *map(base, cells[axis])} for axis in asked}
    metrics = {"metric": paper.metrics}
    refuse_unknown(f"no cell of {folder}", asked | metrics, {**known, "metric": METRICS})
    if not paper.methods and not paper.noises:
        return analysis
    for axis, names in asked.items():
        if names:
            cells = cells[cells[axis].isin(names) | cells[axis].map(base).isin(names)]
    if cells.empty:
        raise RefusedError(f"no cell of {folder} has one of these methods and of these noises")
    return analysis.restricted(set(cells["method"]), set(cells["setting"]))


def _tables(analysis: Analysis, columns: Sequence[str] = ()) -> dict[str, Table]:
    """Return every table that is a file of its own, by the stem of its files.

    Args:
        analysis: what they are of.
        columns: those of the ranking that are printed.
    """
    ranking = tables.ranking(analysis)
    shown: dict[str, Table | None] = {"ranking": tables.with_columns(ranking, columns)}
    for metric in tables.BY_SETTING:
        stem = "settings" if metric == "acc" else f"settings_{metric}"
        shown[stem] = tables.by_setting(analysis, metric)
    if not analysis.run.unknown:  # the temperatures are compared with that of clean labels
        shown |= {name: scaled(analysis) for name, scaled in SCALED.items()}
    shown["ensembles"] = ensembles(analysis)
    shown["aggregate"] = tables.aggregate(analysis)
    shown["seeds"] = tables.neighbours(analysis)
    shown["probabilities"] = tables.probabilities(analysis)
    shown["datasets"] = tables.datasets(analysis)
    return {name: table for name, table in shown.items() if table is not None}


def printed(
    analysis: Analysis, shown: Mapping[str, Table], first: Sequence[Block | None]
) -> dict[str, Table]:
    """Return every table that is written as LaTeX: the others, guide, verdict and detection.

    Args:
        analysis: what they are of.
        shown: what is a file of its own.
        first: the guide, if there is one, and the parts of the verdict.
    """
    guide, *verdicts = first
    found = {"guide": guide, "detection": tables.detection(analysis)}
    tests = [block for block in verdicts if isinstance(block, Table)]
    found |= {f"verdict_{place + 1}": table for place, table in enumerate(tests)}
    return {**shown, **{name: own for name, own in found.items() if isinstance(own, Table)}}


def _csv(path: Path, numbers: pd.DataFrame, *, index: bool = False) -> None:
    numbers.to_csv(path, index=index, lineterminator="\n", float_format="%.12g")


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _figures(drawn: list[Picture | str]) -> list[Block]:
    """Return the figures, and why others are not there."""
    pictures = [each for each in drawn if isinstance(each, Picture)]
    absent = [each for each in drawn if isinstance(each, str)]
    if all(picture.stem == "coverage" for picture in pictures):
        absent = ["No cell finished, so there is nothing to draw but what was run."]
    return [*pictures, Words(render.bullets(absent))] if absent else [*pictures]


def _statistics(analysis: Analysis, shown: dict[str, Table]) -> list[Block]:
    """Return what all settings say, what datasets say, and what the seeds could have shown."""
    blocks: list[Block] = ["### Over all settings", shown["aggregate"]]
    blocks.append(Words(tables.over_settings(analysis)))
    if "probabilities" in shown:
        blocks += ["### How probably better", shown["probabilities"]]
    if "datasets" in shown:
        blocks += ["### One value for each dataset", shown["datasets"]]
    blocks.append("### What so many seeds can show")
    if "seeds" in shown:
        blocks.append(shown["seeds"])
    blocks.append(Words(tables.detectable(analysis)))
    blocks.append(
        "Every difference from a reference, with its tests and effect size, is in "
        "[differences.csv](differences.csv); a LaTeX macro looks up every number in "
        "[values.tex](values.tex), and the papers of the methods are in "
        "[references.bib](references.bib)."
    )
    return blocks


def _checks(analysis: Analysis) -> Table:
    """Return the checklist as a table, each item answered from the data."""
    items = checklist(analysis)
    words = {True: "yes", False: "no", None: "unknown"}
    text = pd.DataFrame(
        {"Holds": [words[i.holds] for i in items], "Evidence": [i.evidence for i in items]},
        index=pd.Index([item.statement for item in items], name="Statement"),
    )
    notes = (
        "Answered from the rows of this run. A no need not be a fault, but a paper should say so.",
    )
    table = unmarked(text, text, notes)
    table.marks.loc[(text["Holds"] != "yes").to_numpy(), "Holds"] = "best"
    return table


def _detection(analysis: Analysis, *, audited: bool) -> list[Block]:
    suspects = "The verb `suspects` lists the most doubtful labels and draws them."
    if audited:
        suspects = "The [most doubtful labels](../suspects/index.md), drawn for review."
    return [tables.detection(analysis) or "No score was kept.", suspects]


def _coverage(analysis: Analysis) -> list[Block]:
    run = analysis.run
    status = run.cells["status"].value_counts()
    finished = int(status.get("done", 0))
    planned = len(run.cells) if run.planned is None else run.planned
    others = "".join(f", {n} {s}" for s, n in sorted(status.items()) if s != "done")
    blocks: list[Block] = [f"{count(planned, 'cell')} planned, {finished} finished{others}."]
    if run.note:
        blocks.append(f"{capitalised(run.note)}: {planned - len(run.cells)} are missing.")
    faults = run.cells[run.cells["status"] != "done"]
    if len(faults):
        blocks.append(_faults(analysis, faults))
    return blocks


def _faults(analysis: Analysis, faults: pd.DataFrame) -> Table:
    shown = faults.sort_values(["method", "setting", "seed"]).head(_FAULTS_SHOWN)
    columns = {"Setting": "setting", "Seed": "seed", "Status": "status", "Reason": "reason"}
    text = pd.DataFrame({a: shown[b].astype(str).tolist() for a, b in columns.items()})
    rest = len(faults) - len(shown)
    notes = [f"and {rest} more in results.csv."] if rest else []
    return tables.labelled(analysis, unmarked(text.set_axis(shown["method"]), shown, notes))


def _protocol(analysis: Analysis) -> Words:
    run = analysis.run
    seeds = sorted(set(run.cells["seed"]))
    settings = f"{count(len(run.settings), 'setting')} ({', '.join(run.settings)})"
    paired = _PAIRED.format(noisy=run.words.noisy)
    lines = [
        f"Seeds: n = {len(seeds)} ({', '.join(map(str, seeds))}). {paired}",
        f"Settings: {settings}. {_rates(run)}",
        (
            f"Selection: the last epoch{_last_epochs(run)}; test labels choose nothing but columns "
            "marked so."
        ),
        f"Intervals: {100 * stats.LEVEL:.0f}% t intervals over seeds. {tables.INTERVALS}",
        _TESTS,
        _images(analysis),
        (
            f"Families, at {stats.ALPHA:g}. Confirmatory is what the suite asked before its run: "
            "all candidates against the reference in all settings, one family for each metric "
            f"({listing([run.words.metric(m).label for m in MARGINS])}), corrected by Holm (p). "
            "All else is exploratory: q (Benjamini-Hochberg) over all other pairs of methods of a "
            f"metric in a setting. Either takes {stats.FEWEST_PAIRS} pairs."
        ),
        (
            "Equivalent: two one-sided tests exclude a difference beyond "
            f"{listing(tables.margins(analysis))}, corrected likewise. Where neither is shown, no "
            "difference was detected, which does not say that there is none."
        ),
        _FLOOR,
        f"Metric definitions: {listing(sorted(set(run.cells['metric_spec'])))}.",
        *_origins(run),
    ]
    used = {look.family for look in analysis.looks.values()}
    meant = [f"{name}: {meaning}" for name, meaning in families().items() if name in used]
    if meant:
        lines.append(f"Families of methods, as figures colour them: {'; '.join(meant)}.")
    shown = ("gap_signed", "mem_frac", "clean_recovery")
    measured = [m for m in shown if run.last[m].notna().any() or not run.unknown]
    lines += [f"{m.label}: {m.meaning}." for m in map(run.words.metric, measured)]
    return Words(render.bullets(lines))


def _last_epochs(run: Run) -> str:
    """Return in brackets which epoch is the last, and where methods stop before it."""
    rows = run.last.dropna(subset=["epoch"])
    ends = rows["cell_id"].map(run.curves.groupby("cell_id")["epoch"].max())
    early = rows["epoch"] < ends
    told = [span(rows.loc[~early, "epoch"].astype(int))] if not early.all() else []
    if early.any():
        told.append(f"{span(rows.loc[early, 'epoch'].astype(int))} where a method stops itself")
    return f" ({'; '.join(told)})" if told else ""


def _images(analysis: Analysis) -> str:
    """Return what the intervals of some differences are over beside seeds."""
    tests = analysis.all_differences
    wider = tests[tests["over"] != claims.OVER_SEEDS]
    if wider.empty:
        return (
            "All intervals and tests are over seeds alone, so that they are of these test images: "
            "there is no pairs.csv of these runs, which takes parts."
        )
    against = listing([analysis.label(name) for name in analysis.run.pairs["reference"].unique()])
    head = f"Differences from {against}"
    if (wider["over"] == claims.OVER_SPLITS).all():
        return (
            f"{head}: each seed splits the dataset anew, so that test sets overlap, and the "
            "variance over seeds is multiplied by 1 + seeds x test images / training images "
            "(Nadeau and Bengio 2003). The column p_seeds of differences.csv is without it."
        )
    return (
        f"{head} have intervals and tests over seeds and test images together, which are crossed. "
        "The variance of a mean difference is that over seeds and that over images, less that of "
        "the rest, and no less than either; its degrees of freedom are the harmonic mean of those "
        "of seeds and of images, weighted by their shares of it. For the ECE, one of 50 groups of "
        "images is left out at a time. The column p_seeds of differences.csv is over seeds alone, "
        "as all other comparisons are."
    )


def _origins(run: Run) -> list[str]:
    """Return where hyper-parameters are from, and the settings of one set of labels for all."""
    profiles = sorted(set(run.cells["profile"]) - {"", "default"})
    lines = [f"Hyper-parameters: the profile {name}." for name in profiles]
    noisy = run.cells[run.cells["noisy"] & (run.cells["noise_sha256"] != "")]
    drawn = noisy.groupby("setting")[["seed", "noise_sha256"]].nunique()
    fixed = drawn[(drawn["seed"] > 1) & (drawn["noise_sha256"] == 1)].index
    if len(fixed):
        names = listing([name for name in run.settings if name in set(fixed)])
        lines.append(
            f"{run.words.one_set} for all seeds: {names}. Intervals there cover split, weights "
            f"and order, and not {run.words.not_varied}."
        )
    return lines


def _rates(run: Run) -> str:
    noisy = run.cells[run.cells["noisy"]].dropna(subset=["noise_rate_realised"])
    means = noisy.groupby("setting")["noise_rate_realised"].mean()
    said = [f"{name}: {100 * means[name]:.1f}%" for name in run.settings if name in means.index]
    return f"Realised noise rates: {', '.join(said)}." if said else run.words.none_wrong
