"""What happens to mutants: counted, bounded in time and memory, and refused in one line."""

import contextlib
import importlib
import io
import resource
import signal
from collections import Counter
from random import Random

from benchmarks.errors import RefusedError
from tests.fuzz import damage
from tests.fuzz.readers import READERS

SEALED = 0.7
"""The share of mutants whose container is whole: others die where its checksum is compared."""
SECONDS = 5.0
MEMORY = 2**30
LONGEST, SHOWN = 2_000, 500
"""Characters of a sentence, and of it here."""


class HangError(BaseException):
    """Raised in a reader that works for longer than it may; no decoder takes it for damage."""


class FuzzError(AssertionError):
    """A mutant that a reader does not survive, and how to make it again."""


class Tally(Counter):
    """The mutants of a reader: all, those sealed, accepted and refused, and by decoder."""


@contextlib.contextmanager
def bounded():
    """Keep this process from taking much more memory than it has, while something is read."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        now = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, hard))
    before = signal.signal(signal.SIGPROF, _stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _stop(_number, _frame):
    raise HangError


def mutant(name, reader, number, valid):
    """Return the bytes of a mutant, always the same ones of a number, and whether it is sealed."""
    random = Random(f"{name} {number}")  # noqa: S311 - no secret
    if random.random() < SEALED:
        return reader.mutant(random), True
    return damage.damaged(valid, random), False


def fuzz(name, numbers, folder):
    """Let a reader read its mutants of these numbers, and return what became of them.

    Raises:
        FuzzError: one ended in another error than a refusal, took too long, or too much memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader = READERS[name](folder)
    valid, tally = reader.path.read_bytes(), Tally()
    reader.read()
    with counted(reader.decoders) as seen, bounded():
        for number in numbers:
            data, whole = mutant(name, reader, number, valid)
            reader.path.write_bytes(data)
            seen.clear()
            outcome = _outcome(reader, f"{name} {number}: {data[:200]!r}")
            tally.update(["mutants", outcome, *(["sealed"] if whole else []), *set(seen)])
    return tally


def _outcome(reader, which):
    """Return what became of the mutant that lies there: it was accepted, or refused."""
    allowed = (RefusedError, ValueError) if reader.value_errors else RefusedError
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()) as notes:
            said = reader.read() or notes.getvalue().strip()
    except allowed as error:
        said = str(error) or "nothing"
        if type(error) is ValueError and str(reader.path.parent) not in said:
            raise FuzzError(f"{which}: {said[:SHOWN]!r} names no file") from error
    except HangError as error:
        raise FuzzError(f"{which}: takes longer than {SECONDS} s") from error
    except Exception as error:
        raise FuzzError(f"{which}: {type(error).__name__}: {str(error)[:SHOWN]}") from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if said and (len(said.splitlines()) > 1 or len(said) > LONGEST):
        raise FuzzError(f"{which}: the sentence is {said[:SHOWN]!r}")
    return "refused" if said else "accepted"


@contextlib.contextmanager
def counted(names):
    """Note the names of these functions whenever they are called."""
    seen, before = [], []
    for name in names:
        owner, attribute = _found(name)
        honest = getattr(owner, attribute)
        before.append((owner, attribute, honest))
        setattr(owner, attribute, _noting(honest, name, seen))
    try:
        yield seen
    finally:
        for owner, attribute, honest in reversed(before):
            setattr(owner, attribute, honest)


def _noting(honest, name, seen):
    def call(*args, **options):
        seen.append(name)
        return honest(*args, **options)

    return call


def _found(name):
    """Return the module or class that holds a function, and the function's name in it."""
    path, owner = name.split("."), None
    for place in range(len(path) - 1, 0, -1):
        with contextlib.suppress(ImportError):
            owner = importlib.import_module(".".join(path[:place]))
            break
    for part in path[place:-1]:
        owner = getattr(owner, part)
    return owner, path[-1]
