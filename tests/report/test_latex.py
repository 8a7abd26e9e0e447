"""Tables, numbers and papers of a report in LaTeX, and what pdflatex says of them."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.catalogue import Facts, catalogue
from benchmarks.errors import RefusedError
from benchmarks.report import document, latex, looks, macros, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.latex.references import references
from benchmarks.report.latex.signs import escaped
from benchmarks.report.venues import VENUES
from tests.report import typeset
from tests.report.folders import SIX, Sweep, analysed
from tests.report.test_names import NAMES
from tests.system.runs import run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
ALL = sorted(path.name for path in REFERENCE.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("latex"), Sweep(epochs=1, planned=180))


@pytest.fixture(scope="module")
def context(full):
    return latex.context_of(full, VENUES["neurips"])


def bare(columns, labels=None, **more):
    """A table of texts alone."""
    text = pd.DataFrame(columns, index=pd.Index(labels or list("abcd"), name="Method"))
    return replace(tables.unmarked(text, text), title="Some numbers", **more)


def body(code):
    return code.split(r"\midrule", 1)[1].split(r"\bottomrule", 1)[0].strip().splitlines()


def headed(code):
    """The first words of the headings."""
    return re.findall(r"\\multicolumn\{1\}\{c\}\{(?:\\begin\S*@\{\}\})?(\w+)", code)


@pytest.mark.parametrize(
    "reports", [["default", "methods"], pytest.param(ALL, marks=pytest.mark.soak)]
)
def test_reports_are_typeset_at_every_venue_without_a_warning(reports, tmp_path):
    typeset.require()
    analyses = {name: Analysis(load(REFERENCE / name)) for name in reports}
    asked = r"\typeout{<\nlb{default}{acc}{elr}{symmetric 40}|\nlb{methods}{ece}{promix}{overall}>}"
    pages = {page: venue for venue, page in VENUES.items()}  # some venues have the same
    for venue in pages.values():
        folders = [tmp_path / venue / name for name in reports]
        bodies = [typeset.written(analyses[folder.name], folder, venue) for folder in folders]
        bodies += [asked, typeset.references(*folders)]
        log = typeset.typeset(tmp_path / venue, venue, "\n".join(bodies))
        assert typeset.complaints(log) == []
        assert "Output written" in log
        elr = 100 * analyses["default"].scores("acc").loc["symmetric 40%", "elr"]
        promix = 100 * analyses["methods"].ranking.loc["promix", "ece"]
        assert f"<{elr:.1f}|{promix:.1f}>" in log


def test_a_missing_latex_is_a_failure_only_where_it_is_needed(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv(typeset.NEEDED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="no pdflatex"):
        typeset.require()
    monkeypatch.setenv(typeset.NEEDED, "1")
    with pytest.raises(pytest.fail.Exception, match="no pdflatex"):
        typeset.require()
    assert f"export {typeset.NEEDED}=1" in (REFERENCE.parents[1] / ".ci" / "run").read_text()


def test_a_wrong_key_and_a_suite_that_was_not_read_are_errors_that_name_it(full, tmp_path):
    typeset.require()
    body = typeset.written(full, tmp_path / "s", "icml").splitlines()[0]
    keys = ["{s}{acx}{elr}{clean}", "{s}{acc}{elrr}{clean}", "{t}{acc}{elr}{clean}"]
    body += " ".join(rf"\nlb{key}" for key in keys) + r" \num{\nlb{s}{acc}{elr}{clean}}"
    log = typeset.typeset(tmp_path, "icml", body, ",siunitx").replace("\n", "")
    assert len(re.findall("! ", log)) == len(keys)
    for words in (
        "there is no number 'acx' of 'elr' in 'clean'",
        "the suite 's' has no 'elrr' in 'clean'",
        "no values of a suite 't' were read",
    ):
        assert words in log


def test_every_mark_of_a_label_has_a_sign():
    for mark in (tables.ORACLE, looks.PRIVILEGED, looks.BESIDE):
        assert escaped(mark).startswith(("$^", r"\textsuperscript"))


def test_any_name_is_typeset(context, tmp_path):
    """As label, header, text and note; what has no sign in LaTeX is numbered."""
    typeset.require()
    labels = list(NAMES.values())
    table = bare({name: ["1.0"] * len(labels) for name in labels[:3]}, labels)
    table = replace(table, notes=tuple(f"Of {name}" for name in labels))
    table.text["Next"] = labels
    table.marks["Next"] = ""
    (tmp_path / "odd.tex").write_text(latex.table("odd", table, context), encoding="utf-8")
    log = typeset.typeset(tmp_path, "neurips", r"\input{odd}")
    assert typeset.complaints(log) == []


def cells(code):
    """The second column of the rows of a table."""
    return [line.split(" & ")[1].removesuffix(r" \\") for line in body(code)]


def marked(marks, **columns):
    table = bare(columns)
    kinds = pd.DataFrame(dict.fromkeys(columns, marks), index=table.text.index)
    return replace(table, marks=kinds)


def test_siunitx_lines_numbers_up_and_marks_stand_on_them_alone(context):
    marks = ["best", "equivalent", "open", "out"]
    code = latex.table(
        "x", marked(marks, Accuracy=["90.7 ± 2.1", "5.6 ± 10.7", "8.3", "--"]), context
    )
    assert r"\begin{tabular}{@{}lS[table-format=2.1(3)]@{}}" in code
    assert r"% needs \usepackage{siunitx}" in code
    assert cells(code) == [
        r"\bfseries 90.7 +- 2.1",
        r"{\underline{\tablenum[table-format=2.1(3)]{5.6 +- 10.7}}}",
        r"\itshape 8.3",
        r"{\textcolor{gray}{--}}",
    ]


def test_there_is_room_for_the_widest_interval_behind_the_most_decimal_places(context):
    entries = ["+0.189 ± 0.024", "+28.30 ± 90.77", "1.0", "--"]
    assert "S[table-format=+2.3(5)]" in latex.table("x", bare({"Change": entries}), context)


def test_comparisons_are_formulas_and_have_no_italics(context):
    entries = ["<0.001", "0.020", "\N{MINUS SIGN}1.5", "0.3"]
    for mark, kind in (
        ("best", "S[mode=math,text-series-to-math,table-format=<1.3]"),
        ("open", "c"),
    ):
        marks = [mark, "", "", ""]
        code = latex.table("x", marked(marks, p=[*entries[:2], "1.5", "0.3"]), context)
        assert f"@{{}}l{kind}@{{}}" in code
    code = latex.table("x", marked([""] * 4, p=["+1.2", *entries[1:]]), context)
    assert "S[table-format=+1.3]" in code
    assert cells(code) == ["+1.2", "0.020", "-1.5", "0.3"]


def test_panels_share_a_column_of_siunitx_only_where_decimal_places_agree(context):
    wide = {f"symmetric {k}%": ["90.7 ± 2.1"] * 4 for k in range(1, 9)}
    alike = latex.table("x", bare(wide | {"symmetric 9%": ["100.0 ± 2.1"] * 4}), context)
    assert alike.count("S[table-format=3.1(2)]") == 1
    assert r"\tablenum" not in alike
    other = latex.table("x", bare(wide | {"symmetric 9%": ["1.234"] * 4}), context)
    assert r" & \tablenum[table-format=1.3]{1.234}" in other


def test_a_letter_hangs_on_its_number_wherever_the_room_ends(context):
    entries = ["90.7 ± 2.1", "5.6 [1, 9]", "8.3 ± 1.0", "1.0 ± 1.0"]
    code = latex.table("x", bare({"Accuracy": entries}), context)
    letter = r"\rlap{$^{a}$}"
    number = r"\mbox{\tablenum[table-format=2.1]{5.6}}"
    room = r"\phantom{\tablenum[table-format=2.1(2)]{5.6}}"
    assert cells(code)[1] == rf"{{\rlap{{{number}{letter}}}{room}}}"
    code = latex.table("x", bare({"Accuracy": ["90.7", "5.6 [1, 9]", "8.3", "1.0"]}), context)
    assert cells(code)[1] == rf"5.6{letter}"


def test_what_stands_between_slashes_and_what_few_entries_have_in_brackets_is_apart(context):
    entries = ["1.0 / 0.5", "2.0 / 0.6 [3/4]", "3.0 / 0.7", "-- [0/4]"]
    code = latex.table("x", bare({"ECE %": entries}, parts=("ECE", "floor")), context)
    assert r"\multicolumn{2}{c}{" in code
    assert r"\multicolumn{1}{c}{ECE} & \multicolumn{1}{c}{floor}" in code
    assert [len(line.split(" & ")) for line in body(code)] == [3] * 4
    assert r"0.6\rlap{$^{a}$}" in code
    assert "a: [3/4]; b: [0/4]." in code


def test_words_behind_numbers_leave_these_in_line(context):
    entries = ["+3.1 [+2.0, +4.1] better", "\N{MINUS SIGN}10.1 [0, 1] open", "equal", "1.5 to 12.3"]
    lines = latex.table("x", bare({"ECE (points)": entries}), context).splitlines()
    assert r"\begin{tabular}{@{}ll@{}}" in lines
    (first, *_, last) = (line.split(" & ")[1] for line in body("\n".join(lines)))
    assert first.startswith(r"\phantom{0}+3.1 [+2.0, +4.1] better")
    assert last.startswith(r"\phantom{+0}1.5 to 12.3")


def test_the_verb_report_takes_columns_of_the_ranking(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("benchmarks.cli.report.show", lambda *_, paper, **__: asked.append(paper))
    assert run("report", tmp_path, "--venue", "icml", "--ranking", "Rank", "Brier")[0] == 0
    assert [(paper.venue, paper.ranking) for paper in asked] == [("icml", ("Rank", "Brier"))]


def test_rates_of_a_noise_share_a_heading_and_methods_of_a_family_are_between_rules(full, context):
    table = document._tables(full)["settings"]
    code = latex.table("settings", table, context)
    assert r"\multicolumn{2}{c}{Symmetric}" in code
    assert r"\cmidrule(lr){3-4}\cmidrule(lr){5-6}" in code
    assert r"\cmidrule{1-6}" not in code  # of six families
    smoothed = [f"label_smoothing(smoothing=0.{k})" for k in range(1, 4)]
    methods = ("elr", *smoothed, "cross_entropy", "early_stopping")
    own = bare({"A": [f"{k}.0" for k in range(6)]}, list(methods), methods=methods)
    lines = body(latex.table("x", own, context))
    assert [line.split(" ")[0] for line in lines] == [
        *("cross\\_entropy", "early\\_stopping", "\\cmidrule{1-2}"),
        *(name.replace("_", "\\_") for name in smoothed),
        *("\\cmidrule{1-2}", "elr"),
    ]


def test_the_ranking_prints_the_columns_that_are_asked_for_and_their_notes(full, context):
    table = tables.ranking(full)
    code = latex.table("ranking", table, context)
    assert headed(code) == ["Rank", "Accuracy", "ECE", "NLL", "Memorised"]
    assert "Rank: by accuracy within a setting and seed" in code
    assert "not attainable" not in code
    chosen = tables.with_columns(table, ["accuracy", "Best epoch"])
    code = latex.table("ranking", chosen, context)
    assert headed(code) == ["Accuracy", "Best"]
    assert "Rank:" not in code
    assert "not attainable in practice" in code
    with pytest.raises(RefusedError, match=r"must be one of Accuracy, .*; got 'Speed'"):
        document._tables(full, ["Speed"])


def test_a_caption_is_a_sentence_and_a_label_names_the_suite(full, context):
    for name, table in document._tables(full).items():
        code = latex.table(name, table, context)
        (caption,) = re.findall(r"\\caption\{(.*)\}$", code, re.MULTILINE)
        assert re.fullmatch(r"[A-Z].*[^.] \(digits, mlp\)\.", caption)
        assert ". " not in caption
        assert rf"\label{{tab:s-{name.replace('_', '-')}}}" in code
        assert table.title


@pytest.mark.parametrize(("rows", "kind"), [(40, "table"), (41, "longtable")])
def test_beyond_forty_rows_a_table_goes_over_pages(rows, kind, context):
    code = latex.table("x", bare({"A": ["1.0"] * rows}, [f"m{k}" for k in range(rows)]), context)
    assert re.findall(r"\\begin\{(table|longtable)\}", code) == [kind]
    assert ("needs \\usepackage{longtable}" in code) == (kind == "longtable")


def test_what_is_too_wide_takes_both_columns_then_panels(full):
    wide = {f"symmetric {k}%": ["90.7 ± 2.1"] * 4 for k in range(10, 100, 10)}
    for venue, columns, kind, panels in (
        ("icml", 2, "table", 1),
        ("icml", 5, r"table\*", 1),
        ("neurips", 5, "table", 1),
        ("neurips", 9, "table", 2),
    ):
        table = bare(dict(list(wide.items())[:columns]))
        code = latex.table("x", table, latex.context_of(full, VENUES[venue]))
        assert re.search(rf"\\begin\{{{kind}\}}", code), (venue, columns)
        assert code.count("{Symmetric}") == panels


def test_papers_are_cited_by_keys_of_the_bibliography(full, context):
    code = latex.table("ranking", tables.ranking(full), context)
    text = latex.bibliography(context.references)
    keys = re.findall(r"(?m)^@\w+\{([^,]+),$", text)
    assert sorted(re.findall(r"\\citep\{([^}]+)\}", code)) == sorted(keys)
    assert len(keys) == len(SIX) - 1  # hard labels come from no paper
    facts = catalogue()["elr"]
    fields = dict(re.findall(r"(?m)^  (\w+) = \{+(.*?)\}+,?$", text))
    assert fields.keys() == {"title", "author", "booktitle", "journal", "year", "url"}
    assert f"title = {{{{{facts.title}}}}}" in text


def test_two_papers_with_one_key_stay_two():
    one = catalogue()["elr"]
    other = replace(one, bibtex=one.bibtex.replace("Liu", "Liou"))
    found = references(["a", "b", "c"], {"a": one, "b": other, "c": one})
    assert [found[name].key for name in "abc"] == ["liu2020early", "liu2020earlya", "liu2020early"]
    assert "{liu2020earlya,\n" in found["b"].entry
    assert references(["d"], {"d": Facts("early", "D", *[""] * 7)}) == {}


def test_values_hold_the_numbers_of_the_tables_by_name(full):
    shown = document._tables(full)
    code = macros.latex(full, "s", [*shown.values(), tables.detection(full)])
    assert code.isascii()
    found = typeset.numbers(code)
    means = full.setting_means("acc").set_index(["method", "setting"])
    row = means.loc["reweighting", "symmetric 40%"]
    assert found["acc", "reweighting", "symmetric 40"] == f"{100 * row['mean']:.1f}"
    assert found["acc half", "reweighting", "symmetric 40"] == f"{100 * row['half']:.1f}"
    assert found["n", "reweighting", "symmetric 40"] == "5"
    worst = full.run.last.query("method == 'elr' and setting == 'clean'")["conf_mean"].mean()
    assert found["conf_mean", "elr", "clean"] == f"{100 * worst:.1f}"
    for metric in ("acc", "ece", "nll", "mem_frac"):
        overall = full.ranking.loc["elr", metric]
        shown_as = f"{overall:.3f}" if metric == "nll" else f"{100 * overall:.1f}"
        assert found[metric, "elr", "overall"] == shown_as
    aggregate = shown["aggregate"]
    text = aggregate.text.loc["ELR", "IQM accuracy %"]
    parts = [found[f"IQM accuracy{end}", "elr", "overall"] for end in ("", " low", " high")]
    assert text == "{} [{}, {}]".format(*parts)
    row = full.all_differences.query("method == 'elr' and metric == 'acc'").iloc[0]
    assert row["reference"] == "cross_entropy"
    key = "elr - cross_entropy", macros.key(row["setting"])
    assert found["acc", *key] == rf"\ensuremath{{{100 * row['difference']:.1f}}}"
    p = "<0.001" if row["p"] < 0.001 else f"{row['p']:.3f}"
    assert found["acc p raw", *key] in {p, rf"\ensuremath{{{p}}}"}
    assert found["cells", "all", "overall"] == str(len(full.run.cells))
    scores = tables.detection(full).text
    assert found["AUROC", "elr", "overall"] == scores.loc["ELR", "AUROC"].split(" ")[0]
    twice = bare({"Score": ["loss", "own"], "AUROC": ["0.8 ± 0.1", "0.9"]}, ["A", "A"])
    code = macros.latex(full, "s", [replace(twice, methods=("elr", "elr"))])
    assert typeset.numbers(code)["AUROC (loss) half", "elr", "overall"] == "0.1"
