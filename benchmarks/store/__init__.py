"""Results on disk. Parts are immutable and are the truth; every CSV is derived from them.

A part is one ``.npz`` that holds the records of the cells that one worker trained together. It is
written under a temporary name, flushed to the disk and renamed, so it is there whole or not at all.
A cell is done when its id is in a valid part whose status is not ``failed``. Numbers that were
recomputed from what a part keeps lie beside it, in a file of the same name in ``collected``.
"""

from benchmarks.store.parts import (
    Parts,
    Record,
    read_plan,
    write_atomically,
    write_collected,
    write_part,
)
from benchmarks.store.tables import CURVE_VALUES, derive

__all__ = [
    "CURVE_VALUES",
    "Parts",
    "Record",
    "derive",
    "read_plan",
    "write_atomically",
    "write_collected",
    "write_part",
]
