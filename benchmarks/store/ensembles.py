"""The ensemble of a method's seeds: their probabilities averaged, in every setting."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks.store.aggregates import Group, Row
from benchmarks.store.by_method import ByMethod
from benchmarks.store.part_file import Record
from benchmarks.store.tested import Labels, Logits, apart, each_image, ece, last_test, log_shares


class Tested(NamedTuple):
    """The test images of a cell, after its last epoch."""

    logits: Logits  # (N, C)
    label: Labels  # (N,)
    own_images: bool  # whether each seed is tested on images of its own


class Ensembles(ByMethod[Tested]):
    """A row for each method in a setting with two seeds or more, tested on the same images."""

    def keep(self, record: Record) -> Tested:
        """Return the test images of a cell."""
        return Tested(*last_test(record), record.meta.own_images)

    def rows_of(self, group: Group, cells: dict[int, Tested]) -> Iterator[Row]:
        """Yield one row, if there is an ensemble."""
        members = [cells[seed] for seed in sorted(cells)]
        if len(members) < 2 or apart(members):
            return
        shares = [log_shares(member.logits) for member in members]
        images = each_image(np.logaddexp.reduce(shares) - np.log(len(shares)), members[0].label)
        yield {
            "seeds": len(members),
            "acc": float(images.acc.mean()),
            "nll": float(images.nll.mean()),
            "brier": float(images.brier.mean()),
            "ece": ece(images),
        }
