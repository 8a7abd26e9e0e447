"""Pictures: decoded whole, bounded in size, and brought to one shape."""

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.arrays import DAMAGES
from benchmarks.inputs.error import InputError
from benchmarks.inputs.regular import read_bytes

IMAGE_BYTES = 64 * 2**20
PIXELS = 2**27
"""The most pixels of a picture that is decoded: it takes 400 MB while it is."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ENDINGS = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
)
"""The endings of file names that are taken for pictures in a folder."""

Fit = Literal["crop", "squash"]


class Picture(NamedTuple):
    """A decoded picture, and the digest of its file."""

    pixel: NDArray[np.uint8]  # (3, size, size)
    sha256: str


def read_picture(path: Path, size: int, fit: Fit) -> Picture:
    """Return a picture in red, green and blue, scaled to a square of ``size`` pixels.

    What turns it upright is applied, transparent parts are black. ``crop`` keeps its proportions
    and cuts what is longer at both ends; ``squash`` scales both sides by themselves.

    Raises:
        InputError: it cannot be read, is no picture of a known format, or is damaged or too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415  only data of one's own need it

    data = read_bytes(path, IMAGE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; the size is bounded here
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _refuse_large(image.size, path)
                upright = _in_colour(ImageOps.exif_transpose(image))
                method = Image.Resampling.BICUBIC
                if fit == "crop":
                    upright = ImageOps.fit(upright, (size, size), method)
                else:
                    upright = upright.resize((size, size), method)
    except InputError:
        raise
    except (*DAMAGES, Image.DecompressionBombError) as error:
        known = isinstance(error, UnidentifiedImageError)
        reason = "is no picture of a known format" if known else f"is damaged: {error}"
        raise InputError(path, reason) from error
    pixel = np.ascontiguousarray(np.asarray(upright).transpose(2, 0, 1))
    return Picture(pixel, hashlib.sha256(data).hexdigest())


def _refuse_large(size: tuple[int, int], path: Path) -> None:
    if size[0] * size[1] > PIXELS:
        reason = f"pictures of at most {PIXELS:,} pixels are decoded"
        raise InputError(path, f"{reason}, this one is {size[0]} x {size[1]}")


def _in_colour(image: Any) -> Any:  # noqa: ANN401  as PIL is imported late
    """Return a picture with red, green and blue bytes; of 16 grey bits the upper ones are kept."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in {"I", "F"}:
        raise ValueError(f"its pixels are of the mode {image.mode}, not bytes")
    return image.convert("RGB")


def read_pictures(
    root: str, paths: Sequence[str], size: int, fit: Fit
) -> tuple[NDArray[np.uint8], list[str], list[tuple[int, str]]]:
    """Return pictures ``(N, 3, size, size)``, the digests of their files, and what is wrong.

    Args:
        root: the folder that ``paths`` are relative to.
        paths: of the files.
        size: see :func:`read_picture`.
        fit: likewise.

    Returns:
        pixels and digests, blank where there is a fault; the number and the reason of each fault.
    """
    pixel = np.zeros((len(paths), 3, size, size), np.uint8)
    digests, faults = [""] * len(paths), []
    for number, path in enumerate(paths):
        try:
            pixel[number], digests[number] = read_picture(Path(root) / path, size, fit)
        except InputError as error:
            faults.append((number, error.reason))
    return pixel, digests, faults
