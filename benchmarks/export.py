"""The export of given labels to files, so that others can train on exactly these."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks.datasets import DATASETS, Dataset
from benchmarks.errors import RefusedError
from benchmarks.noise import NO_CLASS, NOISES, Noise, realised
from benchmarks.outputs import read_manifest, refuse_foreign_files, replaced_files
from benchmarks.seeds import refuse_odd
from benchmarks.sweep import corrupted, label_space, published_index

VERB = "data noise"
FILES = (
    *("labels-{}.npy", "labels-{}.csv", "T-{}.csv", "T-realised-{}.csv", "noise-{}.json"),
    "foreign-{}.npz",
)
"""The files of a seed; the last only where a noise replaces images."""


def export_seeds(
    dataset: Dataset, noise: Noise, seeds: Sequence[int], root: Path, out: Path
) -> list[str]:
    """Write the labels of several seeds as :func:`export` does, all or none, and return its lines.

    Files of a former export of the same labels are replaced, or removed where they are not made
    again; those of its other seeds stay.

    Raises:
        RefusedError: ``out`` has labels of another dataset or noise, or a file of the user's is in
            the way.
        DataMissingError: the dataset's files are not there.
        ValueError: the noise does not fit the dataset.
    """
    title = f"{DATASETS.spec(dataset)} under {NOISES.spec(noise)}"
    manifest = read_manifest(out, VERB)
    there = [name for name in sorted(manifest.names()) if (out / name).exists()]
    if there and manifest.title != title:
        raise RefusedError(
            f"{out} holds the labels of {manifest.title} ({there[0]} and others), and those of "
            f"{title} would mix with them; name another --out"
        )
    names = {name.format(seed) for seed in seeds for name in FILES}
    refuse_foreign_files(out, VERB, names)
    with replaced_files(out, VERB, title=title, adds=True, but=names) as new:
        return [export(dataset, noise, seed, root, new) for seed in seeds]


def export(dataset: Dataset, noise: Noise, seed: int, root: Path, out: Path) -> str:
    """Write the labels that a noise gives to a dataset at a seed, and return a line about them.

    The dataset's files are in the folder ``root``. In the folder ``out`` are then
    ``labels-SEED.npy`` and ``labels-SEED.csv`` (``position``, ``index``, ``true``, ``given``), in
    the publisher's order; ``T-SEED.csv``, the matrix they were drawn from; ``T-realised-SEED.csv``,
    the shares that came out; ``noise-SEED.json``, the rest. ``labels(file='labels-{seed}.npy')``
    reads them back. Images that a noise replaces are in ``foreign-SEED.npz``: ``position``,
    ``index`` and ``image``. ``position`` is the row of the training set, ``index`` the publisher's.

    Raises:
        DataMissingError: the dataset's files are not there.
        ValueError: the noise does not fit the dataset, or the seed is none.
    """
    refuse_odd([seed])
    space = label_space(dataset)
    noise.check(space, [seed])
    noise.fetch(root)
    train = dataset.load(root, seed)[0]
    labels, true = corrupted(dataset, noise, seed, train, root), train.label
    given = labels.label
    if out_of := int((given == NO_CLASS).sum()):
        raise ValueError(
            f"people gave {out_of} of the {len(true)} images a label outside the classes of "
            f"{DATASETS.spec(dataset)}, which are left out of training: a file of labels has one "
            "for each image"
        )
    shares = realised(true, given, space.num_classes)
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / f"labels-{seed}.npy", given.numpy())
    index = published_index(train).numpy()
    columns = {"position": np.arange(len(true)), "index": index}
    columns |= {"true": true.numpy(), "given": given.numpy()}
    pd.DataFrame(columns).to_csv(out / f"labels-{seed}.csv", index=False)
    _write_matrix(out / f"T-{seed}.csv", labels.transition)
    _write_matrix(out / f"T-realised-{seed}.csv", shares)
    if labels.foreign:
        position, image = (tensor.numpy() for tensor in labels.foreign)
        arrays = {"position": position, "index": index[position], "image": image}
        np.savez_compressed(out / f"foreign-{seed}.npz", **arrays)
    wrong = given != labels.true(true)
    rate, known = wrong.double().mean().item(), dataset.truth == "known"
    facts = {
        "dataset": DATASETS.spec(dataset),
        "noise": NOISES.full(noise),
        "seed": seed,
        "examples": len(true),
        "rate_nominal": noise.nominal_rate,
        "rate_realised": rate if known else None,
        "rate_realised_per_class": (1 - shares.diagonal()).tolist() if known else None,
        "sha256": labels.sha256(),
    }
    text = json.dumps(facts, indent=1) + "\n"
    (out / f"noise-{seed}.json").write_text(text, encoding="utf-8")
    count = f"{wrong.sum()} of {len(true)} labels wrong ({rate:.2%})"
    if not known:
        count = (
            f"{wrong.sum()} of {len(true)} given labels changed; there is nothing to reveal of the "
            "others, as nobody knows which were right"
        )
    return f"seed {seed}: {count}, sha256 {facts['sha256']}"


def _write_matrix(path: Path, table: Tensor) -> None:
    np.savetxt(path, table.numpy(), delimiter=",", fmt="%.17g")
