"""Networks that torchvision has weights of, without their last layer."""

from collections.abc import Callable
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
class Pretrained(Backbone):
    """A classification network of torchvision up to its last layer, with weights on other images.

    ``weights`` are those that torchvision publishes under that name, downloaded at first use, or
    those of ``file``, which ``torch.save(network.state_dict(), file)`` writes. Images are resized,
    cropped and normalised as torchvision does for the published weights. Such a network was trained
    on photographs with labels: what it has seen may be among the images that it embeds.

    Source:
        https://docs.pytorch.org/vision/stable/models.html
    """

    model: str = "resnet18"
    weights: str = "DEFAULT"
    file: Annotated[str, FilePath()] = ""

    def __post_init__(self) -> None:
        """Refuse models and weights that torchvision does not have.

        Raises:
            ValueError: there is none of this name, or it does not end in a dense layer.
        """
        super().__post_init__()
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        known = tuple(models.list_models(models))
        if self.model not in known:
            hint = (
                suggestion(self.model, known) or "; `torchvision.models.list_models()` lists them"
            )
            raise ValueError(
                f"Pretrained.model must be a classification model of torchvision, got "
                f"{self.model!r}{hint}"
            )
        names = tuple(models.get_model_weights(self.model).__members__)
        if self.weights not in names:
            raise ValueError(
                f"Pretrained.weights must be one of {', '.join(names)} for {self.model}, got "
                f"{self.weights!r}{suggestion(self.weights, names)}"
            )
        with torch.device("meta"):
            _last(models.get_model(self.model))

    def features(self, shape: tuple[int, int, int]) -> int:
        """Return what the last layer of the network takes."""
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        with torch.device("meta"):
            return _last(models.get_model(self.model))[1].in_features

    def fit(self, image: Tensor, device: torch.device) -> Fitted:
        """Return the weights, which do not depend on the images.

        Raises:
            DataMissingError: they can neither be read nor be downloaded, or are of another network.
        """
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        network = models.get_model(self.model)
        load_weights(network, self._state(), self.file, self.model)
        return dict(network.state_dict())

    def embed(self, image: Tensor, fitted: Fitted, device: torch.device) -> Tensor:
        """Return what the network gives to its last layer."""
        network = self._network(fitted).to(device).eval()
        prepared = self._preparation()
        parts = []
        with torch.inference_mode():
            for some in image.split(AT_ONCE):
                coloured = some.expand(-1, 3, -1, -1) if some.shape[1] == 1 else some
                parts.append(network(prepared(coloured).to(device)).flatten(1).cpu())
        return torch.cat(parts).clone()

    def _network(self, state: Fitted) -> nn.Module:
        """Return the network without its last layer."""
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        network: nn.Module = models.get_model(self.model)
        network.load_state_dict(dict(state))
        name, _ = _last(network)
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Identity())
        return network

    def _preparation(self) -> Callable[[Tensor], Tensor]:
        """Return what torchvision does to images before such a network sees them."""
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        prepared: Callable[[Tensor], Tensor] = models.get_model_weights(self.model)[
            self.weights
        ].transforms(antialias=True)
        return prepared

    def _state(self) -> dict[str, Any]:
        """Return the weights of the file, or those that are published."""
        if self.file:
            return read_weights(self.file)
        from torchvision import models  # noqa: PLC0415  slow, and only these backbones need it

        published = models.get_model_weights(self.model)[self.weights]
        try:
            return dict(published.get_state_dict(progress=True, check_hash=True))
        except (OSError, RuntimeError) as error:
            raise DataMissingError(
                f"the weights {self.weights} of {self.model} cannot be downloaded from "
                f"{published.url} ({error}); fetch them where there is a network, and name them: "
                f"pretrained(model={self.model!r}, file='WEIGHTS.pth')"
            ) from error


def _last(network: nn.Module) -> tuple[str, nn.Linear]:
    """Return the name and the layer that gives the classes.

    Raises:
        ValueError: the network does not end in a dense layer.
    """
    name, layer = list(network.named_modules())[-1]
    if not isinstance(layer, nn.Linear):
        raise ValueError(  # noqa: TRY004  as whatever else is wrong with a spec
            f"Pretrained.model must end in a dense layer, and {type(network).__name__} does not"
        )
    return name, layer
