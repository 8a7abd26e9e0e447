"""The contract between a method and the engine that trains it."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from methods.bounds import Bounded
from methods.paper import cited

State = dict[str, Tensor]
"""The memory of a method between steps: flat, so it stacks, checkpoints and prints."""

Weights = dict[str, Tensor]
"""The parameters of a network by name."""

FAMILIES: dict[str, str] = {
    "baseline": "the usual training that the others are compared with",
    "targets": "labels softened, mixed with predictions or learnt",
    "bounded": "losses between absolute error and cross-entropy",
    "normalised": "sums of an active and a passive loss",
    "outputs": "divergences and sparse predictions",
    "transition": "losses corrected by a transition matrix",
    "weights": "examples weighted",
    "selection": "examples selected",
    "early": "early learning kept",
    "mixed": "images mixed, wrong labels replaced",
}
"""The families of methods, in the order of tables and figures, and what each has in common."""

NOTHING: Mapping[str, Any] = {}


class Trusted(NamedTuple):
    """The examples whose labels are known to be right: the privilege ``clean_subset``."""

    image: Tensor  # (M, channels, H, W), normalised
    label: Tensor  # (M,) int64, clean


class TrustedLabels(NamedTuple):
    """Where in the training set the trusted examples are, and their true labels."""

    ids: Tensor  # (M,) int64, rising
    label: Tensor  # (M,) int64, clean


class Task(NamedTuple):
    """The knowledge of a method before training; clean knowledge only by declared privilege."""

    label: Tensor  # (N,) int64, noisy
    num_classes: int
    epochs: int
    rate: float | None = None  # share of wrong labels; privilege ``rate``
    transition: Tensor | None = None  # (C, C), P(given j | true i); privilege ``T``
    trusted: TrustedLabels | None = None  # privilege ``clean_subset``
    side: Tensor | None = None  # (N, C), class probabilities of another model; privilege ``side``

    def side_probabilities(self) -> Tensor:
        """Return another model's probabilities; without the privilege, raise a ``ValueError``."""
        if self.side is None:
            raise ValueError("this method needs a dataset with side information")
        return self.side

    def trusted_labels(self) -> TrustedLabels:
        """Return the true labels that are given; without the privilege, raise a ``ValueError``."""
        if self.trusted is None:
            raise ValueError("this method needs the privilege clean_subset")
        return self.trusted


class Batch(NamedTuple):
    """The knowledge of a method about a mini-batch; clean knowledge only by declared privilege."""

    ids: Tensor  # (B,) int64, positions in the training set
    label: Tensor  # (B,) int64, noisy
    draws: Mapping[str, Tensor] = NOTHING  # what Method.draw drew for it
    outputs: Tensor | None = None  # logits before prepare, without gradient, for a method that asks
    target: Tensor | None = None  # (..., B) or (..., B, C), what prepare made of the labels
    trusted: Trusted | None = None  # privilege ``clean_subset``

    def prepared_target(self) -> Tensor:
        """Return the target that ``prepare`` made; without one, raise a ``ValueError``."""
        if self.target is None:
            raise ValueError("this method has a loss only for a batch that went through prepare")
        return self.target

    def peeked_outputs(self) -> Tensor:
        """Return the logits of the pass before ``prepare``; without one, raise a ``ValueError``."""
        if self.outputs is None:
            raise ValueError("this method needs the networks' outputs on the batch")
        return self.outputs

    def trusted_examples(self) -> Trusted:
        """Return the clean examples of the privilege; without it, raise a ``ValueError``."""
        if self.trusted is None:
            raise ValueError("this method needs the privilege clean_subset")
        return self.trusted


LossAndState = tuple[Tensor, State]
"""A loss, of a batch or of each of its examples, and the next state."""

ImageAndBatch = tuple[Tensor, Batch]
"""The images that are sent through the network, and the batch that goes with them."""


class Network(NamedTuple):
    """A network as a function, for methods that ask what a step would do."""

    params: Weights
    forward: Callable[[Weights, Tensor], Tensor]  # training mode; running statistics untouched
    lr: Tensor  # 0-d, the learning rate of the step about to be taken


class Stage(NamedTuple):
    """A stretch of training; the recipe's schedule runs once in each."""

    epochs: int
    fresh_networks: bool = False  # start from new weights, state kept
    fresh_layers: int = 0  # renew so many of the last layers, and train nothing else
    recipe: Mapping[str, Any] = NOTHING  # fields of the recipe that this stage replaces


@dataclass(frozen=True)
class Method(Bounded):
    """One published way to learn from noisy labels.

    Fields are the paper's hyper-parameters with the paper's defaults. A method holds only what
    its paper changed; the engine holds data order, augmentation, forward, backward, optimiser,
    schedule and evaluation.

    Hooks are pure and written for one cell. The engine may map them over many cells at once, so
    a hook has no ``.item()``, no branch on a tensor, no boolean-mask indexing and no random
    numbers. Only :meth:`init` and :meth:`draw` may use torch's global generator, which the engine
    seeds for them; they, :meth:`refit`, :meth:`stages` and :meth:`predict` are never mapped.

    Shapes: ``B`` batch, ``C`` classes, ``N`` training examples. Logits are float32,
    ``(networks, views, B, C)``, axes of size 1 dropped, with :meth:`columns` in place of ``C`` for
    a method that asks for more. A hook gets the state that the last one returned, never to be
    modified in place, and the epoch as a 0-d tensor that counts from 0.

    Three entries of the state mean the same in every method, and are measured against the truth:
    ``kept`` ``(N,)`` or ``(networks, N)``, whether an example was trained on at its last visit;
    ``clean``, of the same shape, the method's own probability that a given label is right;
    ``transition`` ``(C, C)``, the estimate of ``P(given j | true i)`` in use.
    """

    label: ClassVar[str] = ""  # the name in tables and figures: short, ASCII
    family: ClassVar[str] = ""  # of FAMILIES
    colour: ClassVar[str] = ""  # in figures, as #rrggbb; for a method of a plugin

    networks: ClassVar[int] = 1
    views: ClassVar[int] = 1  # independent augmentations of each image
    strong_views: ClassVar[tuple[int, ...]] = ()  # which of them are strong, from 0
    peeks: ClassVar[bool] = False  # gets Batch.outputs: another forward pass, without gradient
    needs_side: ClassVar[bool] = False  # gets Task.side, which comes with some datasets
    averaged: ClassVar[tuple[str, ...]] = ()  # what averaged weights are for: peeks, predictions
    stops_early: ClassVar[Literal["", "val", "label_wave"]] = ""  # ends where that selection says
    learnable: ClassVar[tuple[str, ...]] = ()  # entries of the state that get a gradient

    def __init_subclass__(cls, *, label: str = "", family: str = "", colour: str = "") -> None:
        """Take what a class states: ``class ELR(Method, label="ELR", family="early")``."""
        if family not in {"", *FAMILIES}:
            known = ", ".join(FAMILIES)
            raise ValueError(f"{cls.__name__}.family must be one of {known}; got {family!r}")
        if colour and not re.fullmatch("#[0-9a-fA-F]{6}", colour):
            raise ValueError(f"{cls.__name__}.colour must be like #c02050; got {colour!r}")
        cls.label, cls.family, cls.colour = label, family, colour

    @classmethod
    def facts(cls) -> dict[str, str]:
        """Return what a report says of the method: family, label, paper, summary; as text."""
        docstring = inspect.getdoc(cls) or ""
        paper = cited(docstring)
        summary = docstring.partition("\n\n")[0].replace("\n", " ")
        texts = {"family": cls.family, "label": cls.label, **paper._asdict()}
        own = {"colour": cls.colour} if cls.colour else {}
        return {**texts, "summary": summary, "bibtex": paper.bibtex, **own}

    @property
    def privileges(self) -> tuple[str, ...]:
        """The knowledge that this method is given and others are not.

        Clean knowledge is ``rate``, ``T`` and ``clean_subset``; ``side`` is that of another model.
        """
        return ("side",) if self.needs_side else ()

    @property
    def trusted_per_class(self) -> int:
        """The number of clean examples of each class in the privilege ``clean_subset``."""
        return 0

    def columns(self, classes: int) -> int:
        """Return how many numbers a network gives for an image: one a class, or more.

        A method that asks for more gets all of them wherever it gets logits, and tells by
        :meth:`predict` the classes' logits, of which all that is measured is made.
        """
        return classes

    @classmethod
    def looks_ahead(cls) -> bool:
        """Tell whether the method has the hook :meth:`lookahead`, for which a step costs more."""
        return cls.lookahead is not Method.lookahead

    @classmethod
    def perturbs(cls) -> bool:
        """Tell whether the method has the hook :meth:`perturb`, for which a step costs double."""
        return cls.perturb is not Method.perturb

    @classmethod
    def sees_features(cls) -> bool:
        """Tell whether the method has the hook :meth:`refit_features`."""
        return cls.refit_features is not Method.refit_features

    @classmethod
    def refits(cls) -> bool:
        """Tell whether the method learns from its outputs on the whole training set."""
        return cls.refit is not Method.refit or cls.sees_features()

    def refitted(self, outputs: Tensor, state: State, epoch: Tensor, classes: int) -> State:
        """Return the state with which ``epoch`` starts, after both hooks that refit.

        ``outputs`` are ``(networks, N, C)``, or ``(networks, N, C + D)`` with features behind.
        """
        columns = self.columns(classes)
        state = self.refit(outputs[..., :columns], state, epoch)
        if self.sees_features():
            state = self.refit_features(outputs[..., columns:], state, epoch)
        return state

    def decay(self, steps: int, epochs: int) -> float:
        """Return the share of its averaged weights that a step keeps; an epoch has ``steps``."""
        raise NotImplementedError(f"{type(self).__name__} has averaged weights and no decay")

    def init(self, task: Task) -> State:
        """Return the state before the first step."""
        return {}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Return the random numbers of a batch of ``size``, as CPU tensors."""
        return {}

    def lookahead(self, network: Network, image: Tensor, batch: Batch, state: State) -> State:
        """Return the state after asking what a step on this batch would do; called first.

        ``image`` is ``(B, channels, H, W)``; the batch has ``trusted`` examples for a method so
        privileged.
        """
        return state

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Return what is sent through the network, and the batch that goes with it.

        ``image`` is ``(views, B, channels, H, W)``, normalised; the axis of one view is kept.
        """
        return image, batch

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return one loss per example ``(B,)`` and the next state."""
        raise NotImplementedError(f"{type(self).__name__} defines neither losses nor loss")

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the scalar to minimise and the next state: the mean of :meth:`losses`."""
        losses, state = self.losses(logits, batch, state, epoch)
        return losses.mean(), state

    def perturb(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Return the weights of one network at which the gradient is taken that counts.

        Called once for each network, after the backward pass. A second pass follows, of the same
        prepared images at these weights, with the loss and the state as they were in the first;
        its gradient replaces the first one, and moves ``params``. All else is of the first pass:
        the loss that is recorded, the next state, the slopes of ``learnable`` entries, and the
        running statistics of batch normalisation, which in the second uses the batch alone.
        """
        return params

    def gradient(self, params: Weights, grads: Weights, state: State, epoch: Tensor) -> Weights:
        """Return the gradient of one network as the optimiser is to get it.

        Called once for each network, after the last backward pass. The recipe clips afterwards, so
        its bound holds for what this returns; weight decay and momentum, the optimiser's, come
        last.
        """
        return grads

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Return the state after a step on ``learnable`` entries; ``slopes`` is their gradient."""
        raise NotImplementedError(f"{type(self).__name__} has learnable state and no learn")

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Return the state with which ``epoch`` starts; called before every epoch but the first.

        ``outputs`` are the logits ``(networks, N, C)`` on the whole training set, in evaluation
        mode and fixed order, of the networks as they were before this epoch.
        """
        return state

    def refit_features(self, features: Tensor, state: State, epoch: Tensor) -> State:
        """Return the state after :meth:`refit`, from what the networks see in the images.

        ``features`` ``(networks, N, D)`` are what the last dense layer of each network gets, of the
        same passes as ``outputs``. A method that leaves this alone pays nothing for it.
        """
        return state

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Divide the recipe's epochs; the lengths add up to ``epochs``."""
        return [Stage(epochs)]

    def predict(self, outputs: Tensor) -> Tensor:
        """Return ``(N, C)`` logits of the distribution the method predicts with.

        One network predicts with its own logits, several with the mean of their probabilities,
        returned as log-probabilities so that small ones survive.
        """
        if len(outputs) == 1:
            return outputs[0]
        return outputs.log_softmax(-1).logsumexp(0) - torch.tensor(float(len(outputs))).log()


def hooks_of(method: type[Method]) -> list[str]:
    """Return the hooks that a method has of its own, in the order of :class:`Method`."""
    facts = {"label", "family", "colour", "facts", "looks_ahead"}
    facts |= {"sees_features", "refits", "refitted", "perturbs"}
    hooks = [name for name in vars(Method) if not name.startswith("_") and name not in facts]
    return [name for name in hooks if getattr(method, name) != getattr(Method, name)]
