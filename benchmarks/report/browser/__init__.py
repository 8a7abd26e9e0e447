"""One page for a browser: everything of a report in a file that needs no network."""

import base64
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from benchmarks.report import render
from benchmarks.report.analysis import Analysis
from benchmarks.report.browser.leaderboard import embedded
from benchmarks.report.render import Block, Picture
from benchmarks.report.tables import Table

HERE = Path(__file__).parent
TITLE = "Learning with noisy labels: benchmark report"

HEAVY = 600_000
"""The size in bytes from which a vector figure is shown as pixels instead."""


def write(analysis: Analysis, sections: Sequence[tuple[str, Sequence[Block]]], new: Path) -> None:
    """Write ``report.html`` beside the figures that it embeds.

    It works from the disk, without network, with a keyboard, on a phone and on paper; without
    JavaScript all but the leaderboard does. Scripts and styles are inline, and a policy in the page
    lets it load nothing.

    Args:
        analysis: the results.
        sections: title and parts of each; the figures are in ``new / "figures"``.
        new: the folder of the report.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    bodies = [
        (title, "\n".join(_html(block, new / "figures") for block in blocks))
        for title, blocks in sections
    ]
    text = environment.get_template("report.html.j2").render(
        title=TITLE,
        note=analysis.run.note,
        sections=[{"id": _anchor(t), "title": t, "body": _safe(body)} for t, body in bodies],
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
        return f"{render.html(block)}\n{prose(render.bullets(block.notes))}"
    if isinstance(block, Picture):
        return _figure(block, folder)
    return prose(block)


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
