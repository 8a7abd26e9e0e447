"""Networks of torchvision without their last layer; random weights stand in for published ones."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision import models

from benchmarks.datasets import DATASETS, content
from benchmarks.embedding import BACKBONES
from benchmarks.errors import DataMissingError

CPU = torch.device("cpu")
NAME = "shufflenet_v2_x0_5"
WEIGHTS = models.get_model_weights(NAME)["DEFAULT"]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.get_model(NAME).eval()


@pytest.fixture
def file(network, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def backbone(path=""):
    return BACKBONES.build(f"pretrained(model={NAME!r}, file={str(path)!r})")


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_what_the_last_layer_is_given(channels, network, file):
    image = torch.randint(255, (3, channels, 9, 11), dtype=torch.uint8)
    own = backbone(file)
    found = own.embed(image, own.fit(image, CPU), CPU)
    assert found.shape == (3, own.features((channels, 9, 11)))
    prepared = WEIGHTS.transforms(antialias=True)(image.expand(-1, 3, -1, -1))
    with torch.no_grad():
        torch.testing.assert_close(network.fc(found), network(prepared))


def test_weights_that_cannot_be_had_are_told_of_in_one_sentence(file, monkeypatch):
    def offline(*_, **__):
        raise URLError("no route")

    monkeypatch.setattr(type(WEIGHTS), "get_state_dict", offline)
    with pytest.raises(
        DataMissingError, match=r"cannot be downloaded from https://.*no route.*file"
    ):
        backbone().fit(torch.empty(0), CPU)
    torch.save({"weight": torch.ones(2)}, file)
    with pytest.raises(DataMissingError, match=f"holds no weights of {NAME}: "):
        backbone(file).fit(torch.empty(0), CPU)
    file.write_bytes(b"no weights")
    with pytest.raises(DataMissingError, match="without running code"):
        backbone(file).fit(torch.empty(0), CPU)
    file.unlink()
    with pytest.raises(DataMissingError, match="cannot be read"):
        backbone(file).fit(torch.empty(0), CPU)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("pretrained(model='resnet81')", "must be a classification model of torchvision, got"),
        ("pretrained(weights='IMAGENET')", "must be one of IMAGENET1K_V1, DEFAULT for resnet18"),
        ("pretrained(model='squeezenet1_1')", "must end in a dense layer, and SqueezeNet does not"),
    ],
)
def test_networks_that_torchvision_has_not_are_refused(spec, sentence):
    with pytest.raises(ValueError, match=sentence):
        BACKBONES.build(spec)


def test_other_weights_in_the_file_are_other_vectors(file, tmp_path):
    spec = f"embedded(dataset='digits', backbone={BACKBONES.exact(backbone(file))!r})"
    dataset = DATASETS.build(spec)
    before = dataset.folder(tmp_path)
    assert Path(file) in {Path(path) for _, _, path in DATASETS.files(dataset)}
    state = torch.load(file, weights_only=True)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, file)
    assert dataset.folder(tmp_path) != before
    content.forget()
