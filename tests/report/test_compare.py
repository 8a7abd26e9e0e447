"""Two results folders against each other: the tests are those of scipy and statsmodels."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from benchmarks.cli.app import main
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.report.compare import COMPARED, compare
from benchmarks.report.data import load
from benchmarks.report.pairing import NoiseChange
from tests.report.folders import SIX, Sweep, write

BEFORE = Sweep(methods=SIX[:3], noises=("clean", "symmetric(rate=0.4)"), seeds=5, epochs=1)


def shifted(row):
    """Accuracy of one method moves; everything else stays."""
    moved = row["method"] == "reweighting"
    wobble = 0.002 * np.sin(5 * row["seed"] + len(row["noise"]))
    return row | ({"acc": row["acc"] - 0.03 + wobble} if moved else {})


@pytest.fixture
def before(tmp_path):
    return write(tmp_path / "before", BEFORE)


def test_a_change_is_a_paired_t_test_of_scipy_with_holm_over_the_column(before, tmp_path):
    comparison = compare(before, write(tmp_path / "after", replace(BEFORE, alter=shifted)))
    tests = comparison.tests[comparison.tests["metric"] == "acc"]
    cells = comparison.pairs.set_index(["method", "setting"]).sort_index()
    p = []
    for row in tests.to_dict("records"):
        both = cells.loc[(row["method"], row["setting"])]
        difference = (both["acc_b"] - both["acc_a"]).to_numpy()
        assert row["difference"] == pytest.approx(difference.mean())
        p.append(scipy.stats.ttest_1samp(difference, 0).pvalue if difference.any() else 1.0)
    assert tests["p"].tolist() == pytest.approx(p)
    assert tests["p_holm"].tolist() == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert set(tests.loc[tests["p_holm"] < 0.05, "method"]) == {"reweighting"}
    rows = [line for line in comparison.markdown().splitlines() if "**" in line]
    assert len(rows) == 3  # all settings, and each of the two
    assert "30 pairs of finished cells, 20 of them with equal" in comparison.plain()


def test_a_method_is_tested_over_all_settings_with_its_seeds_as_pairs(before, tmp_path):
    comparison = compare(before, write(tmp_path / "after", replace(BEFORE, alter=shifted)))
    pooled = comparison.pooled[comparison.pooled["metric"] == "acc"]
    assert pooled["setting"].tolist() == 3 * ["all 2 settings"]
    p = []
    for row in pooled.to_dict("records"):
        cells = comparison.pairs[comparison.pairs["method"] == row["method"]]
        sides = [cells.pivot_table(index="seed", values=v).iloc[:, 0] for v in ("acc_a", "acc_b")]
        by_seed = (sides[1] - sides[0]).to_numpy()
        assert (row["n"], row["difference"]) == (5, pytest.approx(by_seed.mean()))
        p.append(scipy.stats.ttest_rel(*sides[::-1]).pvalue if by_seed.any() else 1.0)
    assert pooled["p"].tolist() == pytest.approx(p)
    assert pooled["p_holm"].tolist() == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert "is a pair; Holm over the 3 methods." in comparison.markdown()


def test_a_seed_that_failed_in_one_setting_is_no_pair_over_all_of_them(before, tmp_path):
    def fails(row):
        lost = row["method"] == "reweighting" and row["seed"] == 4 and row["noise"] == "clean"
        return row | ({"status": "failed"} if lost else {"acc": row["acc"] + 0.01 * row["seed"]})

    comparison = compare(before, write(tmp_path / "after", replace(BEFORE, alter=fails)))
    n = comparison.pooled.set_index(["method", "metric"])["n"]
    assert n["reweighting", "acc"] == 4
    assert n["cross_entropy", "acc"] == 5
    gain = comparison.pooled.set_index(["method", "metric"])["difference"]
    assert gain["reweighting", "acc"] == pytest.approx(0.015)  # seeds 0 to 3
    one = compare(*(write(tmp_path / n, replace(BEFORE, noises=("clean",))) for n in "ab"))
    assert one.pooled.empty
    assert "All settings" not in one.plain()


def test_the_same_folder_is_equal_throughout(before):
    comparison = compare(before, before)
    assert (comparison.tests["difference"] == 0).all()
    assert comparison.plain().count("equal ") >= 6 * len(COMPARED) - 6
    assert "30 pairs of finished cells, 30 of them" in comparison.plain()
    assert comparison.only_a == comparison.only_b == ()


def test_cells_without_a_partner_are_named(before, tmp_path):
    def fails(row):
        lost = row["method"] == "reweighting" and row["seed"] == 4
        return row | ({"status": "failed", "acc": None} if lost else {})

    after = write(tmp_path / "after", replace(BEFORE, methods=SIX[1:4], alter=fails))
    comparison = compare(before, after)
    assert len(comparison.only_a) == 10 + 2
    assert "digits, clean, mlp, short, reweighting, seed 4" in comparison.only_a
    assert {name.split(", ")[4] for name in comparison.only_b} == {"gce"}
    assert "12 cells finished in A without a partner in B: " in comparison.plain()
    assert "; and 2 more." in comparison.plain()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_sha256": "another"}, r"different labels at digits, clean, mlp, .*seed 0"),
        ({"metric_spec": "v2"}, "before has metrics v1 and .*after has metrics v2: `collect`"),
        ({"recipe": "long"}, "have no finished cell in common"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(before, tmp_path, changes, message):
    after = write(tmp_path / "after", replace(BEFORE, alter=lambda row: row | changes))
    if "recipe" in changes:  # the other tables name their recipe too
        for name in ("curves", "bins", "detection"):
            path = after / f"{name}.csv"
            pd.read_csv(path).assign(**changes).to_csv(path, index=False)
    with pytest.raises(RefusedError, match=message):
        compare(before, after)


def test_one_seed_has_a_difference_and_no_test(tmp_path):
    one = replace(BEFORE, seeds=1)
    a, b = write(tmp_path / "a", one), write(tmp_path / "b", replace(one, alter=shifted))
    comparison = compare(a, b)
    assert comparison.tests["p"].isna().all()
    assert "p =" not in comparison.plain()


def test_the_command_writes_what_it_prints_and_says_by_its_code_what_is_missing(before, tmp_path):
    files = {"--markdown": tmp_path / "c.md", "--csv": tmp_path / "c.csv"}
    options = [str(part) for pair in files.items() for part in pair]
    assert main(["compare", str(before), str(before), *options]) == 0
    assert "| Method | Setting |" in files["--markdown"].read_text(encoding="utf-8")
    written = pd.read_csv(files["--csv"])
    assert len(written) == (3 + 6) * len(COMPARED)
    assert written["setting"].iloc[0] == "all 2 settings"
    assert main(["compare", str(before), str(tmp_path / "nowhere")]) == 5
    with pytest.raises(DataMissingError, match="nowhere does not exist"):
        compare(before, tmp_path / "nowhere")


NOISY, CORRECTED = "symmetric(rate=0.4)", "labels(file='labels-{seed}.npy')"
NOISES = ("clean", "symmetric(rate=0.2)", NOISY)


def relabelled(row):
    """The same cell on labels of which most were corrected, a little more accurate for it."""
    return row | {
        "noise_kind": "labels",
        "noise_sha256": f"corrected {row['seed']}",
        "noise_rate": None,
        "noise_rate_realised": 0.03,
        "acc": row["acc"] + 0.05 + 0.002 * np.sin(5 * row["seed"]),
    }


@pytest.fixture
def audited(tmp_path):
    """A run at three noises, and one of them with corrected labels."""
    sweep = replace(BEFORE, noises=NOISES)
    after = replace(BEFORE, noises=(CORRECTED,), alter=relabelled)
    return write(tmp_path / "audited", sweep), write(tmp_path / "corrected", after)


def test_before_and_after_are_paired_by_all_but_the_noise(audited):
    comparison = compare(*audited, NoiseChange([NOISY]))
    assert len(comparison.pairs) == 3 * 5
    assert comparison.only_a == comparison.only_b == ()
    rows = comparison.tests[comparison.tests["metric"] == "acc"]
    before, after = (load(folder).last.set_index(["method", "seed"]) for folder in audited)
    before = before[before["noise"] == NOISY]["acc"]
    for row in rows.to_dict("records"):
        assert (row["a"], row["b"]) == tuple(
            pytest.approx(side[row["method"]].mean()) for side in (before, after["acc"])
        )
        ours = scipy.stats.ttest_rel(after["acc"][row["method"]], before[row["method"]])
        assert row["p"] == pytest.approx(ours.pvalue)
        assert row["setting"] == f"symmetric 40% \N{RIGHTWARDS ARROW} {CORRECTED}"
    said = comparison.plain()
    shares = f"with 39.8% of the labels wrong, became {CORRECTED} in B, with 3.0%"
    assert f"{NOISY} in A, {shares}" in said
    assert "on the same seeds, mean" in said


def test_noises_are_paired_in_their_order_and_lone_ones_without_being_named(audited, tmp_path):
    before, after = audited
    names = ["symmetric(rate=0.2)", NOISY]
    swapped = compare(before, before, NoiseChange(names, names[::-1]))
    changes = set(zip(swapped.pairs["noise_a"], swapped.pairs["noise_b"], strict=True))
    assert changes == set(zip(names, names[::-1], strict=True))
    one = write(tmp_path / "one", replace(BEFORE, noises=(NOISY,), methods=SIX[:2]))
    comparison = compare(one, after, NoiseChange())
    assert len(comparison.pairs) == 2 * 5
    assert len(comparison.only_b) == 5
    assert all(CORRECTED in name for name in comparison.only_b)
    same = compare(one, one, NoiseChange())
    assert "; 10 pairs with equal labels." in same.plain()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "audited has 3 noises (clean, symmetric(rate=0.2), symmetric(rate=0.4)) and"),
        ((), "as in --noises-a 'symmetric(rate=0.2)'"),
        (
            ("--noises-a", "symmetric(rate=0.5)"),
            "has the noise 'symmetric(rate=0.5)' (did you mean",
        ),
        (("--noises-a", "x", "y"), "has the noise 'x' or 'y' (known: clean, symmetric(rate=0.2)"),
        (("--noises-b", "z"), "corrected has the noise 'z' (known: labels(file="),
        (("--noises-a", *NOISES[1:]), "each of A paired with one of B"),
        (("--noises-a", *NOISES[1:], "--noises-b", CORRECTED), "must be as many, got 2 and 1"),
        (("--noises-a", NOISY, NOISY), "--noises-a names 'symmetric(rate=0.4)' twice"),
    ],
)
def test_what_became_of_a_noise_is_asked_where_it_is_not_clear(audited, capsys, options, told):
    assert main(["compare", *map(str, audited), "--pair", "method", *options]) == 2
    assert told in capsys.readouterr().err


def test_noises_are_chosen_for_pairs_by_method_only(audited, capsys):
    assert main(["compare", *map(str, audited), "--noises-b", NOISY]) == 2
    assert "--noises-b says which noise became which: add --pair" in capsys.readouterr().err


def test_other_labels_at_the_same_noise_lead_to_the_pairs_by_method(before, tmp_path):
    other = replace(BEFORE, alter=lambda row: row | {"noise_sha256": "another"})
    with pytest.raises(RefusedError, match="--pair method compares before and after"):
        compare(before, write(tmp_path / "after", other))


def test_only_its_own_files_are_replaced_and_folders_are_made(before, tmp_path, capsys):
    path = tmp_path / "new" / "folder" / "c.md"
    asked = ["compare", str(before), str(before), "--markdown", str(path)]
    assert main(asked) == 0
    assert main(asked) == 0
    path.write_text("mine", encoding="utf-8")
    for name in ("--markdown", "--csv"):
        assert main([*asked[:3], name, str(path)]) == 2
        assert f"{path} was changed since `compare` wrote it" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "mine"
    mine = path.with_suffix(".csv")
    mine.write_text("mine", encoding="utf-8")
    assert main([*asked[:3], "--csv", str(mine)]) == 2
    assert f"{mine} is in the way" in capsys.readouterr().err


def test_one_file_for_both_forms_of_the_table_is_refused(before, tmp_path, capsys):
    path = str(tmp_path / "c")
    assert main(["compare", str(before), str(before), "--csv", path, "--markdown", path]) == 2
    assert f"--markdown and --csv need a file each, got {path} for both" in capsys.readouterr().err


def test_changed_labels_of_two_versions_with_other_test_images_are_refused(audited, monkeypatch):
    versions = dict(zip(audited, (3, 4), strict=True))
    plans = {folder: SimpleNamespace(schema=version) for folder, version in versions.items()}
    monkeypatch.setattr("benchmarks.report.compare.planned", plans.get)
    with pytest.raises(RefusedError, match="results versions 3 and 4, which test digits on other"):
        compare(*audited, NoiseChange([NOISY]))
