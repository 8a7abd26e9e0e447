"""The whole report: which files it has, that they repeat, and when they are built again."""

import gzip
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pikepdf
import pytest

from benchmarks.cli.report import report
from benchmarks.errors import RefusedError
from benchmarks.report import Paper, build, claims, document
from benchmarks.report.analysis import Analysis
from benchmarks.report.looks import resolve
from tests.report.folders import SIX, Sweep, write

SMALL = Sweep(methods=SIX[:2], noises=("clean", "symmetric(rate=0.4)"), seeds=5, epochs=2)
FIGURES = (
    *("overview", "accuracy", "nll", "ece", "delta", "delta_ece", "forest", "pareto"),
    *("seeds", "overfitting", "memorisation", "reliability", "risk_coverage", "losses"),
    *("precision_recall", "classes", "confusion"),
)


@pytest.fixture(scope="module")
def calls():
    """How often each number was computed while the report ``small`` was built."""
    return Counter()


@pytest.fixture(scope="module")
def small(tmp_path_factory, calls):
    def counted(function, *about):
        def count(*args):
            calls[function.__name__, *(args[k] for k in about)] += 1
            return function(*args)

        return count

    ranking = Analysis.__dict__["ranking"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "func", counted(ranking.func))
        patch.setattr("benchmarks.report.analysis.resolve", counted(resolve))
        patch.setattr(claims, "compare_all", counted(claims.compare_all, 1))  # metric
        return build(write(tmp_path_factory.mktemp("small"), SMALL), paper=Paper(pdf=True))


@pytest.mark.usefixtures("small")
def test_a_build_computes_each_number_once(calls):
    assert {key[0] for key in calls} == {"ranking", "resolve", "compare_all"}
    assert set(calls.values()) == {1}


def files(report):
    return [path for path in report.folder.rglob("*") if path.is_file()]


def contents(report):
    return contents_of(report.folder)


def contents_of(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def test_every_promised_file_is_there(small):
    names = {str(path.relative_to(small.folder)) for path in files(small)}
    stems = ("ranking", "settings", "settings_ece", "settings_nll", "settings_brier")
    stems += ("aggregate", "seeds")
    tables = {f"{a}.{b}" for a in stems for b in ("md", "tex", "csv")}
    tables |= {"differences.csv", "values.tex", "references.bib", "guide.md", "guide.csv"}
    tables |= {f"{name}.tex" for name in ("guide", "verdict_1", "detection")}
    kinds = ("png", "pdf", "svg", "csv")
    figures = {f"figures/{name}.{kind}" for name in FIGURES for kind in kinds}
    assert {name for name in names if name.startswith("figures/")} == figures
    for name in FIGURES:
        assert len(pd.read_csv(small.folder / "figures" / f"{name}.csv")) > 0
    assert names >= {"report.md", ".report-digest.json", ".report-files.json"} | tables
    assert small.rebuilt


def test_the_page_embeds_what_exists_and_names_the_protocol_and_no_path_of_this_machine(small):
    text = (small.folder / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert len(shown) == 4 * len(FIGURES)
    assert all((small.folder / name).is_file() for name in shown)
    assert str(small.folder.parent) not in text
    protocol = (
        "n = 5 (0, 1, 2, 3, 4)",
        "the last epoch (2);",
        "symmetric 40%: 39.8%",
        "corrected by Holm",
    )
    for words in (*protocol, "20 cells planned, 20 finished."):
        assert words in text
    assert "\\`" not in text
    assert text.startswith("# Label smoothing against hard labels on digits\n")
    heads = re.findall("(?m)^## (.*)", text)
    shown = ["Summary", "Guide", "Ranking", "Verdict", "Figures"]
    assert heads[: len(shown)] == shown
    assert heads.index("Statistics") > heads.index("Figures")
    assert "clean" in small.answer.partition("First choice")[2]


def test_processes_beside_draw_the_same_bytes_from_compressed_tables(small, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.report._MANY", 0)
    folder = write(tmp_path, SMALL)
    for path in list(folder.glob("*.csv")):
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    own, expected = contents(build(folder, workers=2, paper=Paper(pdf=True))), contents(small)
    for name in (".report-digest.json", ".report-files.json"):  # tell of the inputs
        assert own.pop(Path(name)) != expected.pop(Path(name))
    assert own == expected


def test_files_carry_no_date_and_no_version(small):
    for path in files(small):
        data = path.read_bytes()
        if path.suffix in {".pdf", ".png"}:
            assert not re.search(rb"CreationDate|Producer|Creator|Software|tEXt", data), path
        if path.suffix == ".svg":
            assert not re.search(rb"dc:date|dc:creator|Matplotlib v", data), path


def fonts(resources):
    """Every font of a page or form and of the forms within it."""
    yield from (resources.get("/Font") or {}).values()
    for form in (resources.get("/XObject") or {}).values():
        yield from fonts(form.get("/Resources") or {})


def test_fonts_in_the_pdf_are_embedded_as_truetype_on_a_page_of_the_venue(small):
    for path in small.folder.glob("figures/*.pdf"):
        with pikepdf.open(path) as pdf:
            (page,) = pdf.pages
            assert float(page.mediabox[2]) <= 5.5 * 72 + 0.01, path
            embedded = list(fonts(page.resources))
            assert embedded, path
            for font in embedded:
                assert font.Subtype == "/Type0", path
                (inner,) = font.DescendantFonts
                assert inner.Subtype == "/CIDFontType2", path
                assert len(inner.FontDescriptor.FontFile2.read_bytes()) > 1000, path


def test_svg_files_are_small_and_their_text_is_text(small):
    for path in small.folder.glob("figures/*.svg"):
        text = path.read_text(encoding="utf-8")
        assert len(text) < 300_000, path
        assert "<text" in text, path


def test_what_does_not_draw_imports_nothing_that_draws():
    code = (
        "import sys, benchmarks.report.document\n"
        "print(sorted({'matplotlib.figure', 'seaborn', 'networkx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unchanged_folder_is_left_alone_without_importing_anything_heavy(small):
    code = (
        "import sys; from pathlib import Path; from benchmarks.report import Paper, build\n"
        "report = build(Path(sys.argv[1]), paper=Paper(pdf=True))\n"
        "heavy = {'pandas', 'scipy', 'matplotlib', 'torch'} & set(sys.modules)\n"
        "print(report.rebuilt, sorted(heavy))\n"
        "print(report.ranking + report.answer, end='')"
    )
    before = {path: path.stat().st_mtime_ns for path in files(small)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(small.folder.parent)],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    first, rest = done.stdout.split("\n", 1)
    assert first == "False []"
    assert rest == small.ranking + small.answer
    assert {path: path.stat().st_mtime_ns for path in files(small)} == before


def test_a_report_never_imports_torch():
    code = "import sys, benchmarks.report.document; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.fixture
def standing(tmp_path, monkeypatch):
    """A folder with a report, and ``document.write`` replaced by something quick."""

    def quick(folder, new, _paper, _workers, **_options):
        (new / "report.md").write_text((folder / "results.csv").read_text(encoding="utf-8"))
        return {"ranking": "r", "answer": "a"}

    monkeypatch.setattr(document, "write", quick)
    folder = write(tmp_path, SMALL)
    assert build(folder).rebuilt
    assert not build(folder).rebuilt
    return folder


@pytest.mark.parametrize("name", ["results.csv", "curves.csv", "bins.csv", "plan.json"])
def test_a_changed_input_is_noticed(standing, name):
    with (standing / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert build(standing).rebuilt


@pytest.mark.parametrize("fault", ["missing output", "broken digest", "force"])
def test_a_damaged_report_is_built_again(standing, fault):
    if fault == "missing output":
        (standing / "report" / "report.md").unlink()
    if fault == "broken digest":
        (standing / "report" / ".report-digest.json").write_text("{")
    assert build(standing, force=fault == "force").rebuilt
    assert (standing / "report" / "report.md").is_file()


def test_another_paper_and_another_version_of_what_draws_are_noticed(standing, monkeypatch):
    for paper in (Paper("icml"), Paper("icml", ("Rank",)), Paper("icml", methods=("elr",))):
        assert build(standing, paper=paper).rebuilt
        assert not build(standing, paper=paper).rebuilt
    monkeypatch.setattr("benchmarks.report.version", lambda name: f"{name} next")
    assert build(standing).rebuilt


def test_a_build_that_dies_leaves_the_old_report_whole(standing, monkeypatch):
    old = (standing / "report" / "report.md").read_bytes()

    def die(_, new, _paper, _workers, **_options):
        (new / "figures").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(document, "write", die)
    with pytest.raises(KeyboardInterrupt):
        build(standing, force=True)
    assert (standing / "report" / "report.md").read_bytes() == old
    assert not list(standing.rglob(".report-new*"))


def test_a_users_files_in_the_report_survive_and_one_in_its_way_is_named(standing, monkeypatch):
    report = standing / "report"
    (report / "notes.txt").write_text("mine")
    assert build(standing, force=True).rebuilt
    assert (report / "notes.txt").read_text() == "mine"
    monkeypatch.setattr(document, "write", None)  # it is refused before anything is drawn
    (report / "report.md").write_text("edited")
    with pytest.raises(RefusedError, match=r"report.md was changed since `report` wrote it"):
        build(standing, force=True)
    assert (report / "report.md").read_text() == "edited"
    other = standing / "paper"
    other.mkdir()
    (other / "report.md").write_text("of a paper")
    with pytest.raises(RefusedError, match=r"paper/report.md is in the way"):
        build(standing, other)


def test_a_report_of_a_version_without_manifests_is_replaced(standing):
    report = standing / "report"
    for name in (".report-digest.json", ".report-files.json"):
        (report / name).unlink()
    (report / "old.md").write_text("old")
    (report / "notes.txt").write_text("mine")
    outputs = ["report.md", "old.md"]
    (report / "digest.json").write_text(json.dumps({"digest": "", "outputs": outputs}))
    assert build(standing).rebuilt
    assert {path.name for path in report.iterdir() if path.name[0] != "."} == {
        "report.md",
        "notes.txt",
    }


def bytes_and_times(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_a_report_elsewhere_is_the_same_and_leaves_the_results_alone(small, tmp_path):
    source = small.folder.parent
    before = bytes_and_times(source)
    assert report(source, out=tmp_path / "deep" / "out", venue="neurips") == 0
    assert bytes_and_times(source) == before
    own, expected = contents_of(tmp_path / "deep" / "out"), contents(small)
    assert own == expected


def test_nothing_finished_makes_a_report_that_says_so(tmp_path):
    report = build(write(tmp_path, replace(SMALL, status="diverged", planned=40)))
    text = (report.folder / "report.md").read_text(encoding="utf-8")
    assert "No cell finished, so there is nothing to draw but what was run." in text
    assert "40 cells planned, 0 finished, 20 diverged." in text
    assert "Incomplete: 20 of 40 cells: 20 are missing." in text
    assert "loss is nan" in text
    assert "0/10" in report.ranking
    assert "report.md" in json.loads((report.folder / ".report-files.json").read_text())["files"]
