"""Run command lines in odd surroundings, each in a fork of one interpreter that knows it all.

Run as ``python -m tests.system.forked`` with a list of cases as JSON on its input; prints a list of
(exit code, output, errors). A case has ``args`` and may have ``env`` (a value of null
takes a variable away), ``stdout`` (see ``STREAMS``), ``encoding``, ``removed``: a current folder
that is no more, ``full``: a disk that takes no byte, and ``quick``: a report that is not drawn and
workers that are copies of the process, which has imported everything.
"""

import io
import json
import multiprocessing
import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sklearn.datasets

import benchmarks.suspects.audit
from benchmarks import contract, export, listing, processes
from benchmarks.cli.app import main
from benchmarks.engine import measure, record
from benchmarks.launch import forecast, pool, run
from benchmarks.report import compare, document

PRELOADED = (sklearn, benchmarks, contract, export, listing, measure, record, forecast, pool, run)
PRELOADED += (compare, document)
SECONDS = 100
"""The time that a case may take."""


def gone(number):
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.dup2(writer, number)
    os.close(reader)
    os.close(writer)


def device(number):
    """A device that is always full."""
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)


STREAMS = {"gone": gone, "closed": os.close, "device": device}


def drawn(_folder, new, *_, **__):
    """Write a report that takes no time."""
    (new / "report.md").write_text("drawn")
    return {"ranking": "\N{RIGHTWARDS ARROW} the ranking", "answer": "the verdict"}


def enter(case):
    """Put this process into the surroundings of a case."""
    os.setsid()
    signal.alarm(SECONDS)
    for name, value in case.get("env", {}).items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    if gone := case.get("removed"):
        os.chdir(gone)
        Path(gone).rmdir()
    if case.get("quick"):
        document.write = drawn
        if not case.get("full"):  # which a server of workers could not begin on
            processes.worker_context = lambda *_: multiprocessing.get_context("fork")
    if case.get("full"):
        import resource  # noqa: PLC0415  only where there are limits

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def streams(case, out, err):
    """Let the output of this process go where a case wants it."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, number, pipe in (("stdout", 1, out), ("stderr", 2, err)):
        os.dup2(pipe, number)
        odd = case.get(name)
        if odd:
            STREAMS[odd](number)
        encoding = case.get("encoding", "utf-8")
        stream = None if odd == "closed" else io.FileIO(number, "w", closefd=False)
        if stream:
            stream = io.TextIOWrapper(io.BufferedWriter(stream), encoding=encoding)
        setattr(sys, name, stream)


def child(case, out, err):
    """Run a case and end this process with its exit code."""
    code = 70  # a traceback
    try:
        streams(case, out, err)
        enter(case)
        code = main([str(arg) for arg in case["args"]])
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  as the interpreter would end
        os.write(err, traceback.format_exc().encode())
    finally:
        os._exit(code)


def outcome(case):
    """Return the exit code, the output and the errors of a case."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    if (process := os.fork()) == 0:
        child(case, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(read, (out, err)))
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), *texts


def read(number):
    with open(number, "rb") as file:  # noqa: PTH123  a pipe
        return file.read().decode(errors="backslashreplace")


if __name__ == "__main__":
    print(json.dumps([outcome(case) for case in json.load(sys.stdin)]))
