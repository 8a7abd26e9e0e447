"""Stop a process at files that are none of its business.

Every program of Python that a test starts loads this file by itself, so it imports nothing else of
ours: `tests/world.py` says what may be read and written.
"""
# Paths are texts here, since every file that is opened is looked at:
# ruff: noqa: PTH100, PTH115, PTH117, PTH118, PTH120, PTH123

import json
import os
import sys
import sysconfig
from pathlib import Path

FOREIGN, READ, WRITE = 0, 1, 2
"""What may be done in a folder; what is said of the closest folder above a path holds for it."""

RULES, NOTES = "TESTS_GUARD_RULES", "TESTS_GUARD_NOTES"
"""Environment variables: the file of the rules, and where a program notes what it broke."""

LOOKS = {"os.listdir", "os.scandir"}
CHANGES = {
    **{name: {0: 1} for name in ("os.remove", "os.rmdir", "shutil.rmtree")},
    **{name: {0: 2} for name in ("os.mkdir", "os.chmod")},
    **{name: {0: 3} for name in ("os.chown", "os.utime")},
    **{name: {0: 2, 1: 3} for name in ("os.rename", "os.link")},
    **{name: {0: None} for name in ("os.truncate", "os.setxattr")},
    "os.symlink": {1: 2},
}
"""Which arguments of an audit event are paths that change, and the open folders they start from."""


class ForeignFileError(RuntimeError):
    """Raised where a test opens a file that is none of its business; no OSError, so it gets far."""


class Guard:
    """The rules of a process and what it did against them."""

    def __init__(self) -> None:
        self.rules: dict[str, int] = {}
        self.active = False
        self.broken: list[str] = []
        self.notes: str | None = None

    def install(self) -> None:
        """Watch this process to its end; hooks of this kind cannot be taken away."""
        sys.addaudithook(self._hook)

    def follow(self, rules: dict[str, int]) -> None:
        """Take rules, but read the running Python and what it imports wherever they lie."""
        self.rules = rules
        folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
        folders |= {path for path in sys.path if os.path.isabs(path)}
        for path in both_names(dict.fromkeys(folders, READ)):
            if self.allowed(path) == FOREIGN:
                self.rules[path] = READ

    def allowed(self, path: str) -> int:
        """Return what may be done with an absolute path."""
        if "__pycache__" in path:
            return WRITE
        while path not in self.rules:
            above = os.path.dirname(path)
            if above == path:
                return READ
            path = above
        return self.rules[path]

    def _hook(self, event: str, args: tuple[object, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            writes = bool(int(args[2]) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
            if writes or args[1] is not None or os.path.isabs(_text(args[0])):
                self._check(_text(args[0]), WRITE if writes else READ)
            # else os.open, which does not say from which folder it starts, as it does in rmtree
        elif event in LOOKS:
            self._check("." if args[0] is None else _text(args[0]), READ)
        elif event in CHANGES:
            for place, start in CHANGES[event].items():
                self._check(_from(args[start] if start else -1, _text(args[place])), WRITE)

    def _check(self, path: str, wanted: int) -> None:
        if not path or "\0" in path:  # an open file, or nonsense
            return
        whole = os.path.abspath(path)
        if self.allowed(whole) >= wanted:
            return
        word = "writes" if wanted == WRITE else "reads"
        sentence = f"a test {word} {whole}, which is not its own: use tmp_path"
        self.broken.append(sentence)
        if self.notes:
            with open(self.notes, "a", encoding="utf-8") as file:
                file.write(f"{sentence}\n")
        raise ForeignFileError(sentence)


def _text(path: object) -> str:
    """Return a path as a text; an empty one of the number of an open file."""
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def _from(folder: object, path: str) -> str:
    """Return a path that starts from an open folder, or an empty one where nobody knows it."""
    if folder in {-1, None} or not path or os.path.isabs(path):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    except OSError:
        return ""


def both_names(rules: dict[str, int]) -> dict[str, int]:
    """Return the rules for these folders as they are called and where their links lead."""
    real = {os.path.realpath(path): rule for path, rule in rules.items()}
    return {**real, **{os.path.abspath(path): rule for path, rule in rules.items()}}


def guard_this_program() -> None:
    """Obey the rules of the test that has started this program."""
    if path := os.environ.get(RULES):
        guard = Guard()
        guard.follow(json.loads(Path(path).read_text(encoding="utf-8")))
        guard.notes = os.environ.get(NOTES)
        guard.active = True
        guard.install()
