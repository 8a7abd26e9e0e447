"""The report itself: every file of it, written to an empty folder."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.report import (
    browser,
    crew,
    macros,
    provenance,
    render,
    statistics_tables,
    stats,
    tables,
)
from benchmarks.report.analysis import FEWEST_PAIRS, Analysis
from benchmarks.report.checklist import checklist
from benchmarks.report.data import Run, load
from benchmarks.report.figures import Drawn
from benchmarks.report.phrases import count, listing
from benchmarks.report.tables import Table
from benchmarks.report.venues import Venue
from benchmarks.report.verdict import JUDGED, verdict
from benchmarks.schema import METRICS

FIGURES = "Figures"
_FAULTS_SHOWN = 20
_PAIRED = (
    "Within a seed every method has the same noisy labels, initial weights and order of the data, "
    "so comparisons are paired."
)
_TESTS = (
    "Tests: two-sided paired t tests over seeds. At five pairs a Wilcoxon signed-rank test cannot "
    "fall below p = 0.0625, so it could not reach 0.05."
)
_FLOOR = (
    "ECE has 15 equal-width bins. A perfectly calibrated model does not reach 0 on a finite test "
    "set: its floor is drawn and quoted. Brier scores sum over classes (0 to 2)."
)


def write(folder: Path, new: Path, venue: Venue, processes: int) -> dict[str, str]:
    """Read ``folder``, write its report to ``new``, and return what a terminal shows of it."""
    analysis = Analysis(load(folder))
    new.mkdir()
    with crew.drawing(analysis, new / "figures", venue, processes) as drawn:
        return _write(analysis, folder, new, drawn)


def _write(
    analysis: Analysis, folder: Path, new: Path, waited: Callable[[], Drawn]
) -> dict[str, str]:
    run = analysis.run
    shown, words = _tables(analysis), verdict(analysis)
    for name, table in shown.items():
        _text(new / f"{name}.md", render.markdown(table))
        _text(new / f"{name}.tex", render.latex(table, name))
        _csv(new / f"{name}.csv", table.numbers, index=table.numbers.index.name is not None)
    _csv(new / "differences.csv", analysis.all_differences)
    _text(new / "values.tex", macros.latex(analysis))
    sections = [
        ("Verdict", words),
        ("Ranking", render.markdown(shown["ranking"])),
        ("Accuracy in each setting", render.markdown(shown["settings"])),
        ("ECE in each setting", render.markdown(shown["settings_ece"])),
        ("Statistics", _statistics(analysis, shown)),
        (FIGURES, ""),
        ("Finding the wrong labels", _detection(analysis, folder)),
        ("Coverage", _coverage(analysis)),
        ("What a reviewer asks first", _checks(analysis)),
        ("How the numbers were made", _protocol(run)),
        ("Provenance", provenance.sections(run)),
    ]
    drawn = waited()
    sections = [(a, b if a != FIGURES else _figures(drawn)) for a, b in sections]
    title = "# Report\n\n" + (f"**{run.note}**\n\n" if run.note else "")
    _text(new / "report.md", title + "\n".join(f"## {a}\n\n{b}" for a, b in sections))
    images = [browser.Shown(*pair) for pair in drawn.captions]
    embedded: browser.Content = [*images, *_absent(drawn)]
    pages: list[tuple[str, browser.Content]] = [
        (name, embedded if name == FIGURES else body) for name, body in sections
    ]
    browser.write(analysis, pages, new)
    return {"ranking": render.plain(shown["ranking"]), "verdict": words}


def _tables(analysis: Analysis) -> dict[str, Table]:
    """Every table that is a file of its own, by the stem of its files."""
    found = {"ranking": tables.ranking(analysis)}
    for metric in tables.BY_SETTING:
        stem = "settings" if metric == "acc" else f"settings_{metric}"
        found[stem] = tables.by_setting(analysis, metric)
    optional = {
        "aggregate": statistics_tables.aggregate(analysis),
        "seeds": statistics_tables.neighbours(analysis),
        "probabilities": statistics_tables.probabilities(analysis),
        "datasets": statistics_tables.datasets(analysis),
    }
    return found | {name: table for name, table in optional.items() if table is not None}


def _csv(path: Path, numbers: pd.DataFrame, *, index: bool = False) -> None:
    numbers.to_csv(path, index=index, lineterminator="\n", float_format="%.12g")


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _absent(drawn: Drawn) -> list[str]:
    """Why figures are not there."""
    if not any(stem != "coverage" for stem, _ in drawn.captions):
        return ["No cell finished, so there is nothing to draw but what was run."]
    return [f"{name} is not drawn. {reason}" for name, reason in drawn.absent]


def _figures(drawn: Drawn) -> str:
    shown = [
        f"![{name}](figures/{name}.png)\n\n{caption} "
        f"([PDF](figures/{name}.pdf), [SVG](figures/{name}.svg), [numbers](figures/{name}.csv))\n"
        for name, caption in drawn.captions
    ]
    return "\n".join([*shown, *(f"- {reason}" for reason in _absent(drawn))]).rstrip() + "\n"


def _statistics(analysis: Analysis, shown: dict[str, Table]) -> str:
    """Over all settings, over datasets, and what the seeds could have shown."""
    parts = ["### Over all settings", render.markdown(shown["aggregate"])]
    parts.append(statistics_tables.over_settings(analysis))
    if "probabilities" in shown:
        parts += ["### How probably better", render.markdown(shown["probabilities"])]
    if "datasets" in shown:
        parts += ["### One value for each dataset", render.markdown(shown["datasets"])]
    parts.append("### What so many seeds can show")
    if "seeds" in shown:
        parts.append(render.markdown(shown["seeds"]))
    parts.append(statistics_tables.detectable(analysis))
    parts.append(
        "Every difference from a reference, with its tests and effect size, is in "
        "[differences.csv](differences.csv); every number is a LaTeX macro in "
        "[values.tex](values.tex).\n"
    )
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def _checks(analysis: Analysis) -> str:
    """The checklist as a table, each item answered from the data."""
    items = checklist(analysis)
    text = pd.DataFrame(
        {"Holds": [i.answer for i in items], "Evidence": [i.evidence for i in items]},
        index=pd.Index([item.statement for item in items], name="Statement"),
    )
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    marks.loc[(text["Holds"] != "yes").to_numpy(), "Holds"] = "best"
    notes = ("Answered from the rows of this run. A no is not a fault, but must be said.",)
    return render.markdown(Table(text, marks, text, notes))


def _detection(analysis: Analysis, folder: Path) -> str:
    table = tables.detection(analysis)
    text = "No score was kept.\n" if table is None else render.markdown(table)
    if (folder / "suspects" / "index.md").is_file():
        return f"{text}\nThe [most doubtful labels](../suspects/index.md), drawn for review.\n"
    return f"{text}\n`run_all.py suspects` lists the most doubtful labels and draws them.\n"


def _coverage(analysis: Analysis) -> str:
    run = analysis.run
    status = run.cells["status"].value_counts()
    finished = int(status.get("done", 0))
    planned = len(run.cells) if run.planned is None else run.planned
    lines = [f"{count(planned, 'cell')} planned, {finished} finished"]
    lines[0] += "".join(f", {n} {s}" for s, n in sorted(status.items()) if s != "done") + "."
    if run.note:
        lines.append(
            f"{run.note[0].upper()}{run.note[1:]}: {planned - len(run.cells)} are missing."
        )
    faults = run.cells[run.cells["status"] != "done"]
    if len(faults):
        lines.append(render.markdown(_faults(analysis, faults)))
    return "\n\n".join(lines).rstrip() + "\n"


def _faults(analysis: Analysis, faults: pd.DataFrame) -> Table:
    shown = faults.sort_values(["method", "setting", "seed"]).head(_FAULTS_SHOWN)
    labels = pd.Index([analysis.label(str(method)) for method in shown["method"]], name="Method")
    columns = {"Setting": "setting", "Seed": "seed", "Status": "status", "Reason": "reason"}
    text = pd.DataFrame({a: shown[b].astype(str).tolist() for a, b in columns.items()})
    marks = pd.DataFrame("", index=text.index, columns=text.columns)
    rest = len(faults) - len(shown)
    notes = (f"and {rest} more in results.csv.",) if rest else ()
    return Table(text.set_axis(labels), marks, shown, notes)


def _protocol(run: Run) -> str:
    seeds = sorted(set(run.cells["seed"]))
    lasting = sorted({int(epoch) for epoch in run.last["epoch"].dropna()})
    settings = f"{count(len(run.settings), 'setting')} ({', '.join(run.settings)})"
    epochs = f" (epoch {listing([str(epoch) for epoch in lasting])})" if lasting else ""
    lines = [
        f"Seeds: n = {len(seeds)} ({', '.join(map(str, seeds))}). {_PAIRED}",
        f"Settings: {settings}. {_rates(run)}",
        f"Selection: the last epoch{epochs}; test labels choose nothing but columns marked so.",
        f"Intervals: {100 * stats.LEVEL:.0f}% t intervals over seeds; none below two seeds.",
        _TESTS,
        _families(run),
        _FLOOR,
        f"Metric definitions: {listing(sorted(set(run.cells['metric_spec'])))}.",
        *_origins(run),
    ]
    shown = ("gap_signed", "mem_frac", "clean_recovery")
    lines += [f"{METRICS[m].label}: {METRICS[m].meaning}." for m in shown]
    return "\n".join(f"- {line}" for line in lines) + "\n"


def _origins(run: Run) -> list[str]:
    """Say whence hyper-parameters are, and which settings have one set of labels for all seeds."""
    profiles = sorted(set(run.cells["profile"]) - {"", "default"})
    lines = [f"Hyper-parameters: the profile {name}." for name in profiles]
    noisy = run.cells[run.cells["noisy"] & (run.cells["noise_sha256"] != "")]
    drawn = noisy.groupby("setting")[["seed", "noise_sha256"]].nunique()
    fixed = drawn[(drawn["seed"] > 1) & (drawn["noise_sha256"] == 1)].index
    if len(fixed):
        names = listing([name for name in run.settings if name in set(fixed)])
        lines.append(
            f"One set of wrong labels for all seeds: {names}. Intervals there cover split, weights "
            "and order, and not the noise."
        )
    return lines


def _families(run: Run) -> str:
    rivals = count(max(len(run.methods) - 1, 0), "comparison")
    return (
        f"Families: Holm's adjustment at {stats.ALPHA:g}. In each column of the ranking and of "
        f"the table of settings: {rivals} with its best. In the verdict: one family of up to "
        f"{count(len(run.settings), 'setting')} for each of {listing([*JUDGED, 'ece'])}, "
        f"from {FEWEST_PAIRS} pairs a setting."
    )


def _rates(run: Run) -> str:
    noisy = run.cells[run.cells["noisy"]].dropna(subset=["noise_rate_realised"])
    means = noisy.groupby("setting")["noise_rate_realised"].mean()
    said = [f"{name}: {100 * means[name]:.1f}%" for name in run.settings if name in means.index]
    return f"Realised noise rates: {', '.join(said)}." if said else "No labels were corrupted."
