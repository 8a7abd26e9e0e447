"""Every change of a folder, with a fault at each of its steps, and what then becomes of it.

Run as ``python -m tests.chaos.commits FOLDER``, an empty one; prints a line of JSON for each fault.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.errors import RefusedError
from benchmarks.outputs import replaced_files
from benchmarks.schema import TABLES
from benchmarks.store import Parts, derive, write_collected, write_part
from benchmarks.store.dropping import drop
from benchmarks.store.files import locked
from benchmarks.store.merging import merge
from tests.chaos.steps import Steps
from tests.store.test_store import collected, plan, record


def older_plan(folder):
    plan(folder, "1")


def newer_plan(folder):
    with locked(folder):
        plan(folder, "1", "2", seeds=(0, 1))


def measured_part(folder):
    plan(folder, "1")
    write_collected(write_part(folder, [record("1")]), [collected(record("1"))])


def trained_again(folder):
    with locked(folder):
        write_part(folder, [record("1", "failed")])


def measured_again(folder):
    with locked(folder):
        write_collected(next((folder / "parts").glob("*.npz")), [collected(record("1"))])


def trained_part(folder):
    plan(folder, "1")
    write_part(folder, [record("1")])


def older_tables(folder):
    plan(folder, "1", "2", seeds=(0, 1))
    write_part(folder, [record("1")])
    derive(folder, Parts(folder))
    write_part(folder, [record("2", seed=1)])


def newer_tables(folder):
    with locked(folder):
        derive(folder, Parts(folder))


def damaged_part(folder):
    plan(folder, "1", "2", seeds=(0, 1))
    write_part(folder, [record("1")]).write_bytes(b"damaged")


def put_aside(folder):
    with locked(folder):
        Parts(folder).put_aside()


def three_cells(folder):
    plan(folder, "1", "2", "3", seeds=(1, 2, 3))
    pack = [record("1", seed=1), record("2", seed=2)]
    write_collected(write_part(folder, pack), [collected(one) for one in pack])
    write_part(folder, [record("3", seed=3)])
    derive(folder, Parts(folder))


def two_dropped(folder):
    drop(folder, {"seed": [2, 3]})


def two_folders(folder):
    for number in (1, 2):
        (folder / f"{number}").mkdir()
        plan(folder / f"{number}", f"{number}", seeds=(number,))
        write_part(folder / f"{number}", [record(f"{number}", seed=number)])


def brought_together(folder):
    merge([folder / "1", folder / "2"], folder / "both")


def older_files(folder):
    _put(folder, {"table.csv": "old", "gone.png": "old", "figures/one.png": "old"})


def newer_files(folder):
    _put(folder, {"table.csv": "new", "figures/one.png": "new", "figures/two.png": "new"})


def _put(folder, files):
    with replaced_files(folder, "audit") as new:
        for name, text in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(text)


COMMITS = {
    "plan": (older_plan, newer_plan),
    "part": (measured_part, trained_again),
    "recomputed numbers": (trained_part, measured_again),
    "tables": (older_tables, newer_tables),
    "damaged part put aside": (damaged_part, put_aside),
    "cells dropped": (three_cells, two_dropped),
    "folders merged": (two_folders, brought_together),
    "files of a verb": (older_files, newer_files),
}
"""What prepares a folder, and what is then done in it."""


def contents(folder):
    """Return the bytes of every file that is no hidden one, by its path."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    shown = {name: path for name, path in files.items() if "/." not in f"/{name}"}
    return {name: path.read_bytes() for name, path in shown.items() if path.is_file()}


def unfinished(folder):
    """Return the names of unfinished files in a folder."""
    return [p.name for p in folder.rglob(".*") if p.suffix == ".tmp" or "-new-" in p.name]


def in_a_fork(work):
    """Do some work in a process group of its own, and return its exit code and last words."""
    out, end = os.pipe()
    if (process := os.fork()) == 0:
        os.setsid()
        said, code = "", 1
        try:
            work()
            code = 0
        except BaseException as error:  # noqa: BLE001  told to the parent
            said = f"{type(error).__name__} {error}"
        finally:
            os.write(end, said.encode())
            os._exit(code)
    os.close(end)
    with open(out, encoding="utf-8") as pipe:  # noqa: PTH123  a pipe
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said


def tried(name, folder):
    """Yield what becomes of one change with each fault."""
    prepare, change = COMMITS[name]
    base, whole, log = folder / "base", folder / "whole", folder / "log"
    base.mkdir(parents=True)
    prepare(base)
    shutil.copytree(base, whole)
    in_a_fork(lambda: (Steps(whole, log).install(), change(whole)))
    states, steps = (contents(base), contents(whole)), log.read_text().splitlines()
    for deed in ("full", "kill"):
        for at, step in enumerate(steps):
            if name == "tables" or not any(table in step for table in TABLES):
                here = folder / f"{deed}{at}"
                shutil.copytree(base, here)
                log.unlink()
                code, said = in_a_fork(
                    lambda: (Steps(here, log, at, deed).install(), change(here))  # noqa: B023
                )
                about = {"change": name, "deed": deed, "step": step, "code": code}
                yield (
                    about | {"said": said.replace(f"{here}", "HERE")} | healed(here, change, states)
                )
                shutil.rmtree(here)


def healed(folder, change, states):
    """Say how a fault has left a folder, and how it is when the change was made again, later."""
    now, left, (before, after) = contents(folder), unfinished(folder), states
    odd = [n for n in before | after | now if now.get(n) not in (before.get(n), after.get(n))]
    for path in folder.rglob(".*"):
        os.utime(path, (0, 0))
    try:
        change(folder)
    except RefusedError as error:
        if now != after:  # of what is dropped, nothing is left to drop
            return {"odd": [str(error)]}
    same = contents(folder) == after
    return {"odd": odd, "left": left, "healed": same, "remains": unfinished(folder)}


if __name__ == "__main__":
    for name in COMMITS:
        for line in tried(name, Path(sys.argv[1]) / name):
            print(json.dumps(line))
