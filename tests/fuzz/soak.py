"""Fuzz every reader for a while: ``python -m tests.fuzz.soak [MUTANTS [READER ...]]``.

What became of the mutants goes to ``results/reference/fuzz.md``, to be committed, after a run of
all readers. Their files lie in a temporary folder, and nothing else is written meanwhile:
``tests/guard.py`` watches.
"""

import platform
import sys
import tempfile
import time
import warnings
from multiprocessing import Pool
from pathlib import Path

from tests.fuzz.harness import MEMORY, SECONDS, FuzzError, Tally, fuzz
from tests.fuzz.readers import READERS
from tests.guard import READ, WRITE, Guard, both_names

ROOT = Path(__file__).parents[2]
LOG = ROOT / "results" / "reference" / "fuzz.md"
MUTANTS = 100_000
AT_ONCE = 500
GUARD = Guard()
HEAD = """# Damage to everything that is read

`make soak` (`python -m tests.fuzz.soak`), Python {python}, {date}: {mutants:,} mutants of
{readers} valid files in {minutes:.0f} CPU minutes. Each is accepted, or refused in one line of
bounded length (of parts and measured rates: left out with such a line): no other error, none slower
than {seconds:g} s, none that takes {memory} MiB more memory, none that touches a file outside its
folder. In a sealed mutant the container is whole, its checksums are right, and what it holds is
changed field by field; the others are changed byte by byte. A decoder is a function that sees the
file: the count says how many mutants got as far.

| reader | mutants | sealed | accepted | refused | reached, decoder by decoder |
| --- | ---: | ---: | ---: | ---: | --- |
"""


def main(count=MUTANTS, *names):
    chosen = names or tuple(READERS)
    each = -(-int(count) // len(chosen))
    tallies, faults, seconds = {name: Tally() for name in chosen}, [], 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Pool(initializer=_guarded, initargs=[folder]) as pool,
    ):
        work = [
            (name, range(first, min(first + AT_ONCE, each)), f"{folder}/{name}-{first}")
            for first in range(0, each, AT_ONCE)
            for name in chosen
        ]
        for name, tally, fault, took in pool.imap_unordered(_fuzzed, work):
            tallies[name] += tally
            seconds += took
            if fault:
                faults.append(fault)
                print(fault, flush=True)
    lines = [_line(name, tally) for name, tally in tallies.items()]
    print("\n".join(lines))
    if not names and not faults:
        head = HEAD.format(
            python=platform.python_version(),
            date=time.strftime("%Y-%m-%d"),
            mutants=each * len(chosen),
            readers=len(chosen),
            minutes=seconds / 60,
            seconds=SECONDS,
            memory=MEMORY // 2**20,
        )
        LOG.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return f"{len(faults)} faults" if faults else 0


def _guarded(folder):
    """Let a process write to the folder and nowhere else, and let no warning pass."""
    warnings.simplefilter("error")
    GUARD.follow(both_names({"/": READ, folder: WRITE}) | {"/dev": WRITE, "/proc": WRITE})
    GUARD.install()


def _fuzzed(work):
    """Return the tally of some mutants, the first fault if there is one, and the seconds."""
    name, numbers, folder = work
    begin, tally, fault = time.process_time(), Tally(), ""
    GUARD.active = True
    try:
        tally = fuzz(name, numbers, Path(folder))
    except FuzzError as error:
        fault = str(error)
    GUARD.active = False
    return (
        name,
        tally,
        " ".join([*filter(None, [fault]), *GUARD.broken]),
        time.process_time() - begin,
    )


def _line(name, tally):
    decoders = [key for key in tally if "." in key]
    decoders.sort(key=lambda key: -tally[key])
    reached = ", ".join(f"`{key.rpartition('.')[2]}` {tally[key]:,}" for key in decoders)
    counts = [f"{tally.get(key, 0):,}" for key in ("mutants", "sealed", "accepted", "refused")]
    return f"| {name} | {' | '.join(counts)} | {reached} |"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
