"""One page for a browser: everything of a report in a file that needs no network."""

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from benchmarks.report.analysis import Analysis
from benchmarks.report.browser.data import embedded

HERE = Path(__file__).parent
TITLE = "Learning with noisy labels: benchmark report"

HEAVY = 600_000
"""Bytes from which a vector figure is shown as pixels instead."""


class Shown(NamedTuple):
    """A figure: the stem of its files, and what it shows in words."""

    stem: str
    caption: str


Content = str | Sequence[Shown | str]
"""Of a section: Markdown, or figures and Markdown."""


def write(analysis: Analysis, sections: Sequence[tuple[str, Content]], new: Path) -> None:
    """Write ``report.html`` beside the figures that it embeds.

    It works from the disk, without network, with a keyboard, on a phone and on paper; without
    JavaScript all but the leaderboard does. Scripts and styles are inline, and a policy in the page
    lets it load nothing.

    Args:
        analysis: the results.
        sections: title and body of each: Markdown, or figures in ``new / "figures"``.
        new: the folder of the report.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    shown = [
        {"id": _anchor(title), "title": title, "body": _safe(_body(content, new / "figures"))}
        for title, content in sections
    ]
    text = environment.get_template("report.html.j2").render(
        title=TITLE,
        note=analysis.run.note,
        sections=shown,
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
    """JSON that no browser takes for the end of its script."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _body(content: Content, folder: Path) -> str:
    parts = [content] if isinstance(content, str) else content
    return "\n".join(html_of(p) if isinstance(p, str) else _figure(p, folder) for p in parts)


def html_of(markdown: str) -> str:
    r"""Markdown of a report as HTML: tables scroll, and markup that a message brings is text.

    >>> html_of("a <ins>tie</ins> <b>")
    '<p>a <ins>tie</ins> &lt;b&gt;</p>\n'
    """
    text: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    text = re.sub(r"&lt;(/?ins)&gt;", r"<\1>", text)
    return text.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )


def _figure(shown: Shown, folder: Path) -> str:
    """One figure with its caption, embedded."""
    vector, pixels = (folder / f"{shown.stem}.{kind}" for kind in ("svg", "png"))
    light = vector.is_file() and vector.stat().st_size <= HEAVY
    path, kind = (vector, "svg+xml") if light else (pixels, "png")
    content = base64.b64encode(path.read_bytes()).decode()
    words = escape(shown.caption)
    return (
        f'<figure id="figure-{_anchor(shown.stem)}"><img alt="{words}" loading="lazy" '
        f'src="data:image/{kind};base64,{content}"><figcaption>{words}</figcaption></figure>'
    )
