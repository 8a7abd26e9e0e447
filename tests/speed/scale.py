"""What sweeps of a hundred to a hundred thousand cells cost, but for their training.

``python -m tests.speed.scale FOLDER 100 1000 10000 100000`` makes a results folder of about each
size below FOLDER, by the real writers and with invented numbers, and prints what the verbs take of
one core, figures of the report included: seconds of the processor, peak of memory, bytes on the
disk.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.speed.test_scale import LAUNCHER, METHODS, NOISES, ROOT, plan_of, write

VERBS = {
    "plan": ("plan", "{}"),
    "status": ("status", "{}"),
    "derive the tables": ("run", "{}", "--no-report"),
    "report": ("report", "{}", "--force"),
}
"""The command lines that are measured, in their order."""

BYTES = {
    "plan": ("plan.json",),
    "parts": ("parts/*",),
    "tables": ("*.csv",),
    "report": ("report/**/*",),
}
"""The files of a results folder, by what they are."""


def used(*words: str) -> tuple[float, float]:
    """Run the command line on one core; return its seconds of the processor and peak of MB."""
    command = [sys.executable, str(ROOT / "run_all.py"), *words]
    launched = [sys.executable, "-c", LAUNCHER, *command]
    done = subprocess.run(launched, capture_output=True, text=True, cwd=ROOT, check=True)
    status, seconds, _, memory = json.loads(done.stdout)
    assert status == 0, done.stderr
    return seconds, memory


def main(place: Path, *sizes: int) -> None:
    """Make folders of about so many cells, and print a line for each verb and kind of file."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # a report then draws by itself
    for size in sizes:
        folder, seeds = place / str(size), max(2, round(size / len(METHODS) / len(NOISES)))
        planned = plan_of(folder, seeds)
        write(folder, planned)
        cells = len(planned.cells)
        for name, words in VERBS.items():
            seconds, memory = used(*(word.format(folder) for word in words))
            print(f"| {cells} | {name} | {seconds:.1f} s | {memory:.0f} MB |", flush=True)
        for name, patterns in BYTES.items():
            found = (path for pattern in patterns for path in folder.glob(pattern))
            files = [path for path in found if path.is_file()]
            mebibytes = sum(path.stat().st_size for path in files) / 2**20
            print(f"| {cells} | {name}, on disk | | {mebibytes:.1f} MiB |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
