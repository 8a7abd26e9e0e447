"""What a dataset, a noise and a model must do."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.contract.fault import demand
from benchmarks.datasets import Dataset, data_root
from benchmarks.models import Model, initialised
from benchmarks.noise import Images, LabelSpace, Noise, realised

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
"""Image shapes of which a model must fit one."""


def _root() -> Path:
    return data_root(None)


def has_the_images_it_declares(dataset: Dataset) -> None:
    """Sizes, shape, types and labels are those of the class."""
    for split, size in zip(dataset.load(_root(), 0), dataset.sizes, strict=True):
        shape = (size, *dataset.shape)
        found = tuple(split.image.shape)
        demand(found == shape, f"the images have the shape {found}, declared is {shape}")
        demand(split.image.dtype == torch.uint8, f"the images are {split.image.dtype}, not uint8")
        demand(split.label.dtype == torch.int64, f"the labels are {split.label.dtype}, not int64")
        demand(len(split.label) == size, f"there are {len(split.label)} labels for {size} images")
        classes = set(split.label.unique().tolist())
        wanted = set(range(dataset.num_classes))
        demand(classes == wanted, f"the classes are {sorted(classes)}, not 0 to {max(wanted)}")


def is_the_same_when_loaded_again(dataset: Dataset) -> None:
    """A run that is taken up again sees the same images in the same order."""
    for one, other in zip(dataset.load(_root(), 1), dataset.load(_root(), 1), strict=True):
        same = torch.equal(one.image, other.image) and torch.equal(one.label, other.label)
        demand(same, "loaded twice, it differs")


def declares_the_mean_and_deviation_of_its_pixels(dataset: Dataset) -> None:
    """Within a tenth, channel by channel: they are what networks are fed with."""
    image = dataset.load(_root(), 0)[0].image.double()
    deviation, mean = torch.std_mean(image, (0, 2, 3))
    for name, found, declared in (("mean", mean, dataset.mean), ("std", deviation, dataset.std)):
        apart = (found - torch.tensor(declared)).abs() / deviation
        text = f"{name} is declared as {declared}, the pixels say {found.tolist()}"
        demand(bool((apart < 0.1).all()), text)


def has_rows_that_are_distributions(noise: Noise) -> None:
    """Its matrix is square, not negative, and its rows sum to 1."""
    for classes in (2, 10):
        label, space = _labels(classes, 600)
        table = noise.corrupt(label, space, "check", 0).transition
        demand(tuple(table.shape) == (classes, classes), f"T has the shape {tuple(table.shape)}")
        demand(bool((table >= 0).all()), "T has negative entries")
        sums = table.sum(1)
        demand(bool((sums - 1).abs().max() < 1e-9), f"the rows of T sum to {sums.tolist()}")


def draws_what_its_matrix_says(noise: Noise) -> None:
    """Labels in range, the same from the same seed, in the shares of the matrix."""
    label, space = _labels(10, 8_000)
    before = label.clone()
    given, table = noise.corrupt(label, space, "check", 0)[:2]
    demand(torch.equal(label, before), "it changes the true labels in place")
    fits = given.dtype == torch.int64 and given.shape == label.shape
    demand(fits, f"it returns {given.dtype} labels of the shape {tuple(given.shape)}")
    demand(0 <= int(given.min()) <= int(given.max()) < 10, "it returns labels that are no class")
    again = noise.corrupt(label, space, "check", 0).label
    demand(torch.equal(again, given), "drawn again from the same seed, its labels differ")
    apart = (realised(label, given, 10) - table).abs().max().item()
    demand(apart < 0.08, f"the shares that come out are {apart:.2f} from those of T")


def _labels(classes: int, size: int) -> tuple[torch.Tensor, LabelSpace]:
    """Return labels and made-up images behind them, of which each class has its own brightness."""
    label = torch.arange(size) % classes
    source = torch.Generator().manual_seed(0)
    pixel = torch.randint(200, (size, 1, 4, 4), generator=source) + 5 * label[:, None, None, None]
    images = Images(pixel.to(torch.uint8), torch.arange(size), _root(), lambda _name: pixel)
    space = LabelSpace(classes, size, {}, mean=(100.0,), std=(50.0,), images=images)
    return label, space


def gives_logits_for_images(model: Model) -> None:
    """``(B, C)`` of them, finite, and the same network from the same seed."""
    image, network = _fitted(model)
    logits = network(image)
    demand(tuple(logits.shape) == (5, 7), f"5 images and 7 classes give {tuple(logits.shape)}")
    demand(bool(logits.isfinite().all()), "its logits are not finite")
    again = _fitted(model)[1]
    demand(torch.equal(again(image), logits), "from the same seed, its weights differ")


def judges_each_image_by_itself(model: Model) -> None:
    """In evaluation mode the others in a batch have no say."""
    image, network = _fitted(model)
    network.eval()
    apart = (network(image)[:2] - network(image[:2])).abs().max().item()
    demand(apart < 1e-4, f"in evaluation mode, a smaller batch moves its logits by {apart:.2g}")


def maps_over_networks(model: Model) -> None:
    """Several networks at once give what each gives alone."""
    (image, network), (_, other) = _fitted(model, 0), _fitted(model, 1)
    for each in (network, other):
        each.double().eval()
    trees = stack_module_state([network, other])

    def run(params: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = functional_call(network, (params, buffers), (image.double(),))
        return found

    try:
        together = vmap(run)(*trees)
    except RuntimeError as error:
        demand(False, f"it cannot be mapped by torch.func.vmap: {error}")
    apart = (together[1] - other(image.double())).abs().max().item()
    demand(apart < 1e-10, f"mapped, a network differs from itself by {apart:.2g}")


def _fitted(model: Model, seed: int = 0) -> tuple[torch.Tensor, torch.nn.Module]:
    """Return images of the first shape that the model takes, and a network for them."""
    faults = []
    for shape in SHAPES:
        try:
            network = initialised(model, shape, 7, ("check", seed))
            image = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
            network(image)
        except (ValueError, RuntimeError) as error:
            faults.append(str(error))
            continue
        return image, initialised(model, shape, 7, ("check", seed))
    demand(False, f"it takes no image of the shapes {SHAPES}: {faults[-1]}")
    raise AssertionError


DATASET_CHECKS: tuple[Callable[[Dataset], None], ...] = (
    has_the_images_it_declares,
    is_the_same_when_loaded_again,
    declares_the_mean_and_deviation_of_its_pixels,
)
NOISE_CHECKS: tuple[Callable[[Noise], None], ...] = (
    has_rows_that_are_distributions,
    draws_what_its_matrix_says,
)
MODEL_CHECKS: tuple[Callable[[Model], None], ...] = (
    gives_logits_for_images,
    judges_each_image_by_itself,
    maps_over_networks,
)
