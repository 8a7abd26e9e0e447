"""The label audit: what is ranked, what a reviewer gets to see, and what comes back."""

import shutil

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.cli.app import main
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.store import Parts, Record, derive, write_part
from benchmarks.suspects.audit import AuditOptions, audit
from benchmarks.suspects.corrections import relabel
from benchmarks.suspects.ranking import CellFilter, rank
from benchmarks.sweep import label_space
from tests.cells import CPU, NOWHERE, alone, build

NOISE = "symmetric(rate=0.4)"
RECIPE = "small(epochs=2)"


def cells_of(*points):
    names = ("noise", "method", "seed")
    return [build(recipe=RECIPE, **dict(zip(names, point, strict=True))) for point in points]


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
    return audit(trained, NOWHERE, CellFilter(), AuditOptions(top=20))


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
    (ranking,) = rank(trained, cells, "loss")
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
    (ranking,) = rank(trained, CellFilter(noises=[NOISE], methods=["dividemix"], seeds=[0]), "own")
    (cell,) = cells_of((NOISE, "dividemix", 0))
    last = alone(cell, load_cell_data(cell, NOWHERE, CPU))[-1]
    doubt = 1 - last.state["clean"].double().mean(0)
    assert ranking.table["value"].tolist() == sorted(doubt.tolist(), reverse=True)
    derive(trained, Parts(trained))
    table = pd.read_csv(trained / "detection.csv")
    assert set(table.loc[table["method"] == "dividemix", "score"]) == {"loss", "loss_mean", "own"}
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
    (ranking,) = rank(tmp_path, CellFilter(), "loss_mean")
    means = {place: sum(values) / len(values) for place, values in scores.items()}
    assert ranking.seeds == (0, 1, 2)
    assert ranking.table["position"].tolist() == sorted(means, key=means.get, reverse=True)
    for row in ranking.table.itertuples():
        assert row.value == pytest.approx(means[row.position])
        assert row.cells == len(scores[row.position])
        assert row.predicted == (2 * sum(votes[row.position]) > len(votes[row.position]))
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


def test_corrections_come_back_as_labels_to_train_on(table, trained, tmp_path, capsys):
    mine = (table["noise"] == NOISE) & (table["seeds"] == "1") & (table["method"] == "dividemix")
    (cell,) = cells_of((NOISE, "dividemix", 1))
    problem = load_cell_data(cell, NOWHERE, CPU)
    clean = dict(zip(problem.position.tolist(), problem.clean.tolist(), strict=True))
    positions = table.loc[mine, "position"].astype(int)
    table.loc[mine, "corrected"] = [str(clean[p]) for p in positions]
    reviewed, out = tmp_path / "reviewed.csv", str(tmp_path / "labels-{seed}.npy")
    table.to_csv(reviewed, index=False)
    assert main(["relabel", str(trained), str(reviewed), "--out", out]) == 0
    new = np.load(tmp_path / "labels-1.npy")
    label = cell.dataset.load(NOWHERE, 1)[0].label
    given, *_ = cell.noise.corrupt(label, label_space(cell.dataset), "digits", 1)
    wrong = sum(given[p] != clean[p] for p in positions)
    assert wrong > 0
    for place in range(len(new)):
        expected = clean[place] if place in set(positions) else given[place]
        assert new[place] == expected
    said = capsys.readouterr().out
    assert f"{wrong} of 1078 labels corrected, {20 - wrong} confirmed" in said
    spec = said.partition('--noises "')[2].partition('"')[0]
    again = build("gce", noise=spec, seed=1)
    assert load_cell_data(again, NOWHERE, CPU).noisy.tolist() == new[problem.position].tolist()


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("corrected", "eleven", "corrected must be a class from 0 to 9 or its name, got 'eleven'"),
        ("corrected", "10", "got '10'"),
        ("position", "1078", "position must be from 0 to 1077, got '1078'"),
        ("given", "-1", "the table is of other labels"),
        ("cell_id", "ffff", "has no cell ffff"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number_and_nothing_is_written(
    table, trained, tmp_path, column, value, told
):
    reviewed, new = tmp_path / "reviewed.csv", tmp_path / "new.npy"
    table = table.head(2).assign(corrected="3")
    table.loc[1, column] = value
    table.to_csv(reviewed, index=False)
    with pytest.raises(RefusedError, match="line 3") as refused:
        relabel(trained, reviewed, NOWHERE, str(new))
    assert told in str(refused.value)
    assert not new.exists()


def test_contradictions_and_a_file_for_two_vectors_are_refused(table, trained, tmp_path):
    twice = pd.concat([table.head(1).assign(corrected=c) for c in ("3", "4")])
    for reviewed, told in (
        (table.assign(corrected="3"), r"3 vectors of given labels.*put \{seed\}"),
        (twice, "corrected to 4 here and to 3 above"),
        (table, "corrects nothing"),
    ):
        reviewed.to_csv(tmp_path / "reviewed.csv", index=False)
        with pytest.raises(RefusedError, match=told):
            relabel(trained, tmp_path / "reviewed.csv", NOWHERE, str(tmp_path / "new.npy"))


def test_a_table_that_was_filled_in_is_not_written_over(table, audited):
    path = audited / "suspects" / "suspects.csv"
    table.loc[4, "corrected"] = "7"
    table.to_csv(path, index=False)
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="has been filled in"):
        audit(audited, NOWHERE, CellFilter(), AuditOptions())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("cells", "score", "told"),
    [
        (CellFilter(methods=["dividmix"]), "loss", "did you mean 'dividemix'"),
        (CellFilter(seeds=[9]), "loss", "no finished cell that fits"),
        (CellFilter(methods=["cross_entropy"]), "own", "score 'own'; use loss_mean or loss"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(trained, cells, score, told):
    with pytest.raises(RefusedError) as refused:
        list(rank(trained, cells, score))
    assert told in str(refused.value)
