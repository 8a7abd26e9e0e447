"""What passports say of methods, and the comparison that they quote."""

import shutil
import subprocess

import pytest
import torch

import benchmarks.catalogue.passport as made
from benchmarks import catalogue
from benchmarks.listing import listing
from methods import METHODS
from tests.authors.code import clone
from tests.authors.comparisons import COMPARISONS, compare

SMOOTHED = """
import nowhere

CONSTANT = nowhere.constant

def loss_gls(epoch, y, t, smooth_rate=0.1, wa=0, wb=1):
    log = F.log_softmax(y, dim=-1)
    hard = -log.gather(-1, t[:, None])[:, 0]
    return ((1 - smooth_rate) * hard - smooth_rate * log.mean(-1)).cuda().mean()
"""


def test_the_list_of_passports_has_four_facts_of_every_method():
    lines = listing("passports").splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == list(METHODS)
    facts = ("implemented", "settings", "checked", "reproduced")
    assert all(all(f"{fact}: " in line for fact in facts) for line in lines)
    assert "without SOP+" in catalogue.passports()["sop"].implemented
    assert catalogue.passports()["gjs"].settings.startswith(
        "cifar10 (asymmetric, clean, symmetric)"
    )
    assert catalogue.passports()["cross_entropy"].settings == "none"


def test_a_passport_is_stale_once_the_code_has_changed_and_not_for_a_docstring(
    monkeypatch, tmp_path
):
    own = tmp_path / "methods"
    shutil.copytree(made.FOLDER, own, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(made, "FOLDER", own)
    before = made.passport("gce")["checked"]
    assert "stale" not in before
    for name, old, new in (
        ("gce.py", '"""', '"""Anew: '),
        ("gce.py", "\n\n\n", "\n\n# A remark.\n\n"),
    ):
        text = (own / name).read_text(encoding="utf-8")
        (own / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        assert made.passport("gce")["checked"] == before
    shared = own / "parts" / "losses.py"
    shared.write_text(shared.read_text(encoding="utf-8") + "\nX = 1\n", encoding="utf-8")
    assert "stale, our code has changed" in made.passport("nce_rce")["checked"]


@pytest.mark.usefixtures("double")
def test_a_method_is_held_against_the_code_of_a_clone(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    (comparison,) = (each for each in COMPARISONS if each.spec.startswith("label_smoothing"))
    folder = tmp_path / comparison.repository.replace("/", "+")
    folder.mkdir()
    for text, differs in ((SMOOTHED, False), (SMOOTHED.replace("mean(-1)", "sum(-1)"), True)):
        (folder / comparison.path).write_text(text, encoding="utf-8")
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        for args in (["init", "-q"], ["add", "."], ["commit", "-qm", "code"]):
            subprocess.run([*git, *args], check=True)
        place = clone(tmp_path, comparison.repository)
        found = compare(comparison, place.names(comparison.path, {}))
        assert (found.gradient > 1e-12) == differs
        assert len(place.commit) == 7
    assert clone(tmp_path, "nobody/nothing") is None
