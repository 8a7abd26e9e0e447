"""The launchers, and what a user says of the cluster that two of them train on."""

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks.errors import RefusedError
from benchmarks.processes import Workers

if TYPE_CHECKING:
    import torch

LauncherName = Literal["local", "ray", "slurm"]

OWN_OPTIONS = {
    "address": ("ray",),
    "partition": ("slurm",),
    "time": ("slurm",),
    "gpus": ("local", "ray", "slurm"),
}
"""The launchers that read an option."""

SHORTEST = dt.timedelta(minutes=1)
"""The shortest time of a job that Slurm knows."""

JOBS = 64
"""The most jobs of Slurm where nothing is said."""

PACKS = 100_000
"""The most packs on Ray where nothing is said: it has its own idea of how many have room."""


@dataclass(frozen=True)
class Cluster:
    """Where packs are trained that are not trained by processes of this machine.

    Attributes:
        launcher: who sends them there.
        address: of a Ray cluster; None asks ``RAY_ADDRESS``, and else starts one here.
        partition: of Slurm; None takes its default.
        gpus: for each pack, of which several may share one, or for each job of Slurm.
        time: that each job of Slurm may take.
    """

    launcher: LauncherName = "local"
    address: str | None = None
    partition: str | None = None
    gpus: float | None = None
    time: dt.timedelta | None = None

    def check(self, budget: dt.timedelta | None) -> None:
        """Refuse what does not fit together.

        Args:
            budget: the time that a run may take.

        Raises:
            RefusedError: an option is given that the launcher does not read, or a value is wrong.
        """
        for option, launchers in OWN_OPTIONS.items():
            if getattr(self, option) is not None and self.launcher not in launchers:
                those = " or ".join(launchers)
                raise RefusedError(
                    f"--{option} is read by --launcher {those}, and this run has --launcher "
                    f"{self.launcher}; leave it out, or name the launcher"
                )
        if self.gpus is not None and self.gpus < 0:
            raise RefusedError(f"--gpus must be 0 or more, got {self.gpus:g}")
        if self.launcher == "local" and self.gpus is not None and not 0 < self.gpus <= 1:
            raise RefusedError(
                "--gpus must be a share of a GPU for each worker, above 0 and at most 1, got "
                f"{self.gpus:g}"
            )
        if self.launcher == "slurm" and self.gpus is not None and self.gpus % 1:
            raise RefusedError(f"--gpus must be a whole number with Slurm, got {self.gpus:g}")
        if self.gpus is not None and self.gpus > 1 and self.gpus % 1:
            raise RefusedError(f"--gpus must be a whole number or a share of 1, got {self.gpus:g}")
        if budget is not None and budget <= dt.timedelta(0):
            raise RefusedError("--budget must be above 0, such as 90m or 8h")
        if budget is not None and self.launcher == "slurm":
            raise RefusedError("--budget is of a run that stays; with Slurm, --time is of each job")
        if self.launcher == "slurm" and (self.time is None or self.time < SHORTEST):
            raise RefusedError(
                "--launcher slurm needs --time, which each of its jobs may take: a minute or more, "
                "such as 30m or 8h"
            )

    @property
    def elsewhere(self) -> bool:
        """Whether the machines that train may have other devices than this one."""
        return self.launcher != "local"

    def most(self) -> Workers | None:
        """Return how many packs, or jobs, are on a cluster where nothing is said."""
        if self.launcher == "ray":
            return Workers(PACKS, "as many as Ray has room for")
        if self.launcher == "slurm":
            return Workers(JOBS, "as many as Slurm has room for")
        return None

    @property
    def seconds(self) -> float:
        """The seconds that a job of Slurm may take."""
        return math.inf if self.time is None else self.time.total_seconds()

    @property
    def slots(self) -> int:
        """How many packs share a GPU.

        >>> [Cluster(gpus=share).slots for share in (None, 2, 0.5, 0.3, 0.1)]
        [1, 1, 2, 3, 10]
        """
        return max(1, math.floor(1 / (self.gpus or 1) + 1e-9))

    def gpus_for(self, device: "torch.device") -> float:
        """Return how many GPUs a pack, or a job, is given."""
        if device.type != "cuda":
            return 0.0
        return 1.0 if self.gpus is None else self.gpus

    @property
    def wait(self) -> str:
        """What has become of cells that this run has not tried: a clause about them."""
        if self.launcher == "slurm":
            return "wait for Slurm, which runs this command again when its jobs have ended"
        return "were not tried before --budget was spent"


LOCAL = Cluster()
"""Processes of this machine."""
