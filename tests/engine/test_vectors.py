"""Feature vectors in place of images: the same numbers from every driver, and what is refused."""

import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.loop import train
from benchmarks.engine.stack import Stack
from benchmarks.errors import RefusedError
from benchmarks.sweep import Suite
from methods import METHODS
from tests.cells import CPU, alone, build, few
from tests.oracles import fused

VECTORS = "embedded(dataset='digits', backbone='random_conv(patches=12, size=10)')"
RECIPE = "small(epochs=2, lr=0.05, batch=97, weight_decay=0.01, clip_norm=0.5)"
POINTS = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1)]  # noise, seed
METHODS_TRIED = ["cross_entropy", "mixup", "elr", "co_teaching", "dividemix", "l2rw"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    DATASETS.build(VECTORS).fetch(folder)
    return folder


@pytest.mark.parametrize("model", ["linear", "mlp(first=19, second=13)"])
@pytest.mark.parametrize("method", METHODS_TRIED)
@pytest.mark.usefixtures("double")
def test_vectors_train_in_packs_and_alone_as_in_a_second_engine(method, model, root):
    cells = [
        build(method, dataset=VECTORS, model=model, noise=noise, seed=seed, recipe=RECIPE)
        for noise, seed in POINTS
    ]
    data = [few(cell, root=root) for cell in cells]
    by_hand = fused.train(cells, data)  # (epochs, K, networks, M, C)
    packed = list(train(Stack(cells, data)))
    for k, (cell, own) in enumerate(zip(cells, data, strict=True)):
        for number, epoch in enumerate(alone(cell, own)):
            expected = cell.method.predict(by_hand[number, k])
            for found in (epoch, packed[number][k]):
                assert (found.test - expected).abs().max() < 1e-10


def test_vectors_are_those_of_the_images_in_their_order_and_noise_is_the_same(root):
    features, images = (
        load_cell_data(build(dataset=dataset), root, CPU) for dataset in (VECTORS, "digits")
    )
    assert features.noise_sha256 == images.noise_sha256
    assert features.test.label.tolist() == images.test.label.tolist()
    assert (features.train.dtype, features.train.shape[1:]) == (torch.float32, (10, 1, 1))
    published = DATASETS.build("digits").load(root, 0)[0]
    assert DATASETS.build(VECTORS).load(root, 0)[0].position.equal(published.position)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": ["convnet"]}, "ConvNet needs images, got feature vectors of 10 numbers"),
        ({"recipe": ["cifar_n"]}, "cifar_n crops, flips or rotates images, and embedded holds"),
        ({"method": ["promix"]}, "promix makes strong views, which turn and shift images, and"),
        ({"noise": ["open_set(rate=0.2)"]}, "OpenSet replaces images, and this dataset holds"),
    ],
)
def test_what_needs_images_refuses_vectors_before_they_are_computed(changes, sentence, tmp_path):
    axes = {"dataset": [VECTORS], "noise": ["clean"], "method": ["cross_entropy"]}
    suite = Suite.read("default").override({**axes, "seed": [0], **changes})
    with pytest.raises(RefusedError, match=sentence):
        list(suite.cells("float32", tmp_path, fetch=True))
    assert not list(tmp_path.iterdir())


def test_only_methods_that_turn_images_refuse_vectors():
    refused = [name for name in METHODS if METHODS[name].turns_images]
    assert refused == ["ido", "ssr", "disc", "promix"]
