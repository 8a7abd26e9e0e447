"""The tracker Weights & Biases, offline: run files that ``wandb sync`` sends when a user says so.

Each run's id is that of its cell, in a project that is named after the suite. The library writes
its file by a program of its own on this machine, and nothing of the machine goes into it.
"""

import datetime as dt
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ |= {"WANDB_ERROR_REPORTING": "false", "WANDB_MODE": "offline"}

import wandb

from benchmarks.trackers.cell_run import CellRun
from benchmarks.trackers.tracker import RunFiles

SETTINGS = {
    "console": "off",
    "silent": True,
    "disable_git": True,
    "disable_code": True,
    "disable_job_creation": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}
"""Nothing but what is logged: no output, code, packages, machine or use of it."""


@contextmanager
def opened(place: Path, suite: str) -> Iterator["Wandb"]:
    """Give the store in a folder, for runs of a suite."""
    try:
        yield Wandb(place, suite)
    finally:
        wandb.teardown()


class Wandb(RunFiles):
    """A folder of offline runs, as ``wandb`` lays it out."""

    name = re.compile(r"wandb/offline-run-[0-9_]+-(?P<cell>\w+)-(?P<sha256>[0-9a-f]+)/\S+[.]wandb")

    def __init__(self, place: Path, suite: str) -> None:
        super().__init__(place)
        self._suite = suite

    def write(self, run: CellRun, folder: Path) -> None:
        """Write the offline file of a run, and nothing else that the library leaves."""
        moment = dt.datetime.fromtimestamp(run.ended, dt.UTC)
        own = f"offline-run-{moment:%Y%m%d_%H%M%S}-{run.cell_id}-{run.sha256}"
        target = folder / "wandb" / own / f"run-{run.cell_id}.wandb"
        target.parent.mkdir(parents=True)
        with tempfile.TemporaryDirectory(prefix=".wandb-", dir=folder) as scratch:
            self._log(run, scratch)
            (written,) = Path(scratch).glob(f"wandb/offline-run-*/run-{run.cell_id}.wandb")
            shutil.move(written, target)

    def _log(self, run: CellRun, folder: str) -> None:
        with wandb.init(
            project=self._suite,
            id=run.cell_id,
            name=run.cell_id,
            dir=folder,
            mode="offline",
            config={**run.parameters, **run.facts},
            settings=wandb.Settings(**SETTINGS),
        ) as log:
            for epoch, values in run.curves.items():
                log.log(dict(values), step=epoch)
            log.summary.update(dict(run.metrics))
            if run.failed:
                log.finish(exit_code=1)
