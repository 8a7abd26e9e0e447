"""Where a figure is to be printed: the widths and type sizes of venues. Imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Venue:
    """A paper's text block, so that LaTeX includes figures at their natural size."""

    width: float  # text block, inches
    column: float  # one column, inches; the text block where there is one
    points: float  # labels and titles; ticks and legends are a point smaller

    @property
    def letter(self) -> float:
        """Inches that a letter of a label takes on average."""
        return self.points * 0.0075


VENUES: dict[str, Venue] = {
    "neurips": Venue(5.5, 5.5, 8.0),
    "iclr": Venue(5.5, 5.5, 8.0),
    "icml": Venue(6.75, 3.25, 7.5),
    "tmlr": Venue(6.5, 6.5, 8.0),
    "jmlr": Venue(6.0, 6.0, 8.0),
}
DEFAULT = "neurips"
