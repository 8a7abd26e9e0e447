"""The pages of the venues that figures and tables are for."""

from dataclasses import dataclass, replace

SMALLEST = 6.0
"""The least size of a letter in points."""

CAPTION = 1.2
"""The inches of a page that a figure leaves to its caption."""


@dataclass(frozen=True)
class Venue:
    """A paper's text block, so that LaTeX includes figures at their natural size.

    Widths and heights are those of the style files: of NeurIPS, ICLR, ICML, TMLR and JMLR.

    Type sizes are of DejaVu Sans, whose small letters are 0.55 of its size high, where those of
    Times are 0.45: set at 8 points it is as tall as 9.8 points of the text around it. So labels
    are a point below what the venues' guides ask for in Times (9 at NeurIPS, 8 at ICML).
    """

    width: float  # text block, inches
    column: float  # one column, inches; the text block where there is one
    height: float  # text block, inches
    points: float  # labels and titles

    @property
    def small(self) -> float:
        """The points of ticks and legends, and of all that is written into panels."""
        return max(self.points - 1, SMALLEST)

    @property
    def tallest(self) -> float:
        """The inches of the tallest figure that leaves room for its caption."""
        return self.height - CAPTION

    def of_columns(self, count: int) -> "Venue":
        """Return the page whose figures are as wide as the text block, or as one column."""
        return self if count > 1 else replace(self, width=self.column)

    @property
    def letter(self) -> float:
        """The inches that a letter of a label takes on average."""
        return self.points * 0.0075


VENUES: dict[str, Venue] = {
    "neurips": Venue(5.5, 5.5, 9.0, 8.0),
    "iclr": Venue(5.5, 5.5, 9.0, 8.0),
    "icml": Venue(6.75, 3.25, 9.0, 7.5),
    "tmlr": Venue(6.5, 6.5, 9.0, 8.0),
    "jmlr": Venue(6.0, 6.0, 8.5, 8.0),
}
