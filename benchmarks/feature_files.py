"""The export of feature vectors to a file, for use elsewhere."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import DATASETS
from benchmarks.datasets.embedded import Embedded
from benchmarks.outputs import refuse_foreign_files, replaced_files

VERB = "embed"


def export_features(dataset: str, backbone: str, root: Path, out: Path) -> str:
    """Write the feature vectors of a dataset and its labels, and return a line about them.

    The file has the arrays ``feature`` ``(N, D)`` float32 and ``label`` ``(N,)``, ``test_feature``
    and ``test_label``, ``clean_label`` and ``test_clean_label`` where clean ones are known, and
    ``classes``, the names of the classes, in the publisher's order.

    Args:
        dataset: the spec of a dataset of images.
        backbone: the spec of what computes the vectors.
        root: the folder of the image files, where the vectors are kept, too.
        out: the ``.npz`` file.

    Raises:
        ValueError: a spec is wrong.
        DataMissingError: the images are absent or damaged.
        RefusedError: ``out`` is a file of the user's.
    """
    embedded = Embedded(dataset, backbone)
    refuse_foreign_files(out.parent, VERB, [out.name])
    embedded.fetch(root)
    train, test = embedded.load(root, 0)
    arrays: dict[str, Any] = {"classes": np.array(embedded.classes)}
    for part, split in (("", train), ("test_", test)):
        given = split.label if split.given is None else split.given
        arrays |= {f"{part}feature": split.image.flatten(1).numpy(), f"{part}label": given.numpy()}
        if embedded.truth == "known":
            arrays[f"{part}clean_label"] = split.label.numpy()
    block = io.BytesIO()
    np.savez(block, **arrays)
    title = DATASETS.spec(embedded)
    with replaced_files(out.parent, VERB, title=title, adds=True) as new:
        (new / out.name).write_bytes(block.getbuffer())
    sizes = f"{len(train.label):,} training and {len(test.label):,} test images"
    return f"{out}: {embedded.shape[0]} features of {sizes}"
