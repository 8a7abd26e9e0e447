"""The file ``plan.json`` of a results folder: read here, written by ``benchmarks.planning``."""

import json
from pathlib import Path
from typing import Any

from benchmarks import schema
from benchmarks.errors import RefusedError


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what ``plan.json`` of a results folder says.

    Raises:
        RefusedError: it is absent, damaged, or of another version.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise RefusedError(f"{folder} is not a results folder: it has no plan.json")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = found["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{path} is damaged: {error}") from error
    if version != schema.SCHEMA_VERSION:
        raise RefusedError(
            f"{folder} was written by results version {version}, this is {schema.SCHEMA_VERSION}; "
            f"use another --out, or the version that wrote it"
        )
    return found
