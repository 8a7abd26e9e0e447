"""Everything worth knowing from a few minutes of a rented GPU, in order of worth.

``python -m tests.gpu --minutes 10 --out findings`` trains every method by every driver against the
CPU, times the engine against the baselines, trains the suite ``default`` again, and more, as
``README.md`` says. Every finding is a line of ``findings.jsonl`` as soon as it is known, so it may
be killed at any moment; started again with the same folder, or with ``--done FOLDER`` of an earlier
run, it goes on where that one ended. It needs nothing from the network.

The exit code is 1 if anything is red, and 0 otherwise.
"""

import argparse
import os
import sys
from pathlib import Path

from benchmarks.processes import ENVIRONMENT

BEFORE_TORCH = {**ENVIRONMENT, "CUDA_DEVICE_MAX_CONNECTIONS": "32"}
"""Environment variables that CUDA and torch read when they start."""

WORKERS = 6


def main(argv: list[str]) -> int:
    """Look for what is asked, and say what was found."""
    for name, value in BEFORE_TORCH.items():
        os.environ.setdefault(name, value)
    from benchmarks.planning.options import choose_device  # noqa: PLC0415
    from tests.gpu.findings import RED, Findings  # noqa: PLC0415
    from tests.gpu.stages import STAGES, boxes, phases  # noqa: PLC0415
    from tests.gpu.summary import summary  # noqa: PLC0415
    from tests.gpu.work import Session, supervise  # noqa: PLC0415

    asked = _parser(list(STAGES)).parse_args(argv)
    session = Session(
        out=asked.out,
        device=str(choose_device(asked.device)),
        ends=boxes(asked.stages, 60 * asked.minutes),
        earlier=tuple(asked.done),
        data=asked.data,
        toy=asked.toy,
        methods=tuple(asked.methods),
        plugins=tuple(asked.plugin),
    )
    for stages, count in phases(asked.stages, 1 if asked.toy else asked.workers):
        supervise(stages, session, count)
        rows = Findings(asked.out, asked.done).rows
        (asked.out / "summary.md").write_text(summary(rows), encoding="utf-8")
    print(summary(rows))
    return int(any(row["verdict"] == RED for row in rows))


def _parser(stages: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="when to end, at the latest")
    parser.add_argument("--out", type=Path, default=Path("gpu-findings"))
    parser.add_argument("--done", type=Path, nargs="*", default=[], help="folders of earlier runs")
    parser.add_argument("--stages", nargs="+", default=stages, choices=stages)
    parser.add_argument("--device", help="cuda, cuda:1, cpu; the first there is")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the image files")
    parser.add_argument("--workers", type=int, default=WORKERS, help="for small cells")
    parser.add_argument("--methods", nargs="+", default=[], help="instead of every one")
    parser.add_argument("--plugin", type=Path, nargs="*", default=[], help="files of methods")
    parser.add_argument("--toy", action="store_true", help="seconds of a CPU: does it all run?")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
