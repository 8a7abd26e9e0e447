"""Feature vectors in place of images: the same numbers from every driver, and what is refused."""

import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.loop import train
from benchmarks.engine.stack import Stack
from benchmarks.errors import RefusedError
from benchmarks.launch.forecast import forecast
from benchmarks.launch.request import Request
from benchmarks.listing import listing
from benchmarks.sweep import Cell, Suite
from methods import METHODS
from methods.parts.strong_views import draw_changes, strong_view
from tests.cells import CPU, alone, batches_of, build, few
from tests.oracles import fused

VECTORS = "embedded(dataset='digits', backbone='random_conv(patches=12, size=10)')"
RECIPE = "small(epochs=2, lr=0.05, batch=97, weight_decay=0.01, clip_norm=0.5)"
POINTS = [("symmetric(rate=0.4)", 0), ("asymmetric(rate=0.4)", 1)]  # noise, seed
METHODS_TRIED = ["cross_entropy", "mixup", "elr", "co_teaching", "dividemix", "l2rw"]
METHODS_TRIED += ["gjs", "ido", "disc"]


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
        ({"noise": ["open_set(rate=0.2)"]}, "OpenSet replaces images, and this dataset holds"),
    ],
)
def test_what_needs_images_refuses_vectors_before_they_are_computed(changes, sentence, tmp_path):
    axes = {"dataset": [VECTORS], "noise": ["clean"], "method": ["cross_entropy"]}
    suite = Suite.read("default").override({**axes, "seed": [0], **changes})
    with pytest.raises(RefusedError, match=sentence):
        list(suite.cells("float32", tmp_path, fetch=True))
    assert not list(tmp_path.iterdir())


def views_of(method, root, recipe="small", epoch=1):
    """The data of a cell on vectors, and the views of an epoch, ``(views, N, D)``, in its order."""
    cell = build(method, dataset=VECTORS, recipe=recipe)
    data = load_cell_data(cell, root, CPU)
    pairs = batches_of(cell, data, epoch)
    order = torch.cat([batch.ids for _, batch in pairs]).argsort()
    return data, torch.cat([image for image, _ in pairs], 1).flatten(2)[:, order]


def test_views_of_vectors_have_noise_by_feature_and_strong_ones_masked_features(root):
    data, views = views_of("disc", root)
    plain = data.train.flatten(1).double()
    deviation = plain.std(0, correction=0)
    assert (data.moments[1].flatten() - deviation).abs().max() < 1e-6
    assert deviation.max() > 1.5 * deviation.min()
    added = (views - plain) / deviation
    weak = added[[0, 2, 3]]
    assert (weak.std((1, 2)) - 0.1).abs().max() < 0.003
    assert (weak.std(1) - 0.1).abs().max() < 0.01  # of each feature
    assert torch.corrcoef(weak.flatten(1)).triu(1).abs().max() < 0.03
    between = [torch.corrcoef(weak[0].T), torch.corrcoef(weak[0, :200])]  # features, vectors
    assert all(own.triu(1).square().sum() / len(own) ** 2 < 0.06 for own in between)
    masked = (views[1] - plain.mean(0)).abs() < 1e-6
    assert abs(masked.double().mean() - 0.3) < 0.02
    assert (masked.double().mean(0) - 0.3).abs().max() < 0.05
    assert abs(added[1][~masked].std() - 0.1) < 0.003


def test_views_change_by_epoch_seed_and_recipe_and_are_alike_for_every_method(root):
    _, views = views_of("gjs", root)
    assert torch.equal(views, views_of("dividemix", root)[1])
    assert not (views == views_of("gjs", root, epoch=2)[1]).any()
    assert torch.equal(views[0], views_of("ido", root)[1][0])
    data, still = views_of("disc", root, recipe="small(jitter=0, masked=0)")
    assert (still == data.train.flatten(1)).all()
    for method in ("cross_entropy", "mixup"):  # a method of one view sees the vectors
        data, seen = views_of(method, root)
        assert torch.equal(seen[0], data.train.flatten(1))
        assert data.moments is None


def test_a_vector_that_comes_as_a_strong_view_is_not_turned():
    vector = torch.randn(4, 10, 1, 1)
    assert strong_view(vector, **draw_changes(4)) is vector


def test_only_cells_of_several_views_of_vectors_are_others_than_before(monkeypatch):
    def ids():
        chosen = ({"dataset": dataset} for dataset in ("digits", VECTORS))
        return [build(method, **own).id for own in chosen for method in ("cross_entropy", "gjs")]

    now = ids()
    monkeypatch.setattr(Cell, "changes_vectors", False)
    assert [one == other for one, other in zip(now, ids(), strict=True)] == [True] * 3 + [False]


def test_plan_and_list_say_what_methods_make_of_vectors(root, tmp_path):
    recipes = ["small", "small(jitter=0.25)"]
    axes = {"methods": ["gjs", "disc", "mixup"], "seeds": [0], "noises": ["clean"]}
    text = forecast(
        Request(out=tmp_path / "new", data=root, datasets=[VECTORS], recipes=recipes, **axes)
    )
    said = "noise of 0.1 of each feature's deviation for gjs, disc; a share of 0.3 masked in strong"
    assert f"views    of feature vectors under small: {said} views of disc\n" in text
    assert "under small(jitter=0.25): noise of 0.25 of each feature's deviation for gjs" in text
    assert "views    " not in forecast(Request(out=tmp_path / "new", **axes))
    listed = {line.split("(")[0].strip(): line for line in listing("methods").splitlines()}
    assert listed["gjs"].endswith("of feature vectors, views with noise)")
    assert listed["ssr"].endswith("views with noise, strong ones with masked features)")
    assert "vectors" not in listed["mixup"]


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].strong_views])
def test_methods_of_strong_views_learn_from_vectors(method, root):
    cell = build(method, dataset=VECTORS, recipe="small(epochs=6, lr=0.05)")
    data = load_cell_data(cell, root, CPU)
    accuracy = [
        (epoch.test.argmax(1) == data.test.label).double().mean() for epoch in alone(cell, data)
    ]
    assert accuracy[-1] > 0.5
