"""The checks: what every method, dataset, noise and model must do, whatever its paper says."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.contract import samples
from benchmarks.datasets import Dataset, data_root
from benchmarks.datasets.base import Split
from benchmarks.datasets.content import load
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import suggestion
from benchmarks.models import Model, initialised
from benchmarks.noise import Images, LabelSpace, Noise, realised
from benchmarks.sweep import Cell
from methods import METHODS, Batch, Method, State

EPOCH = torch.tensor(3)

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 224, 224))
"""Shapes of images; a model must take images of at least one of them."""

CLASSES = (2, 10, 4, 3, 5, 20, 100)
"""Numbers of classes; a noise must accept at least one of them."""

PRIVILEGES = ("rate", "T", "clean_subset", "side")
"""The knowledge that the engine can give."""

AVERAGED = ("peeks", "predictions")
"""What averaged weights can be for."""


class BrokenContractError(Exception):
    """An entry does not do what every entry of its kind must."""


class DoubtError(Exception):
    """An entry does what it must, and perhaps not what its author means."""


def demand(condition: bool, fault: str) -> None:
    """Raise an error unless the condition holds.

    Raises:
        BrokenContractError: it does not; the text says what is wrong.
    """
    if not condition:
        raise BrokenContractError(fault)


@contextmanager
def _double() -> Iterator[None]:
    """Compute in float64, where rounding hides no fault."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def states_what_the_engine_knows(method: Method) -> None:
    """Check that label, networks, views, privileges and what is averaged are such as there are."""
    name = type(method).__name__
    demand(isinstance(method.label, str), f"{name}.label must be text, got {method.label!r}")
    for key in ("networks", "views"):
        value = getattr(method, key)
        demand(type(value) is int and value >= 1, f"{name}.{key} must be at least 1, got {value!r}")
    strong, places = method.strong_views, tuple(range(method.views))
    fits = isinstance(strong, tuple) and set(strong) <= set(places)
    demand(fits, f"{name}.strong_views must be a tuple of some of {places}, got {strong!r}")
    for key, known in (("privileges", PRIVILEGES), ("averaged", AVERAGED)):
        value = getattr(method, key)
        fits = isinstance(value, tuple) and set(value) <= set(known)
        text = f"{name}.{key} must be a tuple of some of {', '.join(known)}, got {value!r}"
        demand(fits, text + "".join(suggestion(str(v), known) for v in value if v not in known))


def has_a_label_of_its_own(method: Method) -> None:
    """Ask for a label, the name in tables and figures, that no other method has."""
    name, label = METHODS.name(method), method.label
    if not label:
        raise DoubtError(
            f"tables and figures call it {name!r}, as its class states no label: "
            f'class {type(method).__name__}(Method, label="...", family="...")'
        )
    others = [other for other, entry in METHODS.items() if entry.label == label and other != name]
    if others:
        raise DoubtError(f"{others[0]} has the label {label!r} too: figures show two of that name")


def returns_a_loss_for_each_example_and_the_state(method: Method) -> None:
    """Check what ``losses`` returns; of a method that defines ``loss`` itself, that it is a pair.

    A mean of losses of another shape is a number too, and often not the one that is meant.
    """
    own = type(method).loss is not Method.loss
    name = f"{type(method).__name__}.{'loss' if own else 'losses'}"
    training = samples.task()
    state = method.refit(samples.outputs_of(method), samples.started(method, training), EPOCH)
    _, batch, state = samples.led_up(method, training, samples.batch_of(training), state, EPOCH)
    step = method.loss if own else method.losses
    found: Any = step(samples.logits_of(method, samples.B), batch, state, EPOCH)
    pair, kind = isinstance(found, tuple) and len(found) == 2, type(found).__name__
    demand(pair, f"{name} must return a pair, the loss and the state, got a {kind}")
    loss, after = found
    known, kind = isinstance(loss, Tensor), type(loss).__name__
    demand(known, f"{name} must return a tensor before the state, got a {kind}")
    known, kind = isinstance(after, Mapping), type(after).__name__
    demand(known, f"{name} must return the state behind the loss, got a {kind}")
    wanted = () if own else (samples.B,)
    demand(
        tuple(loss.shape) == wanted,
        f"{name} must return {'one number' if own else 'a loss for each example'}, of the shape "
        f"{wanted} for a batch of {samples.B}, got {tuple(loss.shape)}",
    )


def has_a_finite_loss_and_a_gradient_for_every_network(method: Method) -> None:
    """Check that the loss is one finite number that every network can lower."""
    logits, batch, state = samples.drawn(method)
    loss, _ = samples.step(method, logits.requires_grad_(), batch, state, EPOCH)
    demand(loss.shape == (), f"the loss has the shape {tuple(loss.shape)}, not that of a number")
    (slope,) = torch.autograd.grad(loss, logits)
    demand(bool(loss.isfinite()), f"the loss is {loss.item()}")
    each = slope.reshape(method.networks, -1).abs().sum(-1)  # a view may have none
    demand(bool(each.gt(0).all()), "a network gets no gradient")


def predicts_the_logits_of_every_class(method: Method) -> None:
    """Check that, however many numbers a network gives, the method predicts one a class."""
    name, columns = type(method).__name__, method.columns(samples.C)
    fits = type(columns) is int and columns >= samples.C
    demand(
        fits,
        f"{name}.columns must be a whole number of at least {samples.C} for {samples.C} classes, "
        f"got {columns!r}",
    )
    predicted, wanted = method.predict(samples.outputs_of(method)), (samples.N, samples.C)
    demand(
        tuple(predicted.shape) == wanted,
        f"{name}.predict must return logits of the shape {wanted} for {samples.N} images of "
        f"{samples.C} classes, got {tuple(predicted.shape)}",
    )


def keeps_its_state_in_shape(method: Method) -> None:
    """Check that every hook keeps keys, shapes and types of the state, and leaves no graph."""
    logits, batch, _ = samples.drawn(method)
    before = samples.started(method, samples.task())
    after = samples.step(method, logits.requires_grad_(), batch, before, EPOCH)[1]
    refitted = method.refit(samples.outputs_of(method), after, EPOCH)
    for hook, state in (("a step", after), ("refit", refitted)):
        demand(list(state) == list(before), f"{hook} changes the keys of the state: {list(state)}")
        for key, value in state.items():
            kept = (value.shape, value.dtype) == (before[key].shape, before[key].dtype)
            demand(kept, f"{hook} changes the shape or type of {key!r}")
            demand(not value.requires_grad, f"{hook} leaves a graph behind {key!r}: detach it")


def changes_nothing_in_place(method: Method) -> None:
    """Check that hooks return new tensors and leave those they are given alone."""
    logits, batch, state = samples.drawn(method)
    outputs, image = samples.outputs_of(method), samples.images_of(method, samples.B)
    params = samples.network_of().params
    grads = samples.network_of(seed=1).params
    given = samples.tensors(logits, batch, state, outputs, image, params, grads)
    before = [(tensor.clone(), tensor._version) for tensor in given]  # noqa: SLF001
    method.prepare(image, batch, state, EPOCH)
    samples.step(method, logits, batch, state, EPOCH)
    method.refit(outputs, state, EPOCH)
    method.gradient(params, grads, state, EPOCH)
    method.perturb(params, grads, state, EPOCH)
    method.predict(outputs)
    same = [
        torch.equal(value, tensor) and version == tensor._version  # noqa: SLF001  counts writings
        for (value, version), tensor in zip(before, given, strict=True)
    ]
    demand(all(same), "a hook changes what it was given")


def does_not_see_the_order_of_a_batch(method: Method) -> None:
    """Check that loss and state do not depend on the order of a batch."""
    logits, batch, state = samples.drawn(method)
    order = torch.arange(samples.B - 1, -1, -1)
    result = samples.step(method, logits, batch, state, EPOCH)
    moved = samples.reordered(batch, order)
    other = samples.step(method, logits[..., order, :], moved, state, EPOCH)
    pairs = zip(samples.tensors(result), samples.tensors(other), strict=True)
    close = all(torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6) for a, b in pairs)
    demand(close, "another order of the same batch gives another loss or state")


class _Sealed(Tensor):
    """A tensor that nobody may ask for its value."""

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  whatever the function returns
        """Refuse what would make a number of it."""
        if func in ASKING:
            raise BrokenContractError(
                f"it asks the epoch for its value by {func.__name__}: compute with the tensor, as "
                "in torch.where(epoch < 3, a, b)"
            )
        plain: Callable[..., Any] = super().__torch_function__
        return plain(func, types, args, kwargs or {})


ASKING = frozenset(
    getattr(Tensor, name)
    for name in ("item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__")
)


def asks_no_tensor_for_its_value(method: Method) -> None:
    """Check that a step neither calls ``.item()`` on the epoch nor branches on it.

    Both would be fixed at their first value in a step that is recorded, and slow in any other.
    """
    logits, batch, state = samples.drawn(method)
    epoch = EPOCH.as_subclass(_Sealed)
    _, batch, state = samples.led_up(method, samples.task(), batch, state, epoch)
    samples.step(method, logits.requires_grad_(), batch, state, epoch)
    method.gradient(samples.network_of().params, samples.network_of(seed=1).params, state, epoch)


def maps_over_cells(method: Method) -> None:
    """Check that many cells at once, by ``vmap``, give the gradients that each gives alone."""

    def slope(logits: Tensor, batch: Batch, state: State) -> Tensor:
        gradient: Tensor = grad(lambda z: method.loss(z, batch, state, EPOCH)[0])(logits)
        return gradient

    with _double():
        cells = [samples.drawn(method, seed) for seed in range(samples.CELLS)]
        together, axes = samples.stacked(cells)
        try:
            gradients = vmap(slope, in_dims=axes)(*together)
        except RuntimeError as error:
            demand(False, f"the loss cannot be mapped by torch.func.vmap: {error}")
        for gradient, cell in zip(gradients, cells, strict=True):
            gap = (gradient - slope(*cell)).abs().max().item()
            demand(gap < 1e-10, f"mapped, the gradient of a cell is off by {gap:.2g}")


def hands_on_a_gradient_for_every_weight(method: Method) -> None:
    """Check that the gradient that a method hands on has a finite value for every weight.

    So must the weights have that it asks for a gradient.
    """
    grads = samples.network_of(seed=1).params
    state = samples.drawn(method)[2]
    for hook, noun in ((method.gradient, "gradient"), (method.perturb, "perturbed weights")):
        changed = hook(samples.network_of().params, grads, state, EPOCH)
        fits = {n: g.shape for n, g in changed.items()} == {n: g.shape for n, g in grads.items()}
        demand(fits, f"the {noun} that it hands on must have the keys and shapes of the weights")
        demand(
            all(bool(g.isfinite().all()) for g in changed.values()), f"the {noun} must be finite"
        )


def stays_finite_on_huge_logits(method: Method) -> None:
    """Check that loss, gradient and state are finite at logits of 10,000 and -10,000."""
    for size in (1e4, -1e4):
        for rows in (1, samples.B):
            training = samples.task()
            state = samples.started(method, training)
            batch = samples.batch_of(training, size=rows)
            _, batch, state = samples.led_up(method, training, batch, state, EPOCH)
            logits = (samples.logits_of(method, rows).sign() * size).requires_grad_()
            loss, state = samples.step(method, logits, batch, state, EPOCH)
            (slope,) = torch.autograd.grad(loss, logits)
            finite = all(bool(t.isfinite().all()) for t in (loss, slope, *state.values()))
            demand(finite, f"the loss, its gradient or the state is not finite at {size:g}")


def divides_any_number_of_epochs(method: Method) -> None:
    """Check that the stages add up to the epochs, and that none is empty."""
    for epochs in range(2, 51):
        lengths = [stage.epochs for stage in method.stages(epochs)]
        fits = sum(lengths) == epochs and min(lengths) >= 1
        demand(fits, f"of {epochs} epochs it makes stages of {lengths}")


def trains_on_digits(method: Method) -> None:
    """Check that two epochs of the default suite's network end in finite numbers.

    Digits have no side information, so a method that needs some is not trained.
    """
    if method.needs_side:
        return
    specs = {"dataset": "digits", "noise": "symmetric(rate=0.4)", "method": "cross_entropy"}
    specs |= {"model": "mlp", "recipe": "small(epochs=2)"}
    other = Cell.build({**specs, "seed": 0, "precision": "float32"})
    cell = Cell(other.dataset, other.noise, method, other.model, other.recipe, seed=0)
    (record,) = train_and_record([cell], PackSetup(Path(), torch.device("cpu"), keep_all=False))
    demand(record.meta.status == "done", f"it does not train: {record.meta.reason}")


def states_what_every_dataset_must(dataset: Dataset, _root: Path) -> None:
    """Check that classes, sizes, shape, mean and deviation are stated, and fit each other."""
    name, missing = type(dataset).__name__, object()
    wanted: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "num_classes": ("a whole number of at least 2", lambda v: type(v) is int and v >= 2),
        "classes": (
            "a tuple of num_classes different names",
            lambda v: _texts(v) and len(set(v)) == len(v) == dataset.num_classes,
        ),
        "published": ("two whole numbers of at least 1", lambda v: _counts(v) and len(v) == 2),
        "shape": ("channels, height and width", lambda v: _counts(v) and len(v) == 3),
        "white": ("a whole number from 1 to 255", lambda v: type(v) is int and 1 <= v <= 255),
        "mean": (
            "a number for each channel",
            lambda v: _numbers(v) and len(v) == dataset.shape[0],
        ),
        "std": (
            "a number above 0 for each channel",
            lambda v: _numbers(v) and len(v) == dataset.shape[0] and min(v) > 0,
        ),
    }
    for key, (noun, fits) in wanted.items():
        value = getattr(dataset, key, missing)
        demand(value is not missing, f"{name}.{key} is not stated; it must be {noun}")
        demand(fits(value), f"{name}.{key} must be {noun}, got {value!r}")


def _texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, str) for each in value)


def _counts(value: object) -> bool:
    return isinstance(value, tuple) and all(type(each) is int and each >= 1 for each in value)


def _numbers(value: object) -> bool:
    kinds = int | float
    return isinstance(value, tuple) and all(
        isinstance(each, kinds) and math.isfinite(each) for each in value
    )


def has_the_images_it_declares(dataset: Dataset, root: Path) -> None:
    """Check that sizes, shape, types and labels are those that the class declares."""
    splits = load(dataset, root, 0)
    pair = isinstance(splits, tuple) and len(splits) == 2
    demand(pair and all(isinstance(split, Split) for split in splits), "load must return 2 Splits")
    for split, size in zip(splits, dataset.sizes, strict=True):
        for noun, held in (("images", split.image), ("labels", split.label)):
            kind = f"{type(held).__module__}.{type(held).__name__}".removeprefix("builtins.")
            demand(isinstance(held, Tensor), f"the {noun} are a {kind}, not a torch.Tensor")
        shape, declared = tuple(split.image.shape), (size, *dataset.shape)
        demand(shape == declared, f"the images have the shape {shape}, declared is {declared}")
        demand(split.image.dtype == torch.uint8, f"the images are {split.image.dtype}, not uint8")
        demand(split.label.dtype == torch.int64, f"the labels are {split.label.dtype}, not int64")
        demand(len(split.label) == size, f"there are {len(split.label)} labels for {size} images")
        classes = set(split.label.unique().tolist())
        wanted = set(range(dataset.num_classes))  # of which a small set may lack some
        demand(classes <= wanted, f"the classes are {sorted(classes)}, not 0 to {max(wanted)}")


def has_images_of_every_class(dataset: Dataset, root: Path) -> None:
    """Ask for images of every class, as a class without any is often a mistake in the labels."""
    for noun, split in zip(("training", "test"), load(dataset, root, 0), strict=True):
        held = set(split.label.tolist())
        absent = [name for label, name in enumerate(dataset.classes) if label not in held]
        if absent:
            raise DoubtError(f"it has no {noun} image of {', '.join(map(repr, absent[:5]))}")


def is_the_same_when_loaded_again(dataset: Dataset, root: Path) -> None:
    """Check that a run that is taken up again sees the same images in the same order."""
    for one, other in zip(dataset.load(root, 1), dataset.load(root, 1), strict=True):
        same = torch.equal(one.image, other.image) and torch.equal(one.label, other.label)
        demand(same, "loaded twice, it differs")


def declares_the_mean_and_deviation_of_its_pixels(dataset: Dataset, root: Path) -> None:
    """Check that both lie within a tenth of a deviation of the pixels', channel by channel."""
    image = load(dataset, root, 0)[0].image.double()
    deviation, mean = torch.std_mean(image, (0, 2, 3))
    for name, value, declared in (("mean", mean, dataset.mean), ("std", deviation, dataset.std)):
        gap = (value - torch.tensor(declared)).abs() / deviation
        text = f"{name} is declared as {declared}, the pixels say {value.tolist()}"
        demand(bool((gap < 0.1).all()), text)


def _sums_to_one(sums: Tensor) -> bool:
    return bool((sums - 1).abs().max() < 1e-9)


def has_rows_that_are_distributions(noise: Noise) -> None:
    """Check that the matrix is square and not negative, and that its rows sum to 1."""
    for classes in _accepted(noise)[:2]:
        label, space = _labels(classes, 600)
        table = noise.corrupt(label, space, "check", 0).transition
        demand(tuple(table.shape) == (classes, classes), f"T has the shape {tuple(table.shape)}")
        demand(bool(table.isfinite().all()), "T has entries that are not finite")
        demand(bool((table >= 0).all()), "T has negative entries")
        sums = table.sum(1)
        demand(
            _sums_to_one(sums),
            f"the rows of T must sum to 1 within 1e-9, and they sum to {sums.tolist()}"
            f"{'; its columns do, so transpose it' if _sums_to_one(table.sum(0)) else ''}",
        )


def draws_what_its_matrix_says(noise: Noise) -> None:
    """Check that labels are in range, repeat with the seed, and come in the matrix's shares."""
    classes = max(_accepted(noise)[:2])
    label, space = _labels(classes, 8_000)
    before = label.clone()
    given, table = noise.corrupt(label, space, "check", 0)[:2]
    demand(torch.equal(label, before), "it changes the true labels in place")
    fits = given.dtype == torch.int64 and given.shape == label.shape
    demand(fits, f"it returns {given.dtype} labels of the shape {tuple(given.shape)}")
    demand(
        0 <= int(given.min()) <= int(given.max()) < classes, "it returns labels that are no class"
    )
    again = noise.corrupt(label, space, "check", 0).label
    demand(torch.equal(again, given), "drawn again from the same seed, its labels differ")
    gap = (realised(label, given, classes) - table).abs().max().item()
    demand(gap < 0.08, f"the shares that come out are {gap:.2f} from those of T")


def _accepted(noise: Noise) -> list[int]:
    """Return the numbers of classes of ``CLASSES`` that a noise accepts."""
    accepted, reasons = [], []
    for classes in CLASSES:
        try:
            noise.check(_labels(classes, 600)[1], [0])
        except ValueError as error:
            reasons.append(str(error))
        else:
            accepted.append(classes)
    tried = ", ".join(map(str, CLASSES))
    demand(bool(accepted), f"it refuses each number of classes tried ({tried}): {reasons[-1:]}")
    return accepted


def _labels(classes: int, size: int) -> tuple[Tensor, LabelSpace]:
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

    def run(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        logits: Tensor = functional_call(network, (params, buffers), (image.double(),))
        return logits

    try:
        logits = vmap(run)(*trees)
    except RuntimeError as error:
        demand(False, f"it cannot be mapped by torch.func.vmap: {error}")
    gap = (logits[1] - other(image.double())).abs().max().item()
    demand(gap < 1e-10, f"mapped, a network differs from itself by {gap:.2g}")


def _network_and_images(model: Model, seed: int = 0) -> tuple[torch.nn.Module, Tensor]:
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
    raise BrokenContractError(f"it takes no image of the shapes {SHAPES}: {faults[0]}")
