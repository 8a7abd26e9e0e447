"""Checks of datasets, noises and models."""

import torch
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.contract.fault import demand
from benchmarks.datasets import Dataset, data_root
from benchmarks.models import Model, initialised
from benchmarks.noise import Images, LabelSpace, Noise, realised

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
"""Shapes of images; a model must take images of at least one of them."""


def has_the_images_it_declares(dataset: Dataset) -> None:
    """Check that sizes, shape, types and labels are those that the class declares."""
    for split, size in zip(dataset.load(data_root(None), 0), dataset.sizes, strict=True):
        shape, declared = tuple(split.image.shape), (size, *dataset.shape)
        demand(shape == declared, f"the images have the shape {shape}, declared is {declared}")
        demand(split.image.dtype == torch.uint8, f"the images are {split.image.dtype}, not uint8")
        demand(split.label.dtype == torch.int64, f"the labels are {split.label.dtype}, not int64")
        demand(len(split.label) == size, f"there are {len(split.label)} labels for {size} images")
        classes = set(split.label.unique().tolist())
        wanted = set(range(dataset.num_classes))
        demand(classes == wanted, f"the classes are {sorted(classes)}, not 0 to {max(wanted)}")


def is_the_same_when_loaded_again(dataset: Dataset) -> None:
    """Check that a run that is taken up again sees the same images in the same order."""
    root = data_root(None)
    for one, other in zip(dataset.load(root, 1), dataset.load(root, 1), strict=True):
        same = torch.equal(one.image, other.image) and torch.equal(one.label, other.label)
        demand(same, "loaded twice, it differs")


def declares_the_mean_and_deviation_of_its_pixels(dataset: Dataset) -> None:
    """Check that both lie within a tenth of a deviation of the pixels', channel by channel."""
    image = dataset.load(data_root(None), 0)[0].image.double()
    deviation, mean = torch.std_mean(image, (0, 2, 3))
    for name, value, declared in (("mean", mean, dataset.mean), ("std", deviation, dataset.std)):
        gap = (value - torch.tensor(declared)).abs() / deviation
        text = f"{name} is declared as {declared}, the pixels say {value.tolist()}"
        demand(bool((gap < 0.1).all()), text)


def has_rows_that_are_distributions(noise: Noise) -> None:
    """Check that the matrix is square and not negative, and that its rows sum to 1."""
    for classes in (2, 10):
        label, space = _labels(classes, 600)
        table = noise.corrupt(label, space, "check", 0).transition
        demand(tuple(table.shape) == (classes, classes), f"T has the shape {tuple(table.shape)}")
        demand(bool((table >= 0).all()), "T has negative entries")
        sums = table.sum(1)
        demand(bool((sums - 1).abs().max() < 1e-9), f"the rows of T sum to {sums.tolist()}")


def draws_what_its_matrix_says(noise: Noise) -> None:
    """Check that labels are in range, repeat with the seed, and come in the matrix's shares."""
    label, space = _labels(10, 8_000)
    before = label.clone()
    given, table = noise.corrupt(label, space, "check", 0)[:2]
    demand(torch.equal(label, before), "it changes the true labels in place")
    fits = given.dtype == torch.int64 and given.shape == label.shape
    demand(fits, f"it returns {given.dtype} labels of the shape {tuple(given.shape)}")
    demand(0 <= int(given.min()) <= int(given.max()) < 10, "it returns labels that are no class")
    again = noise.corrupt(label, space, "check", 0).label
    demand(torch.equal(again, given), "drawn again from the same seed, its labels differ")
    gap = (realised(label, given, 10) - table).abs().max().item()
    demand(gap < 0.08, f"the shares that come out are {gap:.2f} from those of T")


def _labels(classes: int, size: int) -> tuple[torch.Tensor, LabelSpace]:
    """Return labels, and made-up images for them with a brightness for each class."""
    label = torch.arange(size) % classes
    source = torch.Generator().manual_seed(0)
    pixel = torch.randint(200, (size, 1, 4, 4), generator=source) + 5 * label[:, None, None, None]
    images = Images(pixel.to(torch.uint8), torch.arange(size), data_root(None), lambda _name: pixel)
    space = LabelSpace(classes, size, {}, mean=(100.0,), std=(50.0,), images=images)
    return label, space


def gives_logits_for_images(model: Model) -> None:
    """Check that logits are ``(B, C)`` and finite, and repeat with the seed of the network."""
    network, image = _network_and_images(model)
    logits = network(image)
    demand(tuple(logits.shape) == (5, 7), f"5 images and 7 classes give {tuple(logits.shape)}")
    demand(bool(logits.isfinite().all()), "its logits are not finite")
    again = _network_and_images(model)[0]
    demand(torch.equal(again(image), logits), "from the same seed, its weights differ")


def judges_each_image_by_itself(model: Model) -> None:
    """Check that in evaluation mode the logits of an image do not depend on the batch."""
    network, image = _network_and_images(model)
    network.eval()
    gap = (network(image)[:2] - network(image[:2])).abs().max().item()
    demand(gap < 1e-4, f"in evaluation mode, a smaller batch moves its logits by {gap:.2g}")


def maps_over_networks(model: Model) -> None:
    """Check that several networks at once, by ``vmap``, give what each gives alone."""
    (network, image), (other, _) = _network_and_images(model, 0), _network_and_images(model, 1)
    for each in (network, other):
        each.double().eval()
    trees = stack_module_state([network, other])

    def run(params: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = functional_call(network, (params, buffers), (image.double(),))
        return logits

    try:
        logits = vmap(run)(*trees)
    except RuntimeError as error:
        demand(False, f"it cannot be mapped by torch.func.vmap: {error}")
    gap = (logits[1] - other(image.double())).abs().max().item()
    demand(gap < 1e-10, f"mapped, a network differs from itself by {gap:.2g}")


def _network_and_images(model: Model, seed: int = 0) -> tuple[torch.nn.Module, torch.Tensor]:
    """Return a network of the model, and five images of the first shape that it takes."""
    faults = []
    for shape in SHAPES:
        try:
            network = initialised(model, shape, 7, ("check", seed))
            image = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
            network(image)
        except (ValueError, RuntimeError) as error:
            faults.append(str(error))
            continue
        return initialised(model, shape, 7, ("check", seed)), image
    demand(False, f"it takes no image of the shapes {SHAPES}: {faults[-1]}")
    raise AssertionError
