"""The suites that ship with the project: one TOML file each."""

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the shipped suites."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def is_file(name: str) -> bool:
    """Tell whether a name is that of a suite's file, not of one that ships with the project."""
    return name.lower().endswith(".toml")
