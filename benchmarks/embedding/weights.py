"""Weights of a network in a file of one's own, read without running code of it."""

import pickle
from typing import Any

import torch

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
