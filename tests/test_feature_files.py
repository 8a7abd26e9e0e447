"""Files of feature vectors, as `embed` writes them."""

import numpy as np
import pytest

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS, content
from benchmarks.inputs import read_arrays

BACKBONE = "random_conv(patches=5, size=6)"


@pytest.fixture
def embed(tmp_path):
    content.forget()

    def run(backbone=BACKBONE, out="features.npz"):
        place = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / out)]
        return main(["embed", "digits", "--backbone", backbone, *place])

    yield run
    content.forget()


def test_a_file_has_vectors_labels_and_names_in_order(embed, tmp_path, capsys):
    assert embed() == 0
    out = capsys.readouterr().out
    assert "6 features of 1,078 training and 719 test images" in out
    arrays = read_arrays(tmp_path / "features.npz")
    dataset = DATASETS.build(f"embedded(dataset='digits', backbone='{BACKBONE}')")
    for split, part in zip(dataset.load(tmp_path / "data", 0), ("", "test_"), strict=True):
        assert np.array_equal(arrays[f"{part}feature"], split.image.flatten(1))
        assert np.array_equal(arrays[f"{part}label"], split.label)
        assert np.array_equal(arrays[f"{part}clean_label"], split.label)
    assert arrays["classes"].tolist() == list(dataset.classes)
    assert embed() == 0  # its own file is replaced


def test_a_file_of_the_user_s_is_not_replaced(embed, tmp_path, capsys):
    (tmp_path / "features.npz").write_text("mine")
    assert embed() == 2
    assert "is a file that `embed` did not write" in capsys.readouterr().err
    assert (tmp_path / "features.npz").read_text() == "mine"
    assert not (tmp_path / "data").exists()  # nothing was computed before


def test_a_wrong_name_is_answered_in_one_sentence(embed, capsys):
    assert embed(out="features.csv") == 2
    assert "--out must end with .npz, got" in capsys.readouterr().err
    assert embed("resnet") == 2
    assert "Embedded.backbone must be the spec of a backbone, got 'resnet'" in (
        capsys.readouterr().err
    )
