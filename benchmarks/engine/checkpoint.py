"""The state of a pack in training, kept in a file, so that a kill loses minutes and no bytes.

A checkpoint holds all that an epoch leaves for the next one: weights, running statistics, averages,
what the optimiser remembers, the method's state, and the metrics so far. What is random needs no
place in it: every epoch draws from streams of its own name (:mod:`benchmarks.seeds`). The file is
an uncompressed ``.npz`` archive of plain arrays; its member ``meta`` is a JSON text.
"""

import contextlib
import hashlib
import io
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor

from benchmarks.engine.loop import SETS, Epoch, Resumed, Team
from benchmarks.engine.one_by_one import under
from benchmarks.engine.selection import History, LabelWave, SelectedEpoch
from benchmarks.inputs import DAMAGES, TEXT_BYTES, InputError, arrays_of, read_arrays
from benchmarks.outputs import WritingError, make_folder, write_atomically

FOLDER = "checkpoints"
"""The folder of a results folder that holds them, a file for each pack in training."""

NAME = re.compile("[0-9a-f]{16}[.]npz")
"""The names of checkpoints."""

VERSION = 2
"""Of the file; another one is not resumed from."""

TENSORS = ("loss_last", "loss_mean", "loss_sum", "margin_mean", "margin_sum", "predicted", "called")
"""The tensors of a history: sums that grow with its epochs, and predicted classes."""


class Waiting(msgspec.Struct, frozen=True):
    """An epoch whose metrics are not computed yet; its logits are arrays."""

    number: int
    final_stage: bool
    lr: float
    loss: float
    evaluated: bool
    finite: bool
    train_seconds: float
    eval_seconds: float


class Chosen(msgspec.Struct, frozen=True):
    """The best epoch so far of a selection; its logits are arrays."""

    score: float
    row: int


class Past(msgspec.Struct, frozen=True):
    """What is known of a cell's epochs so far, without arrays."""

    reason: str
    final: list[int]
    scored: int
    wave: LabelWave
    train_seconds: float
    eval_seconds: float
    waiting_logits: int
    chosen: dict[str, Chosen]
    waiting: list[Waiting]


class Meta(msgspec.Struct, frozen=True):
    """What a checkpoint is of."""

    version: int
    cells: tuple[str, ...]  # ids, in the order of the pack
    width: int
    flags: tuple[str, ...]
    epochs: int = 0  # that are over
    past: tuple[Past, ...] = ()  # of each cell
    places: tuple[str, ...] = ()  # the environments in which these epochs were trained, in words


class Checkpoint:
    """The file of one pack, written at most once in so many seconds.

    Args:
        kept: where and how often it is kept.
        cells: ids, in the order of the pack.
        width: that the pack is padded to.
        flags: of its driver.
    """

    def __init__(
        self, kept: "Checkpoints", cells: Sequence[str], width: int, flags: Sequence[str]
    ) -> None:
        self._path, self._seconds = path_of(kept.folder, cells), kept.seconds
        self._of, self._place = Meta(VERSION, tuple(cells), width, tuple(flags)), kept.place
        self._saved = time.monotonic()

    def resume(self, histories: Sequence[History], device: torch.device) -> Resumed | None:
        """Give histories their past, and return from where training goes on.

        A file that is damaged, or of another version, is none: its pack begins anew.
        """
        if not self._path.exists():
            return None
        try:
            arrays = read_arrays(self._path)
            meta = msgspec.json.decode(arrays.pop("meta").tobytes(), type=Meta)
            later = {"epochs": meta.epochs, "past": meta.past, "places": meta.places}
            if msgspec.structs.replace(self._of, **later) != meta:
                return None
            tensors = {name: torch.from_numpy(own).to(device) for name, own in arrays.items()}
            pasts = [
                _remembered(past, history, under(f"history{place}.", tensors))
                for place, (past, history) in enumerate(zip(meta.past, histories, strict=True))
            ]
        except (*DAMAGES, InputError, msgspec.MsgspecError):
            return None
        for history, past in zip(histories, pasts, strict=True):
            for name, value in past.items():
                setattr(history, name, value)
        self._of = msgspec.structs.replace(self._of, places=meta.places)
        return Resumed(meta.epochs, under("team.", tensors))

    def earlier(self) -> tuple[str, ...]:
        """Return the environments but this one that epochs before a resumption were trained in."""
        return tuple(place for place in self._of.places if place != self._place)

    def offer(self, team: Team[Any], histories: Sequence[History], epochs: int) -> None:
        """Write the file, if it is time to; where the disk is full, training goes on without.

        Nothing is written after the last epoch.
        """
        cell = team.cells[0]
        over = epochs == sum(stage.epochs for stage in cell.method.stages(cell.recipe.epochs))
        if over or time.monotonic() - self._saved < self._seconds:
            return
        past, arrays = list[Past](), {f"team.{name}": own for name, own in team.tensors().items()}
        for place, history in enumerate(histories):
            past.append(_past(history))
            arrays |= {f"history{place}.{name}": own for name, own in _arrays_of(history).items()}
        places = (*self.earlier(), self._place) if self._place else self._of.places
        meta = msgspec.structs.replace(self._of, epochs=epochs, past=tuple(past), places=places)
        members = {name: own.detach().cpu().numpy() for name, own in arrays.items()}
        members["meta"] = np.frombuffer(msgspec.json.encode(meta), np.uint8)
        block = io.BytesIO()
        np.savez(block, allow_pickle=False, **members)
        with contextlib.suppress(WritingError):
            make_folder(self._path.parent)
            write_atomically(self._path, block.getvalue())
        self._saved = time.monotonic()


class Checkpoints(NamedTuple):
    """Where the packs of a run keep their state, and how often."""

    folder: Path  # of the results
    seconds: float
    place: str = ""  # the environment of this process, in words

    def of(self, cells: Sequence[str], width: int, flags: Sequence[str]) -> Checkpoint:
        """Return the checkpoint of a pack."""
        return Checkpoint(self, cells, width, flags)


def path_of(folder: Path, cells: Sequence[str]) -> Path:
    """Return the file of a pack of a results folder."""
    name = hashlib.sha256(" ".join(cells).encode()).hexdigest()[:16]
    return folder / FOLDER / f"{name}.npz"


def remove(folder: Path, cells: Sequence[str]) -> bool:
    """Remove the file of a pack, and those of its cells by themselves; return whether one was."""
    paths = [path_of(folder, ids) for ids in (cells, *([cell] for cell in cells))]
    found = [path for path in paths if path.exists()]
    for path in found:
        path.unlink(missing_ok=True)
    return bool(found)


class Begun(NamedTuple):
    """A pack that a checkpoint is of."""

    cells: tuple[str, ...]
    width: int


def begun(folder: Path) -> dict[Path, Begun | None]:
    """Return the packs that have a checkpoint by file, None where it cannot be read.

    What is no regular file, or has another name than ours, is somebody else's and left out.
    """
    found: dict[Path, Begun | None] = {}
    for path in sorted((folder / FOLDER).glob("*.npz")):
        if not NAME.fullmatch(path.name) or not path.is_file():  # opening a pipe waits
            continue
        found[path] = None
        with contextlib.suppress(*DAMAGES, InputError, msgspec.MsgspecError):
            with zipfile.ZipFile(path) as archive:
                if (
                    archive.getinfo("meta.npy").file_size > TEXT_BYTES
                ):  # that it claims to unpack to
                    continue
                text = arrays_of(archive.read("meta.npy"), path)[""].tobytes()
            meta = msgspec.json.decode(text, type=Meta)
            if meta.version == VERSION:
                found[path] = Begun(meta.cells, meta.width)
    return found


def _past(history: History) -> Past:
    """Return what is written of a history as text."""
    waiting = [
        Waiting(**{name: getattr(epoch, name) for name in Waiting.__struct_fields__})
        for epoch in history.waiting
    ]
    chosen = {name: Chosen(each.score, each.row) for name, each in history.chosen.items()}
    own = {name: getattr(history, name) for name in Past.__struct_fields__}
    return Past(**{**own, "chosen": chosen, "waiting": waiting})


def _arrays_of(history: History) -> dict[str, Tensor]:
    """Return what is written of a history as arrays."""
    arrays = {name: getattr(history, name) for name in TENSORS}
    arrays["rows"] = torch.tensor(history.rows, dtype=torch.float64)
    for name, each in history.chosen.items():
        arrays |= {f"{name}.test": each.test, f"{name}.val": each.val}
    for epoch in history.waiting:
        arrays |= {f"{epoch.number}.{name}": getattr(epoch, name) for name in SETS}
    return arrays


def _remembered(past: Past, history: History, arrays: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the fields of a history as they were.

    Raises:
        KeyError: an array is missing.
    """
    chosen = {
        name: SelectedEpoch(each.score, each.row, arrays[f"{name}.test"], arrays[f"{name}.val"])
        for name, each in past.chosen.items()
    }
    waiting = [
        Epoch(
            **msgspec.structs.asdict(each),
            train=arrays[f"{each.number}.train"],
            val=arrays[f"{each.number}.val"],
            test=arrays[f"{each.number}.test"],
            state=history.state,  # of the last epoch alone, which is still to come
        )
        for each in past.waiting
    ]
    own = {name: getattr(past, name) for name in Past.__struct_fields__}
    sums = {name: arrays[name] for name in TENSORS}
    rows: list[list[float]] = arrays["rows"].tolist()
    return {**own, **sums, "rows": rows, "chosen": chosen, "waiting": waiting}
