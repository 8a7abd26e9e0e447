"""Weights of a network in a file of one's own, read without running code of it."""

import pickle
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from benchmarks.errors import DataMissingError
from benchmarks.inputs import DAMAGES, InputError, open_regular, read_safetensors


def read_weights(file: str) -> dict[str, Any]:
    """Return the weights in a file that ``torch.save`` wrote, or in a ``.safetensors`` file.

    Raises:
        DataMissingError: it cannot be read, or not without running code.
    """
    try:
        if file.endswith(".safetensors"):
            return {name: torch.from_numpy(own) for name, own in read_safetensors(file).items()}
        with open_regular(file) as stream:
            state: dict[str, Any] = torch.load(stream, weights_only=True, map_location="cpu")
    except InputError as error:
        raise DataMissingError(str(error)) from error
    except (*DAMAGES, LookupError, AttributeError, pickle.UnpicklingError) as error:
        raise DataMissingError(
            f"{file} holds no weights that can be read without running code: {type(error).__name__}"
        ) from error
    return state


def load_weights(
    network: nn.Module,
    state: Mapping[str, Any],
    file: str,
    model: str,
    left_out: Collection[str] = (),
) -> None:
    """Give a network its weights.

    Args:
        network: of the model, whole or without its last layer.
        state: what a file or a publisher has for it.
        file: where they come from, for the sentence of an error.
        model: the name of the network, likewise.
        left_out: names of weights that the network does without.

    Raises:
        DataMissingError: they are of another network.
    """
    try:
        if left_out:
            state = {name: own for name, own in state.items() if name not in left_out}
        network.load_state_dict(state)  # as it is where it may be: it says of which version it is
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataMissingError(f"{file} holds no weights of {model}: {reason}") from error
