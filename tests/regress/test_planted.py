"""What the gates say of changes that are planted in the code, and of none."""

import pytest

from benchmarks.regress.gates import Verdict
from tests.regress import planted, unchanged

IN_CI = ("noise_by_method", "smoothing_divisor")
"""The cheapest: a cause that hashes name, and an effect that statistics have to find."""


def test_every_planted_change_is_told_of_and_applies(tmp_path):
    code = planted.copied(tmp_path / "code")
    names = {path.stem for path in planted.PATCHES.iterdir()}
    assert names == {*planted.CHANGES, *planted.TIMED}
    for name in names:
        planted.patched(name, code, "--check")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in IN_CI else pytest.mark.soak)
        for name in planted.CHANGES
    ],
)
def test_a_planted_change_is_found_and_the_culprit_named_first(tmp_path, name):
    judgement = planted.judgement_of(name, tmp_path)
    assert not planted.refuted(name, judgement)


@pytest.mark.soak
@pytest.mark.parametrize("name", planted.TIMED)
def test_a_planted_slow_line_is_found(tmp_path, name):
    judgement = planted.judgement_of_speed(name, tmp_path)
    assert judgement.verdict == Verdict.FAIL
    assert judgement.sentences(Verdict.FAIL)[0].startswith(planted.EPOCH)


@pytest.mark.soak
@pytest.mark.parametrize("rerun", unchanged.RERUNS, ids=lambda rerun: rerun.words)
def test_no_run_without_a_change_fails(tmp_path, rerun):
    assert unchanged.judgement_of(rerun, tmp_path).verdict != Verdict.FAIL
