"""The page in a real browser: sorted, filtered, opened, saved, and read back against the tables."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

from benchmarks.catalogue import catalogue
from benchmarks.report import browser, build, claims, render, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.browser.embedded import GROUPS, MEASURES, embedded
from benchmarks.report.data import load
from benchmarks.report.opening import first_screen
from benchmarks.report.tables import unmarked
from benchmarks.report.vocabulary import KNOWN
from benchmarks.schema import METRICS
from tests.report.folders import MACHINES, SIX, Sweep, analysed, stamp, write

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
NOISES = ("clean", "symmetric(rate=0.4)", "asymmetric(rate=0.4)")
LOST = ("gce", "symmetric(rate=0.4)", 2)


def without_one(row):
    """A run that diverged: its seed counts in no mean over all settings."""
    if (row["method"], row["noise"], row["seed"]) != LOST:
        return row
    return row | dict.fromkeys(METRICS) | {"status": "diverged", "reason": "loss is nan"}


SMALL = Sweep(methods=SIX[:4], noises=NOISES, seeds=3, epochs=4, alter=without_one)
TINY = Sweep(methods=SIX[:2], noises=NOISES[:1], seeds=1, epochs=1)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
BLANK = "\N{EN DASH}"
MARKS = {"STRONG": "best", "INS": "equivalent", "EM": "open", "SPAN": ""}
PER_IMAGE = {"cross_entropy": (1, 1), "label_smoothing": (1, 1), "gce": (1, 1)}
"""Passes per image and epoch; those of the fourth method, ``reweighting``, are two and one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = stamp(write(tmp_path_factory.mktemp("small"), SMALL))
    costs, results = (pd.read_csv(folder / f"{name}.csv") for name in ("costs", "results"))
    methods = results.drop_duplicates("cell_id").set_index("cell_id")["method"]
    passes = [PER_IMAGE.get(methods[cell], (2, 1)) for cell in costs["cell_id"]]
    costs["forward_passes"], costs["backward_passes"] = (
        [1000 * SMALL.epochs * own[k] for own in passes] for k in (0, 1)
    )
    costs.to_csv(folder / "costs.csv", index=False)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def analysis(folder):
    return Analysis(load(folder))


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


@pytest.fixture(scope="module")
def tab(chromium):
    opened = chromium.new_page()
    opened.faults, opened.requests = [], []
    opened.on("pageerror", lambda error: opened.faults.append(str(error)))
    opened.on("console", lambda message: opened.faults.append(message.text))
    opened.on("request", lambda request: opened.requests.append(request.url))
    return opened


@pytest.fixture
def page(tab, folder):
    """The page, loaded anew, as on a wide screen."""
    tab.set_viewport_size({"width": 1400, "height": 900})
    tab.emulate_media(media="screen", color_scheme="light")
    tab.goto("about:blank")  # a new hash alone would load nothing
    tab.goto(address(folder))
    yield tab
    assert tab.faults == []
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in tab.requests)


def address(folder):
    return (folder / "report" / "report.html").resolve().as_uri()


ROWS = """rows => rows.map(row => Array.from(row.cells, cell => [
  cell.innerText.trim().replace(/^[▸▾]\\s*/, ""),
  cell.querySelector("strong, ins, em, span:not(.swatch)")?.tagName ?? "",
  Boolean(cell.querySelector(".out")),
]))"""


def shown(page, rows="tbody tr:not(.setting):not(.runs)"):
    """The rows of the leaderboard by their names: of each column its text and its mark."""
    heads = page.locator("#board thead tr:last-child th").all_inner_texts()
    table = page.locator(f"#board {rows}").evaluate_all(ROWS)
    names = [head.strip() for head in heads]
    return {
        row[1][0]: {
            name: (text, "out" if out else MARKS.get(tag, ""))
            for name, (text, tag, out) in zip(names, row, strict=True)
        }
        for row in table
    }


def entries(table, column):
    """What a table of the report says in a column: of each method its text and its mark."""
    texts = [re.sub(r" / .*| \[\d/\d\]$", "", text) for text in table.text[column]]
    return dict(zip(table.text.index, zip(texts, table.marks[column], strict=True), strict=True))


def column(rows, name):
    return {label: row[name] for label, row in rows.items()}


def choose(page, name, *values):
    picker = page.locator(f"details[data-filter={name}]")
    picker.locator("summary").click()
    for value in values:
        picker.locator(f"input[value='{value}']").click()
    page.keyboard.press("Escape")


def add_column(page, *names):
    page.locator("#columns summary").click()
    for name in names:
        page.locator(f"#columns input[value={name}]").click()
    page.keyboard.press("Escape")


SAME = {"Accuracy (%)": "Accuracy %", "NLL": "NLL", "ECE (%)": "ECE %"}


def test_it_opens_as_the_ranking_of_the_report_with_its_numbers_and_marks(page, analysis):
    ranking, rows = tables.ranking(analysis), shown(page)
    assert list(rows) == list(ranking.text.index)
    for ours, theirs in SAME.items():
        assert column(rows, ours) == entries(ranking, theirs)
    memorised = {
        label: text.partition(" ")[0] for label, (text, _) in column(rows, "Memorised (%)").items()
    }
    assert memorised == dict(ranking.text["Memorised %"])
    words = {"best": "best", "equivalent": "equivalent", "open": "not resolved", "": "worse"}
    words["out"] = "lost runs or chance"
    for label, (text, _) in column(rows, "Beside the best").items():
        assert text == words[ranking.marks.loc[label, "Accuracy %"]]
    assert {row["Place"][0].partition(" ")[0] for row in rows.values()} == set("1234")
    costs = {analysis.label(m): f"{cost:.2f}" for m, cost in analysis.costs["cost"].items()}
    assert {label: text for label, (text, _) in column(rows, "Cost").items()} == costs
    assert set(costs.values()) == {"1.00", "1.33"}
    seeds = {analysis.label(m): str(n) for m, n in analysis.ranking["seeds"].items()}
    assert {label: text for label, (text, _) in column(rows, "n").items()} == seeds
    assert seeds["GCE"] == "2"  # of 3
    assert column(rows, "Paper")["GCE"][0] == "Zhang & Sabuncu, NeurIPS 2018"
    assert (
        page.locator("#board a", has_text="NeurIPS 2018")
        .get_attribute("href")
        .startswith("https://arxiv.org/")
    )


def test_a_method_opens_to_its_settings_and_a_setting_to_its_runs(page, folder, analysis):
    page.locator("#board button.open", has_text="GCE").click()
    rows = shown(page, "tr.setting")
    for metric, ours in (("acc", "Accuracy (%)"), ("ece", "ECE (%)"), ("nll", "NLL")):
        table = tables.by_setting(analysis, metric)
        for setting, row in rows.items():
            assert row[ours] == entries(table, setting)["GCE"]
    assert list(rows) == list(analysis.run.settings)
    for _ in "paper", *rows:  # from the method to its last setting
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    runs = page.locator("#board .runs tbody tr")
    results = pd.read_csv(folder / "results.csv").query("selection == 'last'").set_index("cell_id")
    assert runs.count() == 3
    for row in runs.all():
        seed, acc, *_, status, _, _, cell, _ = row.locator("td").all_inner_texts()
        known = results.loc[cell]
        assert (int(seed), status.partition(":")[0]) == (known["seed"], known["status"])
        assert acc == (BLANK if status != "done" else f"{100 * known['acc']:.1f}")
        assert row.locator("svg path").count() == (2 if status == "done" else 0)
    assert "diverged: loss is nan" in runs.nth(2).inner_text()
    page.keyboard.press("Enter")  # the button keeps the focus
    assert runs.count() == 0


def sorted_by(page, name, way):
    """The rows, once the heading says that it sorts them this way."""
    page.locator(f"#board th[aria-sort={way}]", has_text=name).wait_for()
    return shown(page)


def test_a_head_sorts_up_and_down_and_leaves_what_has_no_value_last(page):
    page.locator("#board th", has_text="NLL").locator("[role=button]").click()
    values = [text for text, _ in column(sorted_by(page, "NLL", "ascending"), "NLL").values()]
    assert values == sorted(values)
    assert len(set(values)) == 4
    page.keyboard.press("Enter")  # the button keeps the focus
    rows = sorted_by(page, "NLL", "descending")
    assert [text for text, _ in column(rows, "NLL").values()] == values[::-1]
    page.locator("#board th", has_text="Paper").locator("[role=button]").click()
    for way in "ascending", "descending":
        assert list(sorted_by(page, "Paper", way))[-1] == "Cross-entropy (hard labels)"
        page.keyboard.press("Enter")


def test_filters_leave_what_they_name_and_only_tested_choices_have_marks(page, analysis):
    choose(page, "noise", "symmetric 40%")
    one = tables.by_setting(analysis, "acc")
    assert column(shown(page), "Accuracy (%)") == entries(one, "symmetric 40%")
    choose(page, "noise", "asymmetric 40%")
    last = analysis.run.last.query("noisy")
    seeds = last.pivot_table("acc", ["method", "seed"], "setting").dropna().mean(axis=1)
    means = {analysis.label(m): f"{100 * v:.1f}" for m, v in seeds.groupby("method").mean().items()}
    rows = shown(page)
    assert {
        label: text.partition(" ")[0] for label, (text, _) in column(rows, "Accuracy (%)").items()
    } == means
    assert {mark for row in rows.values() for _, mark in row.values()} == {""}
    assert "[" not in "".join(text for text, _ in column(rows, "Place").values())
    assert "No marks" in page.locator("#said").inner_text()
    choose(page, "family", "bounded")
    assert list(shown(page)) == ["GCE"]
    page.get_by_role("button", name="Reset").click()
    assert len(shown(page)) == 4
    page.locator("#search").fill("szegedy")
    assert list(shown(page)) == ["Label smoothing"]


def test_the_address_shows_the_same_again_and_other_anchors_are_left_alone(page, chromium, folder):
    choose(page, "noise", "clean", "symmetric 40%")
    page.select_option("#epoch", "oracle")
    add_column(page, "brier", "venue")
    page.locator("#board th", has_text="Brier").locator("[role=button]").click()
    sorted_by(page, "Brier", "ascending")
    page.locator("#search").fill("e")
    assert "clean knowledge" in page.locator("#said").inner_text()
    before, said = shown(page), page.locator("#said").inner_text()
    again = chromium.new_page()
    again.goto(page.url)
    assert (shown(again), again.locator("#said").inner_text()) == (before, said)
    assert list(again.locator("#board th[aria-sort]").all_inner_texts()) == ["Brier score"]
    again.close()
    page.goto(f"{address(folder)}#figure-ece")
    assert page.url.endswith("#figure-ece")


def test_what_is_shown_can_be_saved(page, analysis, tmp_path):
    choose(page, "noise", "symmetric 40%")
    texts = {}
    for name in ("CSV", "LaTeX", "Markdown"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        waiting.value.save_as(tmp_path / name)
        texts[name] = (tmp_path / name).read_text(encoding="utf-8")
    saved = pd.read_csv(tmp_path / "CSV").set_index("label")
    means = analysis.setting_means("acc").query("setting == 'symmetric 40%'")
    for row in means.itertuples():
        own = saved.loc[analysis.label(row.method)]
        assert own["acc"] == pytest.approx(row.mean, rel=1e-5)
        assert own["acc_half"] == pytest.approx(row.half, rel=1e-3, nan_ok=True)
    best = max(
        entries(tables.by_setting(analysis, "acc"), "symmetric 40%").values(),
        key=lambda entry: entry[1] == "best",
    )[0]
    assert rf"\textbf{{{best}}}".replace("±", r"$\pm$") in texts["LaTeX"]
    assert f"| **{best}** |" in texts["Markdown"]
    assert "Accuracy (\\%)" in texts["LaTeX"]


RATIO = "i => i.getAttribute('width') / i.getAttribute('height') * i.naturalHeight / i.naturalWidth"


def test_anchors_land_on_their_figure_and_nothing_is_wider_than_a_phone(page, folder):
    images = page.locator("figure img").all()
    assert len(images) >= 5
    for image in images:
        image.scroll_into_view_if_needed()
        assert image.evaluate("i => i.decode().then(() => i.naturalWidth)") > 100
        assert 10 < len(image.get_attribute("alt")) < 150
        assert image.bounding_box()["width"] <= 900
        assert image.evaluate(RATIO) == pytest.approx(1, abs=0.02)  # what loads later moves nothing
    page.goto(f"{address(folder)}#figure-ece")
    top = page.locator("#figure-ece").evaluate("figure => figure.getBoundingClientRect().top")
    assert abs(top) < 2
    linked = {link.get_attribute("href") for link in page.locator("#figure-ece figcaption a").all()}
    assert {f"figures/ece.{kind}" for kind in ("svg", "png", "csv")} < linked
    page.set_viewport_size({"width": 360, "height": 720})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for table in page.locator("section .wide > table:not(#board)").all():  # its first column stays
        assert table.locator("tbody th").first.bounding_box()["width"] <= 180
    page.locator("#columns summary").click()
    assert page.locator("#columns .choices").bounding_box()["width"] <= 360
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def test_a_mark_of_a_figure_says_its_value_where_the_pointer_is_near(page):
    image, said, ring = (page.locator(name) for name in ("#figure-seeds img", "#tip", "#ring"))
    marks = json.loads(image.get_attribute("data-tips"))
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for x, y, text in (marks[0], marks[-1]):
            image.scroll_into_view_if_needed()
            page.evaluate(NEXT_FRAME)  # what scrolls away says nothing more
            box = image.bounding_box()
            place = box["x"] + x * box["width"], box["y"] + y * box["height"]
            page.mouse.move(*place)
            assert text in said.inner_text().split("\n")
            seen = ring.bounding_box()
            middle = seen["x"] + seen["width"] / 2, seen["y"] + seen["height"] / 2
            assert middle == pytest.approx(place, abs=4)  # the nearest mark, or one just beside it
            shown = said.bounding_box()
            assert 0 <= shown["x"] <= width - shown["width"]
        page.keyboard.press("Escape")
        assert not said.is_visible()
        page.mouse.move(*place)
        assert said.is_visible()
        page.mouse.move(box["x"] - 5, box["y"])
        assert not said.is_visible()
        assert not ring.is_visible()


def refuse_barriers(page):
    """Look at a page with an open row on screens of all kinds, through axe-core."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.locator("#board button.open").first.click()
    page.locator("#board tr.setting button.open").first.click()
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page, options={"resultTypes": ["violations"]})
            assert found.violations_count == 0, f"{width} {scheme}: {found.generate_report()}"


def test_it_is_accessible_on_screens_of_all_kinds_and_without_a_script(page, chromium, folder):
    refuse_barriers(page)
    plain = chromium.new_page(java_script_enabled=False)
    plain.goto(address(folder))
    assert plain.locator("#leaderboard tbody tr").count() == 4
    assert not plain.locator("#controls").is_visible()
    plain.close()


def test_provenance_is_read_back_as_it_was_recorded(page, folder):
    section = page.locator("#provenance")
    tables = [
        [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in table]
        for table in (t.locator("tbody tr").all() for t in section.locator("table").all())
    ]
    costs = pd.read_csv(folder / "costs.csv")
    machines, software = tables
    for row, known in zip(machines, MACHINES, strict=True):
        own = costs[costs["host"] == known["host"]]
        assert row[:6] == [*map(str, known.values()), str(len(own))]
        assert row[-1] == own["finished_utc"].max()[:16].replace("T", " ")
    assert {row[0] for row in software} == set(costs["commit"])
    assert sum(int(row[-1]) for row in software) == len(costs) == 36


def test_paper_gets_every_column_without_the_controls(page):
    add_column(page, "brier", "title", "acc_worst")
    page.set_viewport_size({"width": 794, "height": 1123})  # A4
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert page.locator("#verdict").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    boxes = page.locator(".wide").evaluate_all(
        "boxes => boxes.map(b => getComputedStyle(b).overflowY)"
    )
    assert set(boxes) == {"visible"}  # no row is cut off
    page.locator("figure img:not([loading=eager])").first.wait_for(state="detached")
    heads = page.locator("#board thead tr:last-child th")
    assert heads.count() == 14
    for cell in [*heads.all(), *page.locator("#board tbody tr").first.locator("td").all()]:
        assert cell.is_visible()
        box = cell.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= 794
    for name in ("GCE", "Label smoothing"):
        assert page.locator("#board").get_by_text(name, exact=True).is_visible()


def test_the_page_needs_no_other_file_and_links_only_what_lies_beside(folder):
    text = (folder / "report" / "report.html").read_text(encoding="utf-8")
    links = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', text))
    beside = {unquote(link) for link in links if ":" not in link} - {"../suspects/index.md"}
    assert {link.partition(":")[0] for link in links if ":" in link} == {"data"}
    assert len(beside) > 20
    assert all((folder / "report" / link).is_file() for link in beside)


def test_what_a_message_brings_stays_text(tmp_path):
    bad = "</script><script>alert(1)</script><img src=x>"

    analysis = analysed(tmp_path, replace(TINY, alter=lambda row: row | {"reason": bad}))
    (tmp_path / "new").mkdir()
    text = pd.DataFrame({bad: [bad]}, index=[bad])
    blocks = [bad, unmarked(text, text, (bad,))]
    first = first_screen(analysis)._replace(title=bad, about=bad)
    sections = {"Coverage": blocks, browser.RANKED: blocks}
    browser.write(analysis, first, sections, tmp_path / "new")
    text = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    text = text.replace(browser.LIBRARY.read_text(encoding="utf-8"), "")
    assert text.count("<script") == text.count("</script") == 4
    assert "<img" not in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL).group(1)
    assert bad in {run[5] for run in json.loads(data)["runs"]}


def test_only_what_is_on_the_web_is_linked(tmp_path):
    run = analysed(tmp_path, TINY).run
    facts = {SIX[1]: replace(catalogue()[SIX[1]], url="javascript:alert(1)")}
    for known, scheme in (({}, "https"), (facts, "")):
        _, second = embedded(Analysis(replace(run, facts=known)))["methods"]
        assert second["url"].partition(":")[0] == scheme


def test_the_library_is_the_file_that_was_vendored():
    source = browser.LIBRARY.with_name("SOURCE.txt").read_text(encoding="utf-8")
    assert hashlib.sha256(browser.LIBRARY.read_bytes()).hexdigest() in source
    version = re.match(rb"/\*! DataTables (\S+)", browser.LIBRARY.read_bytes()).group(1).decode()
    assert source.startswith(f"DataTables {version},")
    assert "Permission is hereby granted" in browser.LIBRARY.with_name("LICENSE.txt").read_text()


def test_every_measure_explains_itself_in_one_group(analysis):
    data = embedded(analysis)
    assert len(data["metrics"]) > 15
    for metric in data["metrics"]:
        assert MEASURES[metric["id"]].meaning == metric["meaning"]
        (group,) = [g for g in GROUPS if metric["id"] in g.metrics]
        said = {key: getattr(group, key).format(KNOWN) for key in ("name", "meaning")}
        assert data["groups"][metric["group"]] == said


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(p.name for p in REFERENCE.iterdir() if p.is_dir()))
def test_the_reference_reports_are_accessible(name, tmp_path, chromium):
    kept = shutil.ignore_patterns("report")
    folder = shutil.copytree(REFERENCE / name, tmp_path / name, ignore=kept)
    build(folder)
    page = chromium.new_page()
    page.goto(address(folder))
    refuse_barriers(page)
    page.close()


@pytest.mark.parametrize("seeds", [2, 5])
def test_places_leave_what_the_tests_leave(seeds, tmp_path):
    analysis = analysed(tmp_path, Sweep(noises=NOISES[1:2], seeds=seeds, epochs=1))
    places = claims.places(analysis.pairs("acc"), analysis.ranking["acc"])
    order = list(analysis.ranking.index)
    assert [place for place, _, _ in map(places.get, order)] == [1, 2, 3, 4, 5, 6]
    for method, (place, first, last) in places.items():
        outcomes = analysis.overall(method, "acc")["outcome"].value_counts()  # of the others
        assert (first, last) == (1 + outcomes.get("better", 0), 6 - outcomes.get("worse", 0))
        assert first <= place <= last
    spans = {(first, last) for _, first, last in places.values()}
    assert (spans == {(1, 6)}) == (seeds < 3)


def test_columns_of_words_stand_to_the_left_and_those_of_numbers_to_the_right():
    columns = {
        "a": ["1.0 ± 2", "--"],
        "b": ["ELR, DYR (10%)", "GCE"],
        "c": ["\N{MINUS SIGN}0.1", "<0.01"],
    }
    text = pd.DataFrame(columns, index=["x", "y"])
    html = render.html(unmarked(text, text))
    assert re.findall(r'<th scope="col" class="text">(\w)</th>', html) == ["b"]
    assert re.findall(r'<td class="text">([^<]*)</td>', html) == columns["b"]
