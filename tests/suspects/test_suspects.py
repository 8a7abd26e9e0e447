"""The label audit: what is ranked, what a reviewer gets to see, and what comes back."""

import dataclasses
import shutil

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.report.figures import layout
from benchmarks.schema import SCHEMA_VERSION
from benchmarks.store import (
    CellFacts,
    CellKeys,
    CellMeta,
    Costs,
    Parts,
    Record,
    derive,
    write_part,
)
from benchmarks.suspects import sheets
from benchmarks.suspects.audit import LEAST, REVEALED, AuditOptions, audit
from benchmarks.suspects.ranking import CellFilter, FinishedCells
from tests.cells import CPU, NOWHERE, alone
from tests.store.test_store import edit_plan
from tests.suspects.folders import NOISE, cells_of, labels_of, write


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    points = [(NOISE, m, s) for m in ("cross_entropy", "dividemix") for s in (0, 1)]
    cells = cells_of(*points, ("clean", "cross_entropy", 0))
    make_plan(folder, "audit", cells, TrainingOptions(CPU, 1)).write(folder)
    for cell in cells:
        (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
        write_part(folder, [record])
    return folder


@pytest.fixture(scope="module")
def written(trained):
    cells = CellFilter(noises=[NOISE, "clean"])
    return audit(trained, NOWHERE, cells, AuditOptions(top=20))


@pytest.fixture
def audited(written, trained, tmp_path):
    """A copy of the run and its audit, which a test may change."""
    assert written.table == trained / "suspects" / "suspects.csv"
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def table(audited):
    """The table that a reviewer fills in, as text."""
    path = audited / "suspects" / "suspects.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def test_the_worst_labels_come_first_by_the_score_that_the_part_keeps(trained):
    cells = CellFilter(noises=[NOISE], methods=["cross_entropy"], seeds=[1])
    (ranking,) = FinishedCells(trained, cells).rankings("loss")
    (cell,) = cells_of((NOISE, "cross_entropy", 1))
    ((_, arrays),) = Parts(trained).trained([cell.id])
    score = dict(zip(arrays["position"].tolist(), arrays["train_scores"][0].tolist(), strict=True))
    assert ranking.table["position"].tolist() == sorted(score, key=score.get, reverse=True)
    problem = load_cell_data(cell, NOWHERE, CPU)
    given = dict(zip(problem.position.tolist(), problem.noisy.tolist(), strict=True))
    clean = dict(zip(problem.position.tolist(), problem.clean.tolist(), strict=True))
    for row in ranking.table.itertuples():
        assert row.given == given[row.position]
        assert row.wrong == (given[row.position] != clean[row.position])
        assert row.value == score[row.position]
    wrong, value = ranking.table["wrong"], ranking.table["value"]
    assert ranking.auroc == pytest.approx(roc_auc_score(wrong, value))
    assert ranking.ap == pytest.approx(average_precision_score(wrong, value))


def test_the_prediction_is_that_of_the_last_epoch(trained):
    (cell,) = cells_of((NOISE, "cross_entropy", 0))
    last = alone(cell, load_cell_data(cell, NOWHERE, CPU))[-1]
    ((_, arrays),) = Parts(trained).trained([cell.id])
    assert arrays["predicted"].tolist() == last.train.argmax(-1).tolist()


def test_a_method_with_an_opinion_of_its_own_is_heard(trained):
    cells = CellFilter(noises=[NOISE], methods=["dividemix"], seeds=[0])
    (ranking,) = FinishedCells(trained, cells).rankings("own")
    (cell,) = cells_of((NOISE, "dividemix", 0))
    last = alone(cell, load_cell_data(cell, NOWHERE, CPU))[-1]
    doubt = 1 - last.state["clean"].double().mean(0)
    assert ranking.table["value"].tolist() == sorted(doubt.tolist(), reverse=True)
    derive(trained, Parts(trained))
    table = pd.read_csv(trained / "detection.csv")
    scores = set(table.loc[table["method"] == "dividemix", "score"])
    assert scores == {"loss", "loss_mean", "margin_mean", "own"}
    assert "own" not in set(table.loc[table["method"] == "cross_entropy", "score"])


def test_seeds_that_trained_on_the_same_labels_are_averaged(tmp_path):
    cells = cells_of(*(("clean", "cross_entropy", seed) for seed in (0, 1, 2)))
    make_plan(tmp_path, "audit", cells, TrainingOptions(CPU, 1)).write(tmp_path)
    scores, votes = {}, {}
    for k, cell in enumerate(cells):
        at = np.arange(k, 6 + k)  # each seed holds out other images
        rng = np.random.default_rng(k)
        arrays = {"position": at, "train_scores": rng.random((1, 6)), "noisy": at % 10}
        arrays |= {"clean": at % 10, "predicted": rng.integers(2, size=6)}
        (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
        facts = replace(record.meta.facts, n_train=6, noise_sha256="one")
        meta = replace(record.meta, facts=facts, scores=("loss_mean",))
        arrays = record.arrays | arrays | {"detection": np.zeros((1, 2))}
        write_part(tmp_path, [Record(meta, arrays)])
        for place, value, vote in zip(
            at, arrays["train_scores"][0], arrays["predicted"], strict=True
        ):
            scores.setdefault(place, []).append(value)
            votes.setdefault(place, []).append(vote)
    (ranking,) = FinishedCells(tmp_path, CellFilter(noises=["clean"])).rankings("loss_mean")
    means = {place: sum(values) / len(values) for place, values in scores.items()}
    assert ranking.seeds == (0, 1, 2)
    assert ranking.table["position"].tolist() == sorted(means, key=means.get, reverse=True)
    for row in ranking.table.itertuples():
        assert row.value == pytest.approx(means[row.position])
        assert row.cells == len(scores[row.position])
        assert row.predicted == (2 * sum(votes[row.position]) > len(votes[row.position]))
    assert ranking.held_out.tolist() == list(range(8, 1078))
    assert np.isnan(ranking.auroc)


def test_the_table_names_classes_and_hides_the_truth(written, table):
    assert len(table) == 5 * 20
    assert (table["corrected"] == "").all()
    assert "wrong" not in table
    assert (table["given_name"] == table["given"]).all()
    assert "symmetric" in written.lines[0]
    assert "AUROC" in written.lines[0]
    assert written.lines[-1].endswith("no label is known to be wrong")


def test_a_sheet_is_drawn_of_every_method_and_noise_once(written, audited):
    assert len(written.sheets) == 3
    assert written.undrawn == 2
    for sheet in written.sheets:
        pixels = matplotlib.image.imread(sheet)
        assert pixels.std() > 0.05
        assert f"]({sheet.name})" in written.index.read_text()
    revealed = audit(
        audited, NOWHERE, CellFilter(noises=[NOISE]), AuditOptions(top=20, reveal=True)
    )
    framed = matplotlib.image.imread(revealed.sheets[0])
    red = (framed[..., 0] > 0.7) & (framed[..., 1] < 0.2)
    assert red.any()
    assert "wrong" in pd.read_csv(revealed.table)


def test_only_runs_on_labels_that_may_be_wrong_are_ranked_unless_asked(trained):
    rankings = FinishedCells(trained, CellFilter()).rankings("loss")
    noises = [ranking.keys["noise"] for ranking in rankings]
    assert noises == 4 * [NOISE]
    (clean,) = FinishedCells(trained, CellFilter(noises=["symmetric(rate=0.0)"])).rankings("loss")
    assert clean.keys["noise"] == "clean"  # whatever it is called


@pytest.fixture
def small(tmp_path):
    """A folder of one cell that nobody had to train, with what it held out."""
    return write(tmp_path / "run", cells_of((NOISE, "gce", 3)), held_out=9)


def audit_of(folder, **options):
    return audit(folder, NOWHERE, CellFilter(), AuditOptions(**options))


def test_the_table_is_as_long_as_there_are_wrong_labels(small):
    (cell,) = cells_of((NOISE, "gce", 3))
    clean, given, _ = labels_of(cell)
    wrong = (clean != given)[9:].sum()
    assert wrong > LEAST
    table = pd.read_csv(audit_of(small).table)
    assert len(table) == wrong
    assert (clean != given)[table["position"]].all()  # the folder's scores find all of them
    assert len(pd.read_csv(audit_of(small, top=7).table)) == 7


def test_where_no_label_is_known_to_be_wrong_the_method_is_asked(tmp_path):
    folder = write(tmp_path / "run", cells_of(("clean", "gce", 0)))
    cells = CellFilter(noises=["clean"])
    assert len(pd.read_csv(audit(folder, NOWHERE, cells, AuditOptions()).table)) == LEAST
    (ranking,) = FinishedCells(folder, cells).rankings("loss_mean")
    assert ranking.doubtful == 0
    moved = ranking.table.assign(predicted=(ranking.table["given"] + 1) % 10)
    assert dataclasses.replace(ranking, table=moved).doubtful == 1078


def test_what_was_held_out_is_counted_and_listed(small):
    written = audit_of(small)
    (note,) = (note for note in written.notes if "held out" in note)
    assert "Of the 1078 labels of digits, 9 a ranking were held out" in note
    assert note in written.index.read_text()
    held_out = pd.read_csv(small / "suspects" / "held-out.csv")
    assert held_out["position"].tolist() == list(range(9))
    assert set(held_out["seeds"]) == {3}
    assert not set(held_out["position"]) & set(pd.read_csv(written.table)["position"])


def test_every_row_has_the_index_of_the_publisher(small):
    (cell,) = cells_of((NOISE, "gce", 3))
    train = cell.dataset.load(NOWHERE, 3)[0]
    index = np.arange(1078) if train.position is None else train.position.numpy()
    for name in ("suspects.csv", "held-out.csv"):
        audit_of(small)
        table = pd.read_csv(small / "suspects" / name)
        assert table["index"].tolist() == index[table["position"]].tolist()


def test_the_truth_is_revealed_only_when_asked(small):
    assert not set(REVEALED) & set(pd.read_csv(audit_of(small).table))
    table = pd.read_csv(audit_of(small, reveal=True).table)
    clean, given, _ = labels_of(cells_of((NOISE, "gce", 3))[0])
    assert table["true"].tolist() == clean[table["position"]].tolist()
    assert table["wrong"].tolist() == (clean != given)[table["position"]].tolist()
    assert table["true_name"].tolist() == table["true"].tolist()


def test_a_reviewers_files_survive_and_the_audits_own_are_replaced(small):
    audit_of(small)
    out = small / "suspects"
    for name in ("reviewed.csv", "notes.txt", "more/sheet.xlsx"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("mine")
    first = {path.name for path in out.glob("*.png")}
    other = cells_of((NOISE, "elr", 3))
    write(small, other)
    audit(small, NOWHERE, CellFilter(methods=["elr"]), AuditOptions())
    assert {path.name for path in out.glob("*.png")}.isdisjoint(first)
    for name in ("reviewed.csv", "notes.txt", "more/sheet.xlsx"):
        assert (out / name).read_text() == "mine"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["suspects.csv", "index.md", "held-out.csv", "sheet"])
def test_a_file_that_was_changed_is_not_written_over(small, name):
    written = audit_of(small)
    path = written.sheets[0] if name == "sheet" else small / "suspects" / name
    path.write_bytes(path.read_bytes() + b"\n")
    before = contents(small)
    with pytest.raises(RefusedError, match="since `suspects` wrote it") as refused:
        audit_of(small)
    assert contents(small) == before
    if name == "suspects.csv":
        assert f"{path} has been filled in or changed" in str(refused.value)
        assert "rename it to reviewed.csv" in str(refused.value)


def test_a_file_of_the_users_where_one_belongs_is_not_written_over(small):
    (small / "suspects").mkdir()
    mine = small / "suspects" / "suspects.csv"
    mine.write_text("mine")
    with pytest.raises(RefusedError, match="is in the way"):
        audit_of(small)
    assert mine.read_text() == "mine"


def test_a_former_audit_stays_whole_where_a_new_one_fails(small, monkeypatch):
    audit_of(small)
    before = contents(small)

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmarks.suspects.audit.draw_sheet", fail)
    with pytest.raises(OSError, match="No space left"):
        audit_of(small)
    assert contents(small) == before


def test_sheets_of_specs_that_differ_in_a_sign_are_two_files(tmp_path):
    methods = ("label_smoothing(smoothing=0.4)", "label_smoothing(smoothing=-0.4)")
    folder = write(tmp_path / "run", cells_of(*((NOISE, method, 0) for method in methods)))
    written = audit(folder, NOWHERE, CellFilter(), AuditOptions(top=9))
    assert len(set(written.sheets)) == 2
    assert all(
        sheet.is_file() and f"({sheet.name})" in written.index.read_text()
        for sheet in written.sheets
    )


@pytest.mark.parametrize(
    ("cells", "score", "told"),
    [
        (CellFilter(methods=["dividmix"]), "loss", "(did you mean 'dividemix'?)"),
        (
            CellFilter(methods=["elr", "mae", "dividemix"]),
            "loss",
            "the method 'elr' or 'mae' (known: ",
        ),
        (CellFilter(seeds=[9, 0, 7]), "loss", "has the seed 9 or 7 (known: 0, 1)"),
        (
            CellFilter(datasets=["digit"]),
            "loss",
            "has the dataset 'digit' (did you mean 'digits'?)",
        ),
        (
            CellFilter(noises=["x"], seeds=[5]),
            "loss",
            "has the noise 'x' (known: clean, symmetric(rate=0.4)), or the seed 5 (known: ",
        ),
        (CellFilter(noises=["clean"], methods=["dividemix"]), "loss", "but none with all of them"),
        (CellFilter(methods=["cross_entropy"]), "own", "score 'own'; use loss_mean or loss"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(trained, cells, score, told):
    with pytest.raises(RefusedError) as refused:
        list(FinishedCells(trained, cells).rankings(score))
    assert told in str(refused.value)


def without_parts(folder):
    shutil.rmtree(folder / "parts")


def only_tables(folder):
    without_parts(folder)
    (folder / "results.csv").write_text("")


def unfinished(folder, status="failed"):
    without_parts(folder)
    (cell,) = cells_of((NOISE, "gce", 3))
    keys = CellKeys(**cell.keys())
    write_part(folder, [Record(CellMeta(keys, CellFacts(), status, "", Costs()), {})])


def diverged(folder):
    unfinished(folder, "diverged")


def without_scores(folder):
    without_parts(folder)
    write(folder, cells_of((NOISE, "gce", 3)), scores=())


def clean_only(folder):
    shutil.rmtree(folder)
    write(folder, cells_of(("clean", "gce", 3)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (shutil.rmtree, "does not exist"),
        (without_parts, "has no finished cell yet: it has no parts"),
        (only_tables, "keeps its CSV files only"),
        (unfinished, "has no finished cell yet: `python run_all.py status"),
        (diverged, "has no finished cell, as 1 diverged: `python run_all.py status"),
        (without_scores, "hold no scores of training labels"),
        (clean_only, "only when asked for, by --noises clean"),
    ],
)
def test_a_folder_that_cannot_be_audited_is_told_in_a_sentence(small, capsys, change, told):
    change(small)
    assert main(["suspects", str(small)]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert told in sentence
    assert not (small / "suspects").exists()


def test_methods_without_a_score_of_their_own_are_named(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "run")
    written = audit(folder, NOWHERE, CellFilter(), AuditOptions("own", top=9))
    assert "Not ranked, for they have no score own: cross_entropy." in written.notes
    assert not any("Not ranked" in note for note in audit_of(folder, top=9).notes)


def test_a_folder_of_the_version_with_other_images_is_refused(small, capsys):
    plan = small / "plan.json"
    plan.write_text(plan.read_text().replace(f'"schema": {SCHEMA_VERSION}', '"schema": 3'))
    assert main(["suspects", str(small)]) == 2
    assert "results version 3, in which each seed had other" in capsys.readouterr().err


def test_missing_images_are_missing_data_and_leave_no_folder(small, monkeypatch, capsys):
    def load(*_args):
        raise DataMissingError("the digits are gone")

    monkeypatch.setattr(DATASETS["digits"], "load", load)
    assert main(["suspects", str(small)]) == 5
    assert "the digits are gone" in capsys.readouterr().err
    assert not (small / "suspects").exists()


def test_an_entry_of_a_plugin_that_is_not_given_leads_to_the_option(small, capsys):
    edit_plan(small, "small(", "nobodys(")
    assert main(["suspects", str(small)]) == 2
    said = capsys.readouterr().err
    assert "unknown recipe 'nobodys'" in said
    assert "--plugin" in said


def test_where_numbers_are_names_the_terminal_says_so(small, monkeypatch, capsys):
    assert main(["suspects", str(small), "--top", "3"]) == 0
    assert "a number is read as a name" not in capsys.readouterr().out
    names = tuple(map(str, range(1, 11)))
    monkeypatch.setattr(DATASETS["digits"], "classes", names)
    assert main(["suspects", str(small), "--top", "3"]) == 0
    said = "a number is read as a name and not counted from 0, so that 1 is the class 1"
    assert said in capsys.readouterr().out
    assert (small / "suspects" / "index.md").read_text().count(said) == 1


def test_vectors_are_shown_by_the_images_behind_them(tmp_path):
    spec = "embedded(dataset='digits', backbone='random_conv(patches=3, size=2)')"
    root = tmp_path / "data"
    DATASETS.build(spec).fetch(root)
    sheets = {}
    for name in ("digits", spec):
        cells = cells_of((NOISE, "cross_entropy", 0), dataset=name)
        folder = write(tmp_path / name[:6], cells, root=root)
        found = audit(folder, root, CellFilter(), AuditOptions(top=20))
        (sheet,) = found.sheets
        pixels = matplotlib.image.imread(sheet)
        sheets[name] = pixels[-180:]  # below the caption, which names the dataset
        assert found.undrawn == 0
    digits, vectors = sheets.values()
    assert digits.shape == vectors.shape
    assert np.array_equal(digits, vectors)


def test_names_below_an_image_stay_in_its_column():
    with layout.paper_style(sheets.PAGE):
        _, axes = sheets._axes(0.2, 1)
        text = sheets._write(axes, 1.0, 0.5, "m" * sheets.LETTERS, "black")
        sheets._shrink(text, 0.6)
        assert text.get_window_extent().width / axes.figure.dpi <= 0.61
