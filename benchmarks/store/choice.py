"""Which cells of a folder are to be trained, by what became of them and by their names."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from benchmarks.errors import RefusedError, refuse_unknown, suggestion
from benchmarks.store.cell_meta import CellMeta
from benchmarks.store.held import AXES

Outcome = Literal["failed", "missing", "diverged", "done"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""What has become of a cell: ``missing`` is one that nobody has tried."""

Keys = Mapping[str, str | int | float | None]


class Choice(NamedTuple):
    """The outcomes of cells, any where none is named, and values by axis, as ``drop`` takes them.

    A cell is chosen that has one of the outcomes, and one of the values of every axis with any.
    """

    outcomes: Collection[Outcome]
    values: Mapping[str, Sequence[str | int]]

    @classmethod
    def read(cls, words: Sequence[str]) -> "Choice":
        """Return the choice that words say: outcomes, and values as ``method=elr``.

        >>> Choice.read(["failed", "seed=0", "seed=1", "method=gce(q=0.5)"])
        Choice(outcomes=['failed'], values={'seed': [0, 1], 'method': ['gce(q=0.5)']})

        Raises:
            RefusedError: a word is neither.
        """
        outcomes, values = list[Outcome](), dict[str, list[str | int]]()
        for word in words:
            name, equals, value = word.partition("=")
            axis = name.strip().removesuffix("s")
            if word in OUTCOMES:
                outcomes.append(word)
            elif equals and axis in AXES:
                values.setdefault(axis, []).append(_value(axis, value.strip()))
            else:
                hint = suggestion(name, (*OUTCOMES, *AXES)) or f", got {word!r}"
                raise RefusedError(
                    f"--rerun must be {', '.join(OUTCOMES)}, or an axis ({', '.join(AXES)}) and a "
                    f"value such as method=elr{hint}"
                )
        return cls(outcomes, values)

    def ids(self, cells: Collection[Keys], metas: Mapping[str, CellMeta]) -> set[str]:
        """Return the ids of the cells that are chosen.

        Args:
            cells: the columns that name each cell that there is.
            metas: what is known of those that were tried, by id.

        Raises:
            RefusedError: no cell has one of the values, or none has all of them.
        """
        known = {axis: {one[axis] for one in cells} for axis in self.values}
        refuse_unknown("no cell that --rerun may choose", self.values, known)
        named = [one for one in cells if fits(one, self.values)]
        if cells and not named:
            raise RefusedError(
                "no cell has all values that --rerun asks for; nothing is trained again"
            )
        return {i for i in (str(one["cell_id"]) for one in named) if self._became(metas.get(i))}

    def _became(self, meta: CellMeta | None) -> bool:
        outcome: Outcome = "missing" if meta is None else meta.status
        return not self.outcomes or outcome in self.outcomes


def fits(cell: Keys, values: Mapping[str, Sequence[str | int]]) -> bool:
    """Tell whether a cell has one of the values of each axis that has any."""
    return all(not each or cell[axis] in each for axis, each in values.items())


def _value(axis: str, text: str) -> str | int:
    """Return a value of an axis, of which seeds are whole numbers."""
    if axis == "seed" and not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise RefusedError(f"--rerun seed must be a whole number such as seed=0, got {text!r}")
    return int(text) if axis == "seed" else text
