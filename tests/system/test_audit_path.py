"""The label audit as a user walks it: each command is what the one before printed."""

import shlex
import shutil

import pandas as pd
import pytest

from benchmarks.report.compare import compare
from benchmarks.report.data import load
from benchmarks.report.pairing import NoiseChange
from tests.system.runs import run

NOISY = "symmetric(rate=0.4)"


@pytest.fixture
def audited(undisturbed, tmp_path, monkeypatch):
    """The default results folder below the current one, with clean and with noisy cells."""
    shutil.copytree(undisturbed, tmp_path / "results" / "default")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results" / "default"


def done(*words):
    """What a command printed that ended well."""
    code, out, err = run(*words)
    assert code == 0, err
    return out


def printed(text):
    """The words of every command that was printed as the next step, after the program's name."""
    lines = [line.strip() for line in text.splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("python run_all.py ")]
    assert commands
    return [words[2:] for words in commands]


def fill_in(table, reviewed):
    """Correct every label as a reviewer who knows the truth, and save it as pandas does."""
    rows = pd.read_csv(table)
    rows["corrected"] = rows["true"]
    rows.to_csv(reviewed, index=False)


def test_four_commands_lead_from_suspects_to_the_comparison_of_before_and_after(audited):
    said = done("suspects", "results/default", "--reveal")
    (relabel,) = printed(said)
    assert [relabel] == printed((audited / "suspects" / "index.md").read_text())
    fill_in(audited / "suspects" / "suspects.csv", relabel[2])
    train, compared = printed(done(*relabel))
    done(*train, "--no-report")
    said = done(*compared)
    assert "12 pairs" not in said  # clean cells have not changed
    assert "6 pairs of finished cells" in said
    after = train[train.index("--out") + 1]
    before, corrected = load(audited), load(audited.parent / "default-relabelled")
    assert after == "results/default-relabelled"
    comparison = compare(audited, audited.parent / "default-relabelled", NoiseChange([NOISY]))
    assert comparison.only_a == comparison.only_b == ()
    assert set(comparison.pairs["noise_a"]) == {NOISY}
    rates = comparison.pairs[["noise_rate_realised_a", "noise_rate_realised_b"]]
    assert (rates.iloc[:, 1] < rates.iloc[:, 0] / 2).all()
    assert set(corrected.last["method"]) == set(before.last["method"])


def test_a_second_round_of_corrections_is_trained_in_a_folder_of_its_own(audited):
    (relabel,) = printed(done("suspects", "results/default", "--reveal"))
    fill_in(audited / "suspects" / "suspects.csv", relabel[2])
    (audited.parent / "default-relabelled").mkdir()
    train, compared = printed(done(*relabel))
    assert train[-1] == compared[2] == "results/default-relabelled-2"
