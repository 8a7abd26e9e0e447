"""The page in a real browser: sorted, filtered, and read back against the CSV files."""

import json
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.report import browser, build
from benchmarks.report.analysis import Analysis
from benchmarks.report.browser import embedded
from benchmarks.report.data import load
from benchmarks.report.tables import unmarked
from benchmarks.schema import METRICS
from tests.report.folders import MACHINES, SIX, Sweep, analysed, stamp, write

SMALL = Sweep(methods=SIX[:4], noises=("clean", "symmetric(rate=0.4)"), seeds=3, epochs=4)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = stamp(write(tmp_path_factory.mktemp("small"), SMALL))
    build(folder)
    return folder


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as running:
        started = running.chromium.launch(executable_path=path, args=[*QUIET])
        yield started
        started.close()


@pytest.fixture
def page(chromium, folder):
    opened = chromium.new_page()
    faults, requests = [], []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto((folder / "report" / "report.html").resolve().as_uri())
    yield opened
    assert faults == []
    assert all(url.startswith(("file:", "data:")) for url in requests)
    opened.close()


def shown(page):
    """The rows of the leaderboard as texts."""
    rows = page.locator("#board tbody tr[data-row]").all()
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]


def expected(folder, selection="last"):
    rows = pd.read_csv(folder / "results.csv")
    rows = rows[rows["selection"] == selection]
    return rows.groupby(["noise", "method"])["acc"].agg(["mean", "std", "count"])


def test_the_numbers_are_those_of_the_csv(page, folder):
    table, rows = expected(folder), shown(page)
    assert len(rows) == len(table) == 8
    looks = Analysis(load(folder)).looks
    for (noise, method), (mean, sd, n) in zip(table.index, table.to_numpy(), strict=True):
        wanted = "clean" if noise == "clean" else "symmetric 40%"
        (row,) = [r for r in rows if r[0] == looks[method].label and r[1].endswith(wanted)]
        half = 4.302652729911275 * sd / 3**0.5  # the quantile .975 of t with two degrees of freedom
        assert row[2] == str(int(n))
        assert row[3] == f"{100 * mean:.1f} ± {100 * half:.1f}"


def test_a_head_sorts_up_and_down_and_says_so(page):
    button = page.locator("#board th[data-column] button", has_text="Accuracy (%)").first
    button.click()
    means = [float(row[3].partition(" ")[0]) for row in shown(page)]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) > 1
    head = page.locator("#board th", has_text="Accuracy (%)").first
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")  # the button keeps the focus
    means = [float(row[3].partition(" ")[0]) for row in shown(page)]
    assert means == sorted(means)
    assert head.get_attribute("aria-sort") == "ascending"


def test_filters_leave_what_they_name(page, folder):
    page.select_option("#noise", "symmetric 40%")
    assert {row[1] for row in shown(page)} == {"digits, symmetric 40%"}
    page.select_option("#method", "gce")
    assert len(shown(page)) == 1
    page.select_option("#noise", "")
    assert len(shown(page)) == 2
    page.select_option("#selection", "oracle")
    assert "clean knowledge" in page.locator("#said").inner_text()
    mean = expected(folder, "oracle")["mean"][("clean", "gce")]
    assert shown(page)[0][3].startswith(f"{100 * mean:.1f} ±")


def test_metrics_can_be_chosen(page):
    page.locator("#columns summary").click()
    before = len(shown(page)[0])
    page.locator("#metrics input[value=ece_em]").check()
    assert len(shown(page)[0]) == before + 1
    page.locator("#metrics input[value=acc]").uncheck()
    heads = page.locator("#board th").all_inner_texts()
    assert "Accuracy (%)" not in [text.strip() for text in heads]


def test_a_row_opens_to_its_runs(page, folder):
    page.locator("#board [data-row] button").first.click()
    runs = page.locator("#board .runs tbody tr")
    assert runs.count() == 3
    results = pd.read_csv(folder / "results.csv").query("selection == 'last'")
    for row in runs.all():
        seed, cell, status, acc, *_ = (text.strip() for text in row.locator("td").all_inner_texts())
        (known,) = results[results["cell_id"] == cell].to_dict("records")
        assert (int(seed), status) == (known["seed"], known["status"])
        assert acc == f"{100 * known['acc']:.1f}"
        assert row.locator("svg path").count() in {1, 2}
    page.keyboard.press("Enter")
    assert runs.count() == 0


def test_every_figure_is_drawn_and_nothing_is_wider_than_a_phone(page):
    images = page.locator("figure img")
    assert images.count() >= 5
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") > 100
        assert image.get_attribute("alt")
    page.set_viewport_size({"width": 360, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for table in page.locator("section .wide > table").all():  # the first column stays in place
        assert table.locator("td:first-child").first.bounding_box()["width"] <= 180


def test_provenance_is_read_back_as_it_was_recorded(page, folder):
    section = page.locator("#provenance")
    tables = [
        [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in table]
        for table in (t.locator("tbody tr").all() for t in section.locator("table").all())
    ]
    costs = pd.read_csv(folder / "costs.csv")
    machines, software = tables
    for row, known in zip(machines, MACHINES, strict=True):
        own = costs[costs["host"] == known["host"]]
        assert row[:6] == [*map(str, known.values()), str(len(own))]
        assert row[6] == f"{own['train_seconds'].sum() / 60:.1f} min"
        assert row[-1] == own["finished_utc"].max()[:16].replace("T", " ")
    assert {row[0] for row in software} == set(costs["commit"])
    assert sum(int(row[-1]) for row in software) == len(costs) == 24


def test_paper_gets_the_tables_without_the_controls(page):
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert page.locator("#board tbody tr").first.is_visible()
    assert page.locator("#verdict").is_visible()


def test_the_page_needs_no_other_file(folder):
    text = (folder / "report" / "report.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert {link.partition(":")[0] for link in links if not link.startswith("#")} <= {
        *("data", "differences.csv", "values.tex", "../suspects/index.md"),
    }


def test_what_a_message_brings_stays_text(tmp_path):
    bad = "</script><script>alert(1)</script><img src=x>"

    analysis = analysed(tmp_path, replace(SMALL, alter=lambda row: row | {"reason": bad}))
    (tmp_path / "new").mkdir()
    text = pd.DataFrame({bad: [bad]}, index=[bad])
    blocks = [bad, unmarked(text, text, (bad,))]
    browser.write(analysis, {"Coverage": blocks}, tmp_path / "new")
    text = (tmp_path / "new" / "report.html").read_text()
    assert text.count("<script") == 2
    assert "<img" not in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1)
    assert bad in {cell[5] for cell in json.loads(data)["cells"]}


def test_the_embedded_metrics_explain_themselves(folder):
    data = embedded(Analysis(load(folder)))
    assert data["metrics"]
    for metric in data["metrics"]:
        assert METRICS[metric["id"]].meaning == metric["meaning"]
