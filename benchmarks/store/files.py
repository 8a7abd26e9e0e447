"""A results folder as files: its lock, and what killed runs leave behind."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from benchmarks.errors import RefusedError, count
from benchmarks.outputs import WritingError, make_folder, refuse_no_place, writing

LOCK = ".lock"
"""The name of the lock, a file that stays: it is held while a process has it locked."""

STALE_SECONDS = 60
"""A temporary file that is older belongs to a run that was killed."""

PLACES = ("", "parts", "collected", "checkpoints", "running", "slurm")
"""The folders of a results folder, and itself, in which files are written."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold its lock, which the system frees if this process dies.

    What runs that were killed have left unfinished is removed.

    Raises:
        RefusedError: another run holds the lock.
        WritingError: the folder cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    make_folder(folder)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise RefusedError(f"another run is writing to {folder}; wait for it or stop it") from error
    except OSError as error:
        raise WritingError.at(folder, error) from error
    try:
        _remove_stale_files(folder)
        yield
    finally:
        lock.release()


def _remove_stale_files(folder: Path) -> None:
    """Remove the temporary files of runs that were killed.

    Their age is told by the clock that stamps the files, which on a shared disk is another
    machine's.
    """
    with writing(folder / LOCK):
        (folder / LOCK).touch()
        now = (folder / LOCK).stat().st_mtime
    for path in stale_files(folder, now):
        with writing(path):
            path.unlink(missing_ok=True)


def stale_files(folder: Path, now: float) -> Iterator[Path]:
    """Yield the temporary files of runs that were killed.

    A file from the future is of a time when the clock that stamps it was wrong.

    Args:
        folder: a results folder.
        now: the time, in seconds since 1970, UTC.
    """
    for path in (path for place in PLACES for path in (folder / place).glob(".*.tmp")):
        with contextlib.suppress(FileNotFoundError):
            if abs(now - path.stat().st_mtime) > STALE_SECONDS:
                yield path


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds files and was not made by a run.

    What a run that was killed early leaves is its own: its lock, unfinished files, trials.

    Raises:
        RefusedError: the folder holds something else and no plan.
        WritingError: it cannot be made.
    """
    refuse_no_place(folder)
    if not folder.exists() or (folder / "plan.json").exists():
        return
    foreign = sorted(path.name for path in folder.iterdir() if not _is_ours(path))
    if foreign:
        raise RefusedError(
            f"{folder} is no results folder: it has no plan.json, and "
            f"{count(len(foreign), 'other file')}, such as {foreign[0]!r}; use another --out"
        )


def _is_ours(path: Path) -> bool:
    if path.name == "tuning" and path.is_dir():
        return (path / "plan.json").exists() or all(map(_is_ours, path.iterdir()))
    return path.name == LOCK or (path.name.startswith(".") and path.name.endswith(".tmp"))
