"""Command lines of the suite, as a shell takes them: what a verb prints as the next step."""

import shlex
from collections.abc import Sequence
from pathlib import Path


def command_line(*words: object) -> str:
    """Return the command line of these words after the program's name, quoted for a shell.

    >>> command_line("relabel", "results/a", "--out", "labels-{seed}.npy")
    "python run_all.py relabel results/a --out 'labels-{seed}.npy'"
    >>> print(command_line("--noises", "labels(file='a.npy')"))
    python run_all.py --noises "labels(file='a.npy')"
    """
    return " ".join(["python run_all.py", *(quoted(str(word)) for word in words)])


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
