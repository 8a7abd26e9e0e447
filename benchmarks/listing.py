"""The list of everything that can be named, each with a whole sentence about it."""

import inspect
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from benchmarks import schema
from benchmarks.catalogue import passports
from benchmarks.embedding import BACKBONES
from benchmarks.profiles import PROFILES
from benchmarks.suites import FOLDER, names
from benchmarks.sweep import REGISTRIES, Suite
from methods import Method, Registry


def listing(kind: str | None) -> str:
    """Return the names of one kind, or of all, each with its defaults and a sentence about it.

    Args:
        kind: ``datasets``, ``noises``, ``methods``, ``models``, ``recipes``,
            ``backbones``, ``profiles``, ``metrics`` or ``suites``; None means all of these.
            ``passports`` tell what is certain of each of our methods.
    """
    if kind == "passports":
        return "\n".join(["passports:", *(f"  {name}: {p}." for name, p in passports().items())])
    registries = {**REGISTRIES, "backbone": BACKBONES, "profile": PROFILES}
    blocks = {f"{name}s": list(_entries(registry)) for name, registry in registries.items()}
    blocks["metrics"] = [f"{m.id}: {m.label}; {m.meaning}" for m in schema.METRICS.values()]
    blocks["suites"] = list(_suites())
    shown = [kind] if kind else list(blocks)
    return "\n\n".join("\n".join([f"{name}:", *(f"  {e}" for e in blocks[name])]) for name in shown)


def _entries(registry: Registry[Any]) -> Iterator[str]:
    for name, entry in registry.items():
        fields = [  # with their defaults, where they have any
            f"{field.key}={getattr(entry, field.name)!r}"
            if hasattr(entry, field.name)
            else f"{field.key}=…"
            for field in entry.fields()
        ]
        spec = f"{name}({', '.join(fields)})" if fields else name
        about = (inspect.getdoc(entry) or "").partition("\n\n")[0].replace("\n", " ")
        further = [getattr(entry, "family", "")]  # of a method
        if further[0] and (views := of_vectors(entry)):
            further.append(f"of feature vectors, {views}")
        yield f"{spec}: {about}" + (f" ({'; '.join(further)})" if further[0] else "")


def of_vectors(method: type[Method]) -> str:
    """Say which views a method has of a feature vector; nothing where it sees the vector itself.

    >>> from methods import METHODS
    >>> of_vectors(METHODS["gjs"]), of_vectors(METHODS["mixup"])
    ('views with noise', '')
    """
    if method.views == 1:
        return ""
    strong = ", strong ones with masked features" if method.strong_views else ""
    return f"views with noise{strong}"


def _suites() -> Iterator[str]:
    for name in names():
        cells = len(list(Suite.read(name).cells("float32")))
        lines = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines()
        about = takewhile(lambda line: line.startswith("#"), lines)
        yield f"{name}: {cells} cells; {_first_sentence(line.lstrip('# ') for line in about)}"


def _first_sentence(lines: Iterable[str]) -> str:
    """Return the first sentence of a text in lines, the whole text if it has no end.

    >>> _first_sentence(["How much, from 0.5", "to 1? See below."])
    'How much, from 0.5 to 1?'
    """
    return re.split(r"(?<=[.?!])\s+(?=[A-Z0-9])", " ".join(lines), maxsplit=1)[0]
