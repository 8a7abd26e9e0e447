"""A results folder as files: its lock, and what killed runs leave behind."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from benchmarks.errors import RefusedError

STALE_SECONDS = 60
"""A temporary file that is older belongs to a run that was killed."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold its lock, which the system frees if this process dies.

    Raises:
        RefusedError: another run holds the lock, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise RefusedError(f"another run is writing to {folder}; wait for it or stop it") from error
    except OSError as error:
        raise RefusedError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def remove_stale_files(folder: Path) -> None:
    """Remove the temporary files of runs that were killed."""
    places = (folder, folder / "parts", folder / "collected")
    for path in (path for place in places for path in place.glob(".*.tmp")):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
