"""Networks of the library timm, without their last layer."""

import functools
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from benchmarks.embedding.base import Backbone, Fitted
from benchmarks.embedding.weights import load_weights, read_weights
from benchmarks.errors import DataMissingError
from methods.bounds import FilePath, suggestion

AT_ONCE = 32
"""Images that go through the network together."""


@dataclass(frozen=True)
class Timm(Backbone):
    """A network of the library timm up to its last layer, with weights on other images.

    ``model`` is the name of an architecture, with that of weights behind a point where there are
    several. Weights are those that timm publishes, downloaded at first use, or those of ``file``,
    of ``torch.save(network.state_dict(), file)`` or ``.safetensors``; those of a last layer in it
    are left out. Images are resized, cropped and normalised as timm does for the published weights.
    What such a network has seen may be among the images that it embeds.

    Source:
        https://huggingface.co/docs/timm
    """

    model: str = "resnet18"
    file: Annotated[str, FilePath()] = ""

    def features(self, shape: tuple[int, int, int]) -> int:
        """Return the numbers that the network makes of an image.

        Raises:
            ValueError: timm is not installed or has no such network, or images have no colours.
        """
        if shape[0] not in {1, 3}:
            raise ValueError(f"Timm takes images of 1 or 3 channels, and these have {shape[0]}")
        return _size(self.model)

    def fit(self, image: Tensor, device: torch.device) -> Fitted:
        """Return the weights, which do not depend on the images.

        Raises:
            DataMissingError: they can neither be read nor be downloaded, or are of another network.
        """
        if not self.file:
            return dict(self._published().state_dict())
        network, state = _network(self.model), read_weights(self.file)
        last_layer = _network(self.model, whole=True).state_dict().keys() - network.state_dict()
        load_weights(network, state, self.file, self.model, last_layer)
        return dict(network.state_dict())

    def embed(self, image: Tensor, fitted: Fitted, device: torch.device) -> Tensor:
        """Return what the network gives to its last layer."""
        network = _network(self.model)
        network.load_state_dict(dict(fitted))
        network.to(device).eval()
        prepared = _preparation(network)
        with torch.inference_mode():
            parts = [network(prepared(some).to(device)).cpu() for some in image.split(AT_ONCE)]
        return torch.cat(parts).clone()

    def _published(self) -> nn.Module:
        """Return the network with the weights that timm publishes."""
        try:
            return _network(self.model, pretrained=True)
        except Exception as error:  # whatever the libraries of the download raise
            reason = " ".join(str(error).split())[:200]
            raise DataMissingError(
                f"the weights of {self.model} cannot be downloaded by timm ({reason}); fetch them "
                f"where there is a network, and name them: timm(model={self.model!r}, "
                "file='WEIGHTS.safetensors')"
            ) from error


def _library() -> Any:  # noqa: ANN401  an extra, imported where it is needed
    """Return timm.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import timm  # noqa: PLC0415  an extra
        import timm.data  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            "the backbone timm needs the library of this name, which the extra 'timm' installs"
        ) from error
    return timm


def _network(model: str, *, whole: bool = False, pretrained: bool = False) -> nn.Module:
    """Return a network, without its last layer unless it is wanted whole."""
    classes = {} if whole else {"num_classes": 0}
    network: nn.Module = _library().create_model(model, pretrained=pretrained, **classes)
    return network


@functools.lru_cache(maxsize=16)
def _size(model: str) -> int:
    """Return the numbers that a network makes of an image.

    Raises:
        ValueError: there is none of this name.
    """
    timm = _library()
    if not timm.is_model(model):
        known = tuple(timm.list_models())
        hint = suggestion(model, known) or "; `timm.list_models()` lists them"
        raise ValueError(f"Timm.model must be a network of timm, got {model!r}{hint}")
    try:
        network = _network(model).eval()
    except RuntimeError as error:
        raise ValueError(f"Timm.model {model!r} cannot be made: {error}") from error
    with torch.inference_mode():
        return int(network(torch.zeros(1, *_config(network)["input_size"])).shape[1])


def _config(network: nn.Module) -> dict[str, Any]:
    """Return what timm does to images before such a network sees them."""
    config: dict[str, Any] = _library().data.resolve_model_data_config(network)
    return config


def _preparation(network: nn.Module) -> Any:  # noqa: ANN401  a function of images
    """Return what makes of bytes ``(n, channels, H, W)`` the images that a network takes."""
    from PIL import Image  # noqa: PLC0415  only this backbone needs it

    transform = _library().data.create_transform(**_config(network), is_training=False)

    def prepared(some: Tensor) -> Tensor:
        coloured = some.expand(-1, 3, -1, -1).movedim(1, -1).contiguous().numpy()
        return torch.stack([transform(Image.fromarray(pixels)) for pixels in coloured])

    return prepared
