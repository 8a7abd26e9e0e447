"""Names that a user gave, in figures, tables and pages: shown as they are, whatever is in them."""

import re
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from matplotlib.text import Text

from benchmarks.catalogue import Facts
from benchmarks.report import browser, render, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import layout, pages
from benchmarks.report.looks import resolve
from benchmarks.report.phrases import printable
from benchmarks.report.render import Words
from benchmarks.report.venues import VENUES
from benchmarks.report.verdict import verdict
from tests.report.folders import Sweep, write

NAMES = {
    "dollars": "a$b$c $x_{",
    "signs": "50% #1 \\frac^2_~{}&<b>&lt;",
    "markup": "a|b `c` *d* _e_ [x](y) <i>",
    "lines": "one\ntwo\r\n\tthree\u2028four",
    "scripts": "\U0001f600 \u4e2d\u6587 \u05e2\u05d1\u05e8\u05d9\u05ea",
    "controls": "\x07\x00\x1b[31mred \ud800",
    "hidden": "_hidden",
    "empty": " \n ",
    "long": "very " * 60 + "long",
    "word": "x" * 300,
    "turned": "a\u202eb",
}
SOME = ("dollars", "markup", "controls", "long", "word", "hidden", "empty")
NOISE = "labels(file='$x_y$/50% #1&<b>|`a`/\u4e2d\u6587/" + "deep/" * 40 + "x.npy')"
VENUE = VENUES["neurips"]
FACTS = {f"plugin_{name}": Facts("early", label, *[""] * 7) for name, label in NAMES.items()}


def parsed(text):
    """The tree of a page that was made here."""
    return ET.fromstring(text)  # noqa: S314  nobody else wrote it


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A run whose methods and whose noise have names that mean something elsewhere."""
    methods = ("cross_entropy", "label_smoothing", *(f"plugin_{name}" for name in SOME))
    sweep = Sweep(methods=methods, noises=("clean", NOISE), seeds=3, epochs=1)
    run = load(write(tmp_path_factory.mktemp("names"), sweep))
    return Analysis(replace(run, facts=FACTS))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_one_line_that_every_medium_can_show(name):
    shown = printable(NAMES[name])
    assert shown == printable(shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert parsed(f"<a>{shown.replace('&', '').replace('<', '')}</a>") is not None
    assert resolve([f"plugin_{name}"], {}, FACTS)[f"plugin_{name}"].label.strip()


@pytest.mark.parametrize("kind", ["forest", "pareto", "memorisation", "seeds"])
def test_a_figure_shows_names_as_they_are(named, kind):
    with layout.paper_style(VENUE):
        drawn = [page for _, page in pages(named, VENUE, [kind])]
        assert drawn
        for page in drawn:
            page.figure.savefig(BytesIO(), format="pdf")
            page.figure.savefig(written := BytesIO(), format="svg")
            texts = page.figure.findobj(Text)
            assert not any(text.get_parse_math() for text in texts)
            if kind in {"forest", "pareto"}:
                words = " ".join(text.get_text() for text in texts)
                assert "a$b$c $x_{" in words
                assert "_hidden" in words
            assert max(page.figure.get_size_inches()) < 11
    parsed(written.getvalue())


def test_no_other_page_setting_reads_text_as_a_formula():
    with layout.paper_style(VENUE):
        assert mpl.rcParams["text.parse_math"] is False
        assert mpl.rcParams["text.usetex"] is False


@pytest.mark.parametrize("name", NAMES)
def test_markdown_and_html_show_a_name_as_it_is(name):
    shown = printable(NAMES[name])
    text = pd.DataFrame({"A": ["1", "2"]}, index=pd.Index([NAMES[name], "b"], name="Method"))
    table = replace(tables.unmarked(text, text, (f"A note on {NAMES[name]}.",)))
    rows = render.markdown(table).splitlines()[2:4]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    page = MarkdownIt("commonmark").enable("table").render(render.markdown(table))
    cells = [cell.text or "" for cell in parsed(f"<p>{page}</p>").iter("td")]
    assert cells == [shown, "1", "b", "2"]
    notes = [item.text for item in parsed(f"<p>{page}</p>").iter("li")]
    assert [printable(note) for note in notes] == [printable(f"A note on {NAMES[name]}.")]
    html = parsed(render.html(table))
    assert html.find(".//tbody/tr/th").text in {shown, None}


@pytest.mark.parametrize("name", NAMES)
def test_words_show_a_name_as_it_is(name):
    words = Words(f"- {printable(NAMES[name])}: +0.1 points, <0.01 (see below).")
    page = parsed(f"<p>{browser._html(words, None)}</p>")
    assert "".join(page.itertext()).strip() == words.removeprefix("- ").replace("  ", " ")
    assert [node.tag for node in page.iter()] == ["p", "ul", "li"]


def test_a_verdict_names_methods_as_they_are(named):
    text = render.document(verdict(named))
    page = browser.prose(text)
    assert "<em>" not in page
    assert "<code>" not in page
    assert "\x07" not in text
