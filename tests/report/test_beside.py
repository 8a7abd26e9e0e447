"""Cells of another folder among those of this one: only where they compare, marked, or said why."""

from dataclasses import replace

import pytest

from benchmarks.cli.report import report
from benchmarks.errors import Exit, RefusedError
from benchmarks.question import Question
from benchmarks.report import figures, tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.opening import first_screen
from benchmarks.report.verdict import asked
from tests.report.folders import SIX, Sweep, write

NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)")
MINE = Sweep(("mine", "gce"), NOISES, seeds=3, epochs=1)
THEIRS = Sweep(SIX, NOISES, seeds=4, epochs=1)


def both(tmp_path, alter=lambda row: row, **changes):
    mine = write(tmp_path / "mine", MINE)
    return load(mine, write(tmp_path / "theirs", replace(THEIRS, alter=alter, **changes)))


def test_methods_of_another_folder_stand_marked_beside_mine_at_the_same_labels(tmp_path):
    run = both(tmp_path)
    analysis, alone = Analysis(run), load(tmp_path / "theirs")
    others = [method for method in SIX if method != "gce"]  # which ran here
    assert set(run.beside.methods) == set(others)
    assert run.beside.cells == len(run.cells) - 18 == 5 * 3 * 3  # of no seed that did not run here
    assert run.beside.left_out == ()
    for method in others:
        assert analysis.label(method).removesuffix("\N{DOUBLE DAGGER}").endswith("\N{SECTION SIGN}")
        rows = alone.last[(alone.last["method"] == method) & (alone.last["seed"] < 3)]
        mine = run.last[run.last["method"] == method]
        assert sorted(mine["acc"]) == sorted(rows["acc"])
    assert not analysis.label("mine").endswith("\N{SECTION SIGN}")
    assert "\N{SECTION SIGN} from theirs." in tables.ranking(analysis).notes
    assert "45 cells of 5 methods from the folder theirs" in first_screen(analysis).about
    assert analysis.baseline == "cross_entropy"
    assert set(asked(analysis).candidates) == {"gce", "mine"}  # what is judged is what ran here
    for name in ("curves", "bins", "detection"):
        table = getattr(run, name)
        assert set(table["cell_id"]) <= set(run.cells["cell_id"])
        assert set(table["method"]) == {"mine", *SIX}


def changed(where, **values):
    """Another folder in which the settings with ``where`` in their noise are otherwise."""
    return lambda row: row | (values if where in row["noise"] else {})


@pytest.mark.parametrize(
    ("alter", "changes", "sentence"),
    [
        (changed("0.4", noise_sha256="x"), {}, "has other labels at seeds 0, 1, 2."),
        (changed("0.4", n_test=1), {}, "has another number of test images at seeds 0, 1, 2."),
        (changed("0.4", profile="paper"), {}, "another profile of hyper-parameters at seeds 0"),
        (changed("0.4", model="cnn"), {}, "has it with the model cnn and the recipe short."),
        (changed("0.4", recipe="long"), {}, "has it with the model mlp and the recipe long."),
        (changed("", seed=7), {"seeds": 1}, "has it at other seeds."),
        (changed(""), {"noises": NOISES[:2]}, "has no cell of it."),
    ],
)
def test_what_does_not_compare_is_left_out_with_the_reason(tmp_path, alter, changes, sentence):
    if "other seeds" in sentence:
        with pytest.raises(RefusedError, match=f"nothing to stand beside .* {sentence}"):
            both(tmp_path, alter, **changes)
        return
    run = both(tmp_path, alter, **changes)
    said = [line for line in run.beside.left_out if sentence in line]
    assert said == [line for line in run.beside.left_out if "rate=0.4" in line]
    assert len(said) == len(run.beside.left_out) == 1
    own = run.cells[run.cells["setting"].str.contains("40%")]
    assert set(own["method"]) == {"mine", "gce"}
    assert set(run.cells["method"]) == {"mine", *SIX}


def test_a_seed_with_other_labels_is_left_out_alone(tmp_path):
    def alter(row):
        unlike = row["noise"] == NOISES[1] and row["seed"] == 1
        return row | ({"noise_sha256": "x"} if unlike else {})

    run = both(tmp_path, alter)
    (sentence,) = run.beside.left_out
    assert sentence == "digits, symmetric(rate=0.2): theirs has other labels at seed 1."
    rows = run.last[run.last["method"] == "elr"]
    assert rows.groupby("noise")["seed"].agg(list).to_dict() == {
        NOISES[0]: [0, 1, 2],
        NOISES[1]: [0, 2],
        NOISES[2]: [0, 1, 2],
    }
    assert not ((run.losses["noise"] == NOISES[1]) & (run.losses["method"] == "elr")).any()


def test_a_question_is_of_what_ran_here_alone(tmp_path):
    wanted = Question("cross_entropy", ("elr", "mine"))
    write(tmp_path / "mine", replace(MINE, question=wanted, planned=None))
    run = load(tmp_path / "mine", write(tmp_path / "theirs", THEIRS))
    assert Analysis(run).question is None
    assert run.note == ""


def test_the_verb_draws_both_says_what_was_left_out_and_notices_a_change(
    tmp_path, monkeypatch, capsys
):
    mine = write(tmp_path / "mine", replace(MINE, epochs=2))
    theirs = write(tmp_path / "theirs", replace(THEIRS, noises=NOISES[:2]))
    draw = figures.draw
    monkeypatch.setattr(figures, "draw", lambda run, place, _: draw(run, place, ["accuracy"]))
    assert report(mine, beside=theirs) == Exit.DONE
    said = " ".join(capsys.readouterr().out.split())
    assert "digits, symmetric(rate=0.4): theirs has no cell of it." in said
    assert "\N{SECTION SIGN} from another folder" in said
    page = (mine / "report" / "report.md").read_text(encoding="utf-8")
    assert "| ELR\N{SECTION SIGN} |" in page
    drawn = {path.suffix for path in (mine / "report" / "figures").iterdir()}
    assert drawn == {".png", ".svg", ".csv"}  # PDF takes --venue
    assert "PDF" not in page
    report(mine, beside=theirs)
    assert "report.md (unchanged)" in capsys.readouterr().out
    with (theirs / "curves.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    report(mine, beside=theirs)
    assert "(unchanged)" not in capsys.readouterr().out
    with pytest.raises(RefusedError, match="nowhere"):
        report(mine, beside=tmp_path / "nowhere")
