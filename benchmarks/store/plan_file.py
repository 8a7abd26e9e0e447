"""The file ``plan.json`` of a results folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import schema
from benchmarks.errors import RefusedError
from benchmarks.outputs import write_atomically


def read_plan(folder: Path) -> dict[str, Any]:
    """Return the content of ``plan.json`` of a results folder.

    Raises:
        RefusedError: the file is absent, damaged, or of a version that cannot be read.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise RefusedError(f"{folder} is not a results folder: it has no plan.json")
    try:
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = plan["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{path} is damaged: {error}") from error
    if version not in schema.READABLE_VERSIONS:
        raise RefusedError(
            f"{folder} was written by results version {version}, this is {schema.SCHEMA_VERSION}; "
            f"use another --out, or the version that wrote it"
        )
    return plan


def read_current_plan(folder: Path) -> dict[str, Any]:
    """Return the content of ``plan.json`` of a folder that is to be continued.

    Raises:
        RefusedError: it cannot be read, or is of an earlier version, whose cells have other ids.
    """
    plan = read_plan(folder)
    if (version := plan["schema"]) != schema.SCHEMA_VERSION:
        raise RefusedError(
            f"{folder} holds results of version {version}, which are shown and compared but not "
            f"added to, as version {schema.SCHEMA_VERSION} names cells otherwise; run "
            "into another folder, or use the version that wrote it"
        )
    return plan


def write_plan(folder: Path, plan: Mapping[str, Any]) -> None:
    """Write ``plan.json`` with this content and the version of the results, unless it is there."""
    stamped = {"schema": schema.SCHEMA_VERSION, **plan}
    data = (json.dumps(stamped, indent=1, sort_keys=True) + "\n").encode()
    path = folder / "plan.json"
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data)
