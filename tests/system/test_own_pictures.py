"""Pictures of one's own with wrong labels: trained, audited, corrected, and trained again."""

import numpy as np
import pandas as pd
from PIL import Image

from tests.system.runs import run
from tests.system.test_audit_path import done, printed


def draw(folder, count=40):
    """Dark and bright pictures of mixed sizes, every tenth in the folder of the other class."""
    random, true = np.random.default_rng(0), {}
    for number in range(2 * count):
        kind, wrong = number % 2, number % 10 < 2 and number % 20 < 10
        name = f"{('dark', 'bright')[kind ^ wrong]}/{number:02}.png"
        shape = (*random.integers(8, 30, 2), 3)
        pixels = random.integers(0, 90, shape) + (0, 160)[kind]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
        true[name] = ("dark", "bright")[kind]
    return [true[name] for name in sorted(true, key=lambda name: name.split("/"))]


def test_wrong_labels_among_pictures_are_found_and_a_corrected_file_trains_again(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    true = draw(tmp_path / "pets")
    data = ("--datasets", "folder(path='pets', test=0.2, size=8)", "--noises", "given")
    small = ("--methods", "cross_entropy", "--recipes", "small(epochs=4)", "--seeds", "0")
    done(*data, *small, "--out", "out", "--no-report")
    row = pd.read_csv("out/results.csv").iloc[0]
    assert row.truth == "unknown"
    assert pd.isna(row.noise_rate_realised)
    (relabel,) = printed(done("suspects", "out"))
    table = pd.read_csv("out/suspects/suspects.csv")
    table["corrected"] = [true[index] for index in table["index"]]
    wrong = (table["corrected"] != table["given_name"]).to_numpy()
    assert wrong[: wrong.sum()].mean() > 2 * wrong.mean()
    table.to_csv(relabel[2], index=False)
    said = done(*relabel)
    assert f"{wrong.sum()} of 64 labels corrected" in said
    train, _ = printed(said)
    assert run(*train, "--no-report")[0] == 0
