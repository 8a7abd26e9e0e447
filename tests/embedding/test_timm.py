"""Networks of timm without their last layer; random weights stand in for published ones."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.datasets import DATASETS
from benchmarks.embedding import BACKBONES
from benchmarks.errors import DataMissingError
from tests.cells import CPU

NAME = "test_resnet"


@pytest.fixture
def timm():
    return pytest.importorskip("timm", reason="the extra timm is not installed")


@pytest.fixture
def network(timm):
    torch.manual_seed(0)
    return timm.create_model(NAME).eval()


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_features_are_what_the_last_layer_is_given(ending, timm, network, tmp_path):
    if ending == "pth":
        torch.save(network.state_dict(), tmp_path / "x.pth")
    else:
        save = pytest.importorskip("safetensors.torch", reason="an extra").save_file
        save(network.state_dict(), tmp_path / "x.safetensors")
    own = BACKBONES.build(f"timm(model={NAME!r}, file={str(tmp_path / f'x.{ending}')!r})")
    image = torch.randint(255, (3, 1, 9, 11), dtype=torch.uint8)
    found = own.embed(image, own.fit(image, CPU), CPU)
    assert found.shape == (3, own.features((1, 9, 11)))
    config = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**config)
    grey = [Image.fromarray(np.asarray(each[0])).convert("RGB") for each in image]
    with torch.no_grad():
        wanted = network(torch.stack([transform(each) for each in grey]))
        torch.testing.assert_close(network.get_classifier()(found), wanted)


def test_weights_that_cannot_be_had_are_told_of_in_one_sentence(timm, tmp_path, monkeypatch):
    real = timm.create_model

    def offline(model, *, pretrained=False, **more):
        if pretrained:
            raise ConnectionError("no\nroute")
        return real(model, **more)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(DataMissingError, match=r"^the weights of test_resnet.*\(no route\).*file="):
        BACKBONES.build(f"timm(model={NAME!r})").fit(torch.empty(0), CPU)
    torch.save({"weight": torch.ones(2)}, tmp_path / "x.pth")
    own = BACKBONES.build(f"timm(model={NAME!r}, file={str(tmp_path / 'x.pth')!r})")
    with pytest.raises(DataMissingError, match=f"holds no weights of {NAME}: "):
        own.fit(torch.empty(0), CPU)


@pytest.mark.usefixtures("timm")
def test_networks_that_timm_has_not_are_refused():
    with pytest.raises(ValueError, match=r"must be a network of timm, got 'resnt18'.*resnet18"):
        DATASETS.build("embedded(dataset='digits', backbone=\"timm(model='resnt18')\")")


def test_without_timm_a_sentence_says_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"needs the library .* the extra 'timm' installs"):
        DATASETS.build("embedded(dataset='digits', backbone=\"timm(model='resnet10t')\")")
