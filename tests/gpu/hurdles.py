"""Stages that fail in every way, for the tests of what becomes of the others."""

import os
import time

from tests.gpu.findings import GREEN, Findings, Row
from tests.gpu.work import Item, Session


def good(_session: Session, _findings: Findings) -> list[Item]:
    return [Item(["one"], _fine, 0.0), Item(["two", "three"], _fine, 0.0)]


def bad(_session: Session, _findings: Findings) -> list[Item]:
    return [
        Item(["raises", "after it"], _raises, 0.0),
        Item(["poisons", "after that"], _poisons, 0.0),
        Item(["dies"], _dies, 0.0),
        Item(["last"], _fine, 0.0),
    ]


def slow(_session: Session, _findings: Findings) -> list[Item]:
    return [Item(["sleeps"], _sleeps, 0.0)]


def long(_session: Session, _findings: Findings) -> list[Item]:
    return [Item(["too long"], _fine, 1e9)]


def _fine(_key: str) -> Row:
    return {"verdict": GREEN}


def _raises(key: str) -> Row:
    if key == "raises":
        raise ValueError("no such\nluck")
    return {"verdict": GREEN}


def _poisons(key: str) -> Row:
    if key == "poisons":
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return {"verdict": GREEN, "process": os.getpid()}


def _dies(_key: str) -> Row:
    os._exit(3)


def _sleeps(_key: str) -> Row:
    time.sleep(600)
    return {"verdict": GREEN}
