"""Command lines of the suite, as a shell takes them: what a verb prints as the next step."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

CLONED, INSTALLED = "run_all.py", "noisy-label-bench"
MODULE = "python -m benchmarks"


def program_name() -> str:
    """Return the name under which this program was called, as its help and its errors show it.

    It is ``run_all.py`` in a clone, ``noisy-label-bench`` where it was installed, and
    ``python -m benchmarks`` in either.
    """
    called = Path(sys.argv[0] if sys.argv else "")
    if called.stem == INSTALLED:  # on Windows it ends in .exe
        return INSTALLED
    return MODULE if called.name == "__main__.py" and called.parent.name == "benchmarks" else CLONED


def command_line(*words: object) -> str:
    """Return the command line of these words after the program's name, quoted for a shell.

    >>> command_line("relabel", "results/a", "--out", "labels-{seed}.npy")
    "python run_all.py relabel results/a --out 'labels-{seed}.npy'"
    >>> print(command_line("--noises", "labels(file='a.npy')"))
    python run_all.py --noises "labels(file='a.npy')"
    """
    return " ".join([_called(), *(quoted(str(word)) for word in words)])


def _called() -> str:
    """Return what starts this program from here, as the user has typed it."""
    if (name := program_name()) != CLONED:
        return name
    script = sys.argv[0] if sys.argv else ""
    return f"python {quoted(script if script.endswith(CLONED) else CLONED)}"


def quoted(word: str) -> str:
    """Return a word as a shell takes it, in the quotes that leave it most readable."""
    if "'" in word and not set(word) & set('"$`\\!\n'):
        return f'"{word}"'
    return shlex.quote(word)


def repeated_options(data: Path | None, plugins: Sequence[Path]) -> tuple[str, ...]:
    """Return the options that a next command needs as this one did: images and plugins."""
    words = ["--data", str(data)] if data else []
    for path in plugins:
        words += ["--plugin", str(path)]
    return tuple(words)
