"""Contact sheets of datasets: some images of every class, and how many there are."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.base import Dataset
from benchmarks.datasets.content import load
from benchmarks.errors import RefusedError
from benchmarks.outputs import write_atomically

IMAGES = 12
"""The images of a class that are shown: its first ones."""
CLASSES = 40
"""The most classes that are shown: the first ones."""
SIDE, GAP, NAME = 56, 4, 190
"""Pixels of an image, between two, and of the name before them."""


def draw_sheet(dataset: Dataset, root: Path, path: Path) -> None:
    """Write a PNG with a line for each class: name, number of training images, the first of them.

    Raises:
        RefusedError: the dataset holds feature vectors, or there is such a file.
        DataMissingError: the files of the dataset are not there.
        WritingError: the file cannot be written.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415  slow, and nothing else here needs it

    if dataset.vectors:
        raise RefusedError("feature vectors cannot be shown; name the dataset of their images")
    if path.exists():
        raise RefusedError(f"{path} is there already; name another --sheet")
    train = load(dataset, root, 0)[0]
    names = dataset.classes[:CLASSES]
    size = (NAME + IMAGES * (SIDE + GAP), GAP + len(names) * (SIDE + GAP))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for label, name in enumerate(names):
        places = (train.label == label).nonzero().flatten()
        top = GAP + label * (SIDE + GAP)
        text = name.encode("latin-1", "replace").decode("latin-1")  # what the built-in font has
        pen.text((GAP, top + SIDE // 2 - 12), f"{text[:28]}\n{len(places):,} images", fill="black")
        for column, place in enumerate(places[:IMAGES].tolist()):
            image = Image.fromarray(_shown(train.image[place].numpy(), dataset.white))
            scale = SIDE / max(image.size)
            wanted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(wanted, Image.Resampling.NEAREST)
            sheet.paste(image, (NAME + column * (SIDE + GAP), top))
    block = io.BytesIO()
    sheet.save(block, "PNG")
    write_atomically(path, block.getvalue())


def _shown(pixel: NDArray[np.uint8], white: int) -> NDArray[np.uint8]:
    """Return an image ``(channels, H, W)`` as ``(H, W, 3)``, grey where colours are missing."""
    colours = pixel[:3] if len(pixel) >= 3 else np.repeat(pixel[:1], 3, 0)
    bright = (colours.astype(np.uint16) * 255 // white).astype(np.uint8)
    return np.ascontiguousarray(bright.transpose(1, 2, 0))
