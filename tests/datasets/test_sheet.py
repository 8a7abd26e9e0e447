"""Contact sheets of datasets."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import DATASETS
from benchmarks.datasets.sheet import GAP, IMAGES, NAME, SIDE, draw_sheet
from benchmarks.errors import RefusedError
from tests.cells import NOWHERE


def test_a_sheet_has_a_line_of_its_first_images_for_every_class(tmp_path):
    path, dataset = tmp_path / "sheet.png", DATASETS.build("digits")
    draw_sheet(dataset, NOWHERE, path)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (GAP + 10 * (SIDE + GAP), NAME + IMAGES * (SIDE + GAP), 3)
    train = dataset.load(NOWHERE, 0)[0]
    for label, column in ((0, 0), (7, 3), (9, IMAGES - 1)):
        image = train.image[train.label == label][column, 0].numpy().astype(int) * 255 // 16
        top, left = GAP + label * (SIDE + GAP), NAME + column * (SIDE + GAP)
        shown = sheet[top : top + SIDE, left : left + SIDE, 0]
        assert (shown == image.repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)).all()
    with pytest.raises(RefusedError, match="is there already"):
        draw_sheet(dataset, NOWHERE, path)
