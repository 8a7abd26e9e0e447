"""What a tracker is asked for, and a tracker whose store is a file or two for each run."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.outputs import read_manifest, replaced_files
from benchmarks.trackers.cell_run import CellRun

VERB = "export"


class Tracker(Protocol):
    """A store of runs, each named after its cell."""

    def held(self) -> Mapping[str, str]:
        """Return the cells whose runs are there, each with its digest."""

    def put(self, runs: Sequence[CellRun]) -> None:
        """Add runs, in place of those of the same cells."""


class RunFiles(ABC):
    """A tracker whose store is a folder with files of each run, which a path in it names.

    Files of the user's are never replaced, nor files of ours that someone edited.

    Args:
        place: the folder.
    """

    name: re.Pattern[str]
    """The paths of the files, with the groups ``cell`` and ``sha256``, the digest or its begin."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._paths: dict[str, str] = {}  # by cell

    def held(self) -> Mapping[str, str]:
        """Return the cells whose runs are there, each with its digest."""
        digests = {}
        for path in read_manifest(self._place, VERB).names():
            known = self.name.fullmatch(path)
            if known and (self._place / path).is_file():
                digests[known["cell"]] = known["sha256"]
                self._paths[known["cell"]] = path
        return digests

    def put(self, runs: Sequence[CellRun]) -> None:
        """Add runs, in place of those of the same cells."""
        stale = {path for run in runs if (path := self._paths.get(run.cell_id))}
        with replaced_files(self._place, VERB, adds=True, but=stale) as new:
            for run in runs:
                self.write(run, new)

    @abstractmethod
    def write(self, run: CellRun, folder: Path) -> None:
        """Write the files of a run below a folder."""
