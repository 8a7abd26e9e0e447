"""Arrays in ``.safetensors`` files, by the library of that name, which runs no code of a file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.arrays import DAMAGES
from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import open_regular


def read_safetensors(path: Path | str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a ``.safetensors`` file by name.

    Raises:
        InputError: it cannot be read, is damaged, has numbers of a type that numpy lacks, or the
            library is not installed.
    """
    with open_regular(path) as stream:
        data = stream.read()
    try:
        import safetensors  # noqa: PLC0415  an extra
        from safetensors.numpy import load  # noqa: PLC0415
    except ImportError as error:
        reason = "is read by safetensors, which the extra 'safetensors' installs"
        raise InputError(path, reason) from error
    try:
        arrays: dict[str, NDArray[Any]] = load(data)
    except (*DAMAGES, safetensors.SafetensorError, AttributeError) as error:
        reason = f"is damaged, or has numbers of an unknown type: {error or type(error).__name__}"
        raise InputError(path, reason) from error
    return {name: np.array(array) for name, array in arrays.items()}
