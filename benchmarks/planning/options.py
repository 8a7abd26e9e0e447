"""How a user wants cells to be trained."""

from typing import NamedTuple

import torch

FLAGS = ("graph", "branches", "deterministic")
"""Options of the command line that change the last bits: a folder has them from start to end."""


class TrainingOptions(NamedTuple):
    """What is asked for on the command line, and decides the last bits of all numbers."""

    device: torch.device
    pack: int | None = None  # how many together; None: as the folder has it, or as is fastest
    flags: tuple[str, ...] = ()  # of FLAGS, which a folder gets at its first start
