"""One page for a browser: everything of a report in a file that needs no network."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmarks.report import render, stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import ARENA, Run
from benchmarks.report.looks import base
from benchmarks.report.opening import FirstScreen
from benchmarks.report.phrases import possible
from benchmarks.report.render import Block, Picture, Words
from benchmarks.report.tables import Table
from benchmarks.schema import METRICS, SELECTIONS

HERE = Path(__file__).parent
ANSWER = ("Summary", "Guide")
"""The sections that stand before the leaderboard."""

HEAVY = 600_000
"""The size in bytes from which a vector figure is shown as pixels instead."""

HEADLINE = ("acc", "nll", "brier", "ece", "aurc", "mem_frac")
"""The metrics that are shown before anything is chosen, and of every run."""

POINTS = 40
"""The most epochs of a small curve; longer ones are thinned."""

MOST_CELLS = 20_000
"""The most runs that are listed one by one; with more the page would grow beyond 15 MB."""

MEANING = {
    "last": "the last epoch: the headline.",
    "val": "the epoch with the best accuracy on held-out noisy labels.",
    "oracle": "the epoch with the best test accuracy: clean knowledge, for comparison only.",
    "last10": "mean over the last ten epochs.",
}


def write(
    analysis: Analysis, first: FirstScreen, sections: Mapping[str, Sequence[Block]], new: Path
) -> None:
    """Write ``report.html`` beside the figures that it embeds.

    It works from the disk, without network, with a keyboard, on a phone and on paper; without
    JavaScript all but the leaderboard does. Scripts and styles are inline, and a policy in the page
    lets it load nothing.

    Args:
        analysis: the results.
        first: the title, and what was trained on what.
        sections: the parts of each by its title; the figures are in ``new / "figures"``.
        new: the folder of the report.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    bodies = {
        title: _safe("\n".join(_html(block, new / "figures") for block in blocks))
        for title, blocks in sections.items()
    }
    parts = [{"id": _anchor(t), "title": t, "body": body} for t, body in bodies.items()]
    text = environment.get_template("report.html.j2").render(
        title=first.title,
        about=first.about,
        note=analysis.run.note,
        answer=[part for part in parts if part["title"] in ANSWER],
        sections=[part for part in parts if part["title"] not in ANSWER],
        style=_safe((HERE / "report.css").read_text(encoding="utf-8")),
        script=_safe((HERE / "report.js").read_text(encoding="utf-8")),
        data=_safe(_json(embedded(analysis))),
    )
    (new / "report.html").write_text(text, encoding="utf-8", newline="\n")


def _safe(text: str) -> Markup:
    """Mark text as HTML that was made here, in which whatever a user brought is escaped."""
    return Markup(text)  # noqa: S704


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _json(data: object) -> str:
    """Return JSON that no browser takes for the end of its script."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _html(block: Block, folder: Path) -> str:
    if isinstance(block, Table):
        return f"{render.html(block)}\n{prose(render.notes(block))}"
    if isinstance(block, Picture):
        return _figure(block, folder)
    return prose(render.literal_lines(block) if isinstance(block, Words) else block)


def prose(markdown: str) -> str:
    r"""Return Markdown as HTML, in which markup that a message brings is text.

    >>> prose("a **b** <b>")
    '<p>a <strong>b</strong> &lt;b&gt;</p>\n'
    """
    return str(MarkdownIt("commonmark", {"html": False}).render(markdown))


def _figure(picture: Picture, folder: Path) -> str:
    """Return one figure with its caption, embedded."""
    vector, pixels = (folder / f"{picture.stem}.{kind}" for kind in ("svg", "png"))
    light = vector.is_file() and vector.stat().st_size <= HEAVY
    path, kind = (vector, "svg+xml") if light else (pixels, "png")
    content = base64.b64encode(path.read_bytes()).decode()
    words = escape(picture.caption)
    return (
        f'<figure id="figure-{_anchor(picture.stem)}"><img alt="{words}" loading="lazy" '
        f'src="data:image/{kind};base64,{content}"><figcaption>{words}</figcaption></figure>'
    )


def embedded(analysis: Analysis) -> dict[str, Any]:
    """Return the numbers of the page's leaderboard, to five significant digits.

    ``rows``: setting, method and selection by place in their lists, seeds, means, half widths of
    95% t intervals by metric. ``cells``: see ``report.js``.
    """
    run = analysis.run
    ids = [m for m in METRICS if run.results[m].notna().any()]
    looks = analysis.looks
    full = run.cells.drop_duplicates("method").set_index("method")["method_spec"]
    chosen = [s for s in SELECTIONS if len(run.at(s))]
    return {
        "metrics": [
            {k: getattr(METRICS[m], k) for k in ("id", "label", "better", "percent", "meaning")}
            | {"ends": _short([*possible(m)])}
            for m in ids
        ],
        "shown": [m for m in HEADLINE if m in ids],
        "cellMetrics": [ids.index(m) for m in HEADLINE if m in ids],
        "selections": [{"id": s, "meaning": MEANING[s]} for s in chosen or ["last"]],
        "methods": [
            {
                "base": base(method),
                "label": looks[method].label,
                "colour": looks[method].colour,
                "full": str(full[method]),
            }
            for method in run.methods
        ],
        "settings": _settings(run),
        "rows": [row for place, s in enumerate(chosen) for row in _rows(run, s, place, ids)],
        "cells": _cells(run, [m for m in HEADLINE if m in ids]),
    }


def _settings(run: Run) -> list[dict[str, str]]:
    rows = run.results.drop_duplicates("setting").to_dict("records")
    first = {row["setting"]: {key: str(row[key]) for key in (*ARENA, "panel")} for row in rows}
    return [
        {
            "name": f"{first[name]['dataset']}, {first[name]['panel']}",
            "dataset": ", ".join(first[name][key] for key in ARENA),
            "noise": first[name]["panel"],
        }
        for name in run.settings
    ]


def _rows(run: Run, selection: str, place: int, ids: list[str]) -> list[list[Any]]:
    """Return means over seeds of one selection, in the order of settings and methods."""
    groups = run.at(selection).groupby(["setting", "method"], sort=False)
    count, mean, sd = groups[ids].count(), groups[ids].mean(), groups[ids].std()
    half = stats.half_widths(sd.to_numpy(np.float64), count.to_numpy(np.float64))
    settings, methods = _places(run.settings), _places(run.methods)
    rows = [
        [settings[setting], methods[method], place, int(n), _short(means), _short(halves)]
        for (setting, method), n, means, halves in zip(
            mean.index, groups.size(), mean.to_numpy().tolist(), half.tolist(), strict=True
        )
    ]
    return sorted(rows, key=lambda row: row[:2])


def _places(names: Sequence[str]) -> dict[str, int]:
    return {name: place for place, name in enumerate(names)}


def _cells(run: Run, ids: list[str]) -> list[list[Any]]:
    """Return each run, in the order of the run's settings and methods.

    A run has its setting, method, seed, id, status, reason, noise, labels, seconds, values, and
    curves. The curves are test accuracy and memorised share, in thousandths.
    """
    if len(run.cells) > MOST_CELLS:
        return []
    seconds = dict(zip(run.costs["cell_id"], run.costs["train_seconds"], strict=True))
    curves: dict[str, list[list[int | None]]] = {}
    for name, rows in run.curves.dropna(subset="acc").groupby("cell_id"):  # evaluated epochs
        drawn = ("acc", "mem_frac") if rows["noisy"].iloc[0] else ("acc",)
        curves[str(name)] = [_curve(rows[metric]) for metric in drawn]
    last = run.results[run.results["selection"] == "last"].drop_duplicates("cell_id")
    settings, methods = _places(run.settings), _places(run.methods)
    cells = [
        [
            settings[row["setting"]],
            methods[row["method"]],
            int(row["seed"]),
            row["cell_id"],
            row["status"],
            row["reason"],
            *_short([row["noise_rate_realised"]]),
            str(row["noise_sha256"])[:8],
            *_short([float(seconds.get(row["cell_id"], np.nan))]),
            _short([float(row[m]) for m in ids]),
            curves.get(row["cell_id"]),
        ]
        for row in last.to_dict("records")
    ]
    return sorted(cells, key=lambda cell: cell[:3])


def _curve(values: pd.Series) -> list[int | None]:
    """Return at most ``POINTS`` values of a curve, its ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    thinned = values.to_numpy(np.float64)[places].tolist()
    return [None if v != v else round(1000 * v) for v in thinned]  # noqa: PLR0124


def _short(values: list[float]) -> list[float | None]:
    """Return five significant digits of each value; nothing for what is not a number."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
