"""One page for a browser: everything of a report in a file that needs no network."""

import base64
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup
from PIL import Image

from benchmarks.report import render
from benchmarks.report.analysis import Analysis
from benchmarks.report.browser.embedded import curves, embedded
from benchmarks.report.opening import FirstScreen
from benchmarks.report.render import Block, Picture, Words
from benchmarks.report.tables import Table

HERE = Path(__file__).parent

RANKED = "Ranking"
"""The section whose table becomes the leaderboard."""

LIBRARY = HERE / "vendored" / "dataTables.min.js"

SCRIPTS = [HERE / f"{name}.js" for name in ("means", "board", "controls", "tips")]
"""What the page does, in this order."""

HEAVY = 600_000
"""The size in bytes from which a vector figure is shown as pixels instead."""


def write(
    analysis: Analysis, first: FirstScreen, sections: Mapping[str, Sequence[Block]], new: Path
) -> None:
    """Write ``report.html`` beside the figures that it embeds.

    It works from the disk, without network, with a keyboard, on a phone and on paper; without
    JavaScript the table of the ranking is in place of the leaderboard. Scripts and styles are
    inline, and a policy in the page lets it load nothing.

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
    text = environment.get_template("report.html.j2").render(
        title=first.title,
        about=first.about,
        note=analysis.run.note,
        sections=[_section(title, blocks, new / "figures") for title, blocks in sections.items()],
        style=_read(HERE / "report.css"),
        script=_safe("\n".join(map(_read, SCRIPTS))),
        library=_read(LIBRARY),
        word=analysis.run.words.accuracy,
        data=_json(embedded(analysis)),
        curves=_json(curves(analysis.run)),
    )
    (new / "report.html").write_text(text, encoding="utf-8", newline="\n")


def _read(path: Path) -> Markup:
    return _safe(path.read_text(encoding="utf-8"))


def _safe(text: str) -> Markup:
    """Mark text as HTML that was made here, in which whatever a user brought is escaped."""
    return Markup(text)  # noqa: S704


def _section(title: str, blocks: Sequence[Block], folder: Path) -> dict[str, str | bool]:
    ranked = title == RANKED
    shown = "Leaderboard" if ranked else title
    body = "\n".join(_html(block, folder) for block in blocks)
    return {"id": _anchor(shown), "title": shown, "body": _safe(body), "ranked": ranked}


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _json(data: object) -> Markup:
    """Return JSON that no browser takes for the end of its script."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return _safe(text)


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
    """Return one figure, embedded in its own size, with its caption and links to its files."""
    vector, pixels = (folder / f"{picture.stem}.{kind}" for kind in ("svg", "png"))
    light = vector.is_file() and vector.stat().st_size <= HEAVY
    path, kind = (vector, "svg+xml") if light else (pixels, "png")
    content = base64.b64encode(path.read_bytes()).decode()
    with Image.open(pixels) as image:
        width, height = image.size
    name = f"figure-{_anchor(picture.stem)}"
    known = [k for k in ("pdf", "svg", "png", "csv") if (folder / f"{picture.stem}.{k}").is_file()]
    links = ", ".join(f'<a href="figures/{picture.stem}.{k}">{k.upper()}</a>' for k in known)
    return (
        f'<figure id="{name}"><div class="card"><img alt="{escape(_title(picture))}" '
        f'{_tips(picture)}width="{width}" height="{height}" loading="lazy" '
        f'src="data:image/{kind};base64,{content}"></div><figcaption>{escape(picture.caption)} '
        f'({links}) <a class="anchor" href="#{name}" aria-label="Link to this figure">¶</a>'
        f"</figcaption></figure>"
    )


def _tips(picture: Picture) -> str:
    """Return the attribute of an image with what its marks say, if they do."""
    if not picture.tips:
        return ""
    told = [(round(tip.x, 4), round(tip.y, 4), tip.text) for tip in picture.tips]
    text = escape(str(_json(told)), quote=False)
    text = text.replace("'", "&#39;")  # and not what JSON is full of
    return f"data-tips='{text}' "


def _title(picture: Picture) -> str:
    """Return how a caption begins, which is what the image is called."""
    return textwrap.shorten(picture.caption.partition(". ")[0], 120, placeholder="...")
