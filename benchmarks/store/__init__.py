"""Results on disk. Parts are immutable and are the truth; every CSV is derived from them.

A part is one ``.npz`` that holds the records of the cells that one worker trained together. It is
written under a temporary name, flushed to the disk and renamed, so it is there whole or not at all.
A cell is done when its id is in a valid part whose status is not ``failed``. Numbers that were
recomputed from what a part keeps lie beside it, in a file of the same name in ``collected``.
"""

from benchmarks.store.cell_meta import (
    CellFacts,
    CellKeys,
    CellMeta,
    CollectedMeta,
    Costs,
    Draws,
    Stamp,
)
from benchmarks.store.files import locked, refuse_foreign
from benchmarks.store.part_file import Recomputed, Record
from benchmarks.store.parts import Parts, write_collected, write_part
from benchmarks.store.plan_file import (
    CellSpecs,
    Driver,
    PlanFile,
    PlannedCell,
    read_current_plan,
    read_plan,
    write_plan,
)
from benchmarks.store.tables import CURVE_VALUES, derive, refuse_loss

__all__ = [
    "CURVE_VALUES",
    "CellFacts",
    "CellKeys",
    "CellMeta",
    "CellSpecs",
    "CollectedMeta",
    "Costs",
    "Draws",
    "Driver",
    "Parts",
    "PlanFile",
    "PlannedCell",
    "Recomputed",
    "Record",
    "Stamp",
    "derive",
    "locked",
    "read_current_plan",
    "read_plan",
    "refuse_foreign",
    "refuse_loss",
    "write_collected",
    "write_part",
    "write_plan",
]
