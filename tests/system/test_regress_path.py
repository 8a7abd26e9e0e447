"""A run becomes a baseline, and what seeds drew is held against it."""

import json
import shutil

import pandas as pd
import pytest

from benchmarks.outputs import manifest_path
from benchmarks.regress.baseline import VERB
from benchmarks.store import Parts
from tests.system.runs import run


def test_what_a_seed_draws_is_the_same_for_every_method_and_no_other_seed(undisturbed):
    metas = Parts(undisturbed).meta.values()
    for name in ("split_sha256", "weights_sha256"):
        drawn = {(meta.keys.seed, getattr(meta.draws, name)) for meta in metas}
        assert len(drawn) == len({digest for _, digest in drawn}) == 2
        assert all(len(digest) == 64 for _, digest in drawn)


@pytest.mark.parametrize(
    ("digest", "cause"),
    [
        ("noise_sha256", None),
        ("split_sha256", "trained on another part of the images"),
        ("weights_sha256", "begun with other initial weights"),
    ],
)
def test_a_seed_that_draws_otherwise_fails_and_the_cause_is_named(
    undisturbed, tmp_path, digest, cause
):
    new, base = tmp_path / "new", tmp_path / "base"
    shutil.copytree(undisturbed, new)
    code, _, err = run("regress", "accept", new, "--baseline", base, "--reason", "the first")
    assert code == 0, err
    code, out, _ = run("regress", new, "--baseline", base)
    assert (code, "same bytes" in out) == (0, True)
    manifest = json.loads((base / "baseline.json").read_text())
    axes, drawn = next((k, v) for k, v in manifest["hashes"][digest].items() if k.endswith(", 1"))
    manifest["hashes"][digest][axes] = "0" * 64 if cause else drawn
    (base / "baseline.json").write_text(json.dumps(manifest))
    manifest_path(base, VERB).unlink()
    rows = pd.read_csv(new / "results.csv", keep_default_na=False)
    rows.assign(nll=rows["nll"].astype(float) * 1.0001).to_csv(new / "results.csv", index=False)
    code, out, _ = run("regress", new, "--baseline", base)
    assert (code == 4) == (cause is not None)
    if cause:
        assert f"cross_entropy, clean, seed 1: {cause} at the same seed" in out
    table = pd.read_csv(base / "costs.csv", keep_default_na=False)
    table.assign(cpu="another").to_csv(base / "costs.csv", index=False)
    code, out, _ = run("regress", new, "--baseline", base)
    assert (code == 4) == (digest == "split_sha256")
    assert ("Initial weights differ" in out) == (digest == "weights_sha256")
