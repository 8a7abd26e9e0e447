"""The interface of a model, and the layers that several share."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmarks.seeds import seeded
from methods.bounds import Bounded


@dataclass(frozen=True)
class Model(Bounded):
    """An architecture that fits its first and last layer to the dataset."""

    smallest: ClassVar[int] = 1  # pixels: images below this height or width are refused
    images_seen: ClassVar[int] = 0  # how many training images its initial weights depend on
    version: ClassVar[int] = 1

    def build(self, shape: tuple[int, int, int], num_classes: int) -> nn.Module:
        """Return the network for images of ``(channels, height, width)``, freshly initialised."""
        raise NotImplementedError(f"{type(self).__name__} defines no build")

    def initialise(self, network: nn.Module, images: Tensor) -> None:
        """Let initial weights depend on images; called where ``images_seen`` is not 0.

        Args:
            network: what ``build`` returned; changed in place.
            images: ``(n, channels, height, width)``, normalised: the first training images, at most
                ``images_seen``. No label comes with them.
        """

    def check(self, shape: tuple[int, int, int]) -> None:
        """Refuse images that the network would shrink to nothing, and vectors that are none.

        Raises:
            ValueError: height or width is below ``smallest``.
        """
        if shape[1:] == (1, 1) and self.smallest > 1:
            raise ValueError(
                f"{type(self).__name__} needs images, got feature vectors of {shape[0]} numbers; "
                "linear and mlp take them"
            )
        if min(shape[1:]) < self.smallest:
            raise ValueError(
                f"{type(self).__name__} needs images of at least {self.smallest}x{self.smallest} "
                f"pixels, got {shape[1]}x{shape[2]}"
            )


def initialised(
    model: Model,
    shape: tuple[int, int, int],
    num_classes: int,
    salt: tuple[str | int, ...],
    images: Tensor | None = None,
) -> nn.Module:
    """Return the network whose initial weights depend on ``salt``, and on images where it asks.

    Args:
        model: the architecture.
        shape: channels, height and width of an image.
        num_classes: logits of the network.
        salt: names the stream of random numbers.
        images: normalised training images for a model that sees some. Without them its weights are
            as ``build`` left them, which is enough to count or to time it.

    Raises:
        ValueError: the images are too small for the model.
    """
    model.check(shape)
    with seeded("weights", *salt):
        network = model.build(shape, num_classes)
        if model.images_seen and images is not None:
            model.initialise(network, images[: model.images_seen])
    return network


def widened(network: nn.Module, other: nn.Module, num_classes: int) -> nn.Module:
    """Return a network, changed in place, that gives behind its own outputs those of another one.

    Its last dense layer gets the weights of the other's, so what comes before is shared.

    Args:
        network: gives logits of the classes.
        other: the same architecture for as many numbers as are to be added.
        num_classes: how many classes there are.

    Raises:
        ValueError: its last dense layer does not give the logits.
    """
    layer, more = last_dense(network), last_dense(other)
    if layer.out_features != num_classes:
        raise ValueError(
            f"the last dense layer of {type(network).__name__} gives {layer.out_features} numbers, "
            f"not the logits of {num_classes} classes, so a method cannot add others"
        )
    for name, own in list(layer.named_parameters()):
        both = torch.cat([own.detach(), more.get_parameter(name).detach()])
        layer.register_parameter(name, nn.Parameter(both))
    layer.out_features += more.out_features
    return network


def last_dense(network: nn.Module) -> nn.Linear:
    """Return the last dense layer of a network, whose input are its features.

    Raises:
        ValueError: the network has none.
    """
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not dense:
        raise ValueError(f"{type(network).__name__} has no dense layer whose input are features")
    return dense[-1]


def convolution(before: int, after: int) -> tuple[nn.Module, ...]:
    """Return a 3x3 convolution that keeps height and width, batch normalisation, and ReLU."""
    return nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()


def initialise_as_robust_losses(network: nn.Module) -> None:
    """Draw weights as the code of the robust-loss papers does; biases stay as torch draws them.

    Convolutions: uniform in ``+-sqrt(6 / fan_in)`` (He et al.). Dense layers: uniform in
    ``+-sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio). torch's own default for both is
    ``+-sqrt(1 / fan_in)``.

    Source: HanxunH/Active-Passive-Losses, read at commit 2d18de6, file archive/model.py.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)


def last_layers(network: nn.Module, count: int) -> list[str]:
    """Return the names of all parameters and buffers in the last ``count`` layers; 0 is all.

    A layer is a direct child of the network that has a weight of two dimensions or more, such as a
    convolution, a dense layer or a residual block, with what follows it and has none, such as its
    normalisation. Children count in the order in which the network lists them.
    """
    layers: list[list[str]] = [[]]
    for prefix, child in network.named_children():
        if any(p.dim() > 1 for p in child.parameters()) and layers[-1]:
            layers.append([])
        layers[-1] += [f"{prefix}.{name}" for name in child.state_dict()]
    return [name for layer in layers[-count:] for name in layer]
