"""What is said of a file that is not as it should be."""

from pathlib import Path

from benchmarks.errors import RefusedError, bounded, on_one_line

LONGEST = 500
"""Characters of a reason, of which what a file holds may be part, and of a path."""


class InputError(RefusedError):
    """A file that cannot be read, or holds something else than it should: ``PATH, place: reason``.

    >>> print(InputError("labels.csv", "the row has 3 fields", "line 7"))
    labels.csv, line 7: the row has 3 fields
    """

    def __init__(self, path: Path | str, reason: str, place: str = "") -> None:
        super().__init__(path, reason, place)  # as arguments, so that it can be pickled
        self.path, self.place = path, place
        self.reason = bounded(reason, LONGEST)

    def __str__(self) -> str:
        """Return the sentence, whatever the file's name holds, on one line."""
        path = bounded(f"{self.path}", LONGEST)
        where = f"{path}, {self.place}" if self.place else path
        return on_one_line(f"{where}: {self.reason}")
