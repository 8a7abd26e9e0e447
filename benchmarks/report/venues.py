"""Where a figure is to be printed: the widths and type sizes of venues. Imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Venue:
    """A paper's text block, so that LaTeX includes figures at their natural size.

    Type sizes are of DejaVu Sans, whose small letters are 0.55 of its size high, where those of
    Times are 0.45: set at 8 points it is as tall as 9.8 points of the text around it. So labels
    are a point below what the venues' guides ask for in Times (9 at NeurIPS, 8 at ICML).
    """

    width: float  # text block, inches
    column: float  # one column, inches; the text block where there is one
    points: float  # labels and titles; ticks and legends are a point smaller

    @property
    def letter(self) -> float:
        """The inches that a letter of a label takes on average."""
        return self.points * 0.0075


VENUES: dict[str, Venue] = {
    "neurips": Venue(5.5, 5.5, 8.0),
    "iclr": Venue(5.5, 5.5, 8.0),
    "icml": Venue(6.75, 3.25, 7.5),
    "tmlr": Venue(6.5, 6.5, 8.0),
    "jmlr": Venue(6.0, 6.0, 8.0),
}
DEFAULT = "neurips"
