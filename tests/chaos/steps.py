"""The steps by which a command changes a results folder, and a fault at one of them.

A step is a file created, written to, brought to the disk, renamed or removed, or a folder made,
removed or brought to the disk. Steps are counted over a process and all that are forked from it, so
that a number is a moment of a whole run.
"""
# Paths are texts here, since every call of the system is looked at:
# ruff: noqa: PTH100, PTH112, PTH115

import errno
import functools
import multiprocessing
import os
import signal
from pathlib import Path

CHANGES = {"unlink": 0, "remove": 0, "mkdir": 0, "rmdir": 0, "replace": 1, "rename": 1}
"""Functions of ``os`` that change a folder, and which of their arguments is the path."""


class Steps:
    """The steps of this process and of those that it forks, from now on.

    Args:
        folder: changes elsewhere are no steps.
        log: the file to which the name of each step is appended.
        at: the number of the step at which the fault happens, from 0; None: at none.
        deed: of what would be written, half is written; then ``kill`` ends the process group, and
            ``full`` refuses the step as a full disk does.
    """

    def __init__(self, folder, log, at=None, deed="kill"):
        self._folder, self._at, self._deed = f"{folder}{os.sep}", at, deed
        self._count = multiprocessing.get_context("fork").Value("q", 0)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._fsync, self._open, self._open_number = os.fsync, Path.open, os.open

    def install(self):
        """Count."""
        for name, place in CHANGES.items():
            setattr(os, name, self._after_step(name, getattr(os, name), place))
        os.fsync, os.open = self._sync, self._open_to_lock
        Path.open = functools.partialmethod(_opened, self)

    def take(self, name, path, write_half=None):
        """Count a step in the folder, and do the deed if it is the one."""
        inside = os.path.abspath(os.fspath(path))
        if not inside.startswith(self._folder):
            return
        with self._count.get_lock():
            number, self._count.value = self._count.value, self._count.value + 1
            os.write(self._log, f"{name} {inside.removeprefix(self._folder)}\n".encode())
        if number == self._at:
            if write_half:
                write_half()
            if self._deed == "kill":
                os.killpg(0, signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _after_step(self, name, honest, place):
        def call(*args, **options):
            if options.get("dir_fd") is None:
                self.take(name, args[place])
            return honest(*args, **options)

        return call

    def _sync(self, number):
        path = os.readlink(f"/proc/self/fd/{number}")
        self.take("fsync", f"{path}/x" if os.path.isdir(path) else path)
        self._fsync(number)

    def _open_to_lock(self, path, flags, *args, **options):
        if flags & os.O_CREAT:
            self.take("create", path)
        return self._open_number(path, flags, *args, **options)

    def open_to_write(self, path, mode="r", *args, **options):
        if not set(mode) & set("wax+"):
            return self._open(path, mode, *args, **options)
        self.take("create", path)
        return _File(self._open(path, mode, *args, **options), path, self)


def _opened(path, steps, *args, **options):
    return steps.open_to_write(path, *args, **options)


class _File:
    """A file whose writes are steps."""

    def __init__(self, file, path, steps):
        self._file, self._path, self._steps = file, path, steps

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        def write_half():
            self._file.write(data[: len(data) // 2])
            self._file.flush()

        self._steps.take("write", self._path, write_half)
        return self._file.write(data)

    def writelines(self, pieces):
        self.write(b"".join(pieces))

    def flush(self):
        self._file.flush()

    def fileno(self):
        return self._file.fileno()
