"""torch.compile, where it is asked for: it takes seconds to warm up and changes the last bits."""

import functools
import importlib.util
import os
import shutil
import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

KINDS = 64
"""Shapes, methods and networks of which a process keeps the compiled form."""

Function = TypeVar("Function", bound=Callable[..., object])


@functools.cache
def compiled(function: Function) -> Function:
    """Return a function that is compiled for each shape and method it is called with."""
    torch._dynamo.config.recompile_limit = KINDS  # noqa: SLF001  torch's own 8 are soon used up
    warnings.filterwarnings("ignore", ".*lru_cache.*", module="torch._dynamo")  # it sees through
    found: Function = torch.compile(function, dynamic=False)  # type: ignore[assignment]
    return found


def why_not(device: torch.device) -> str:
    """Say what is missing here to compile for a device; nothing when it can be done."""
    if device.type == "cpu":
        names = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
        found = any(shutil.which(name) for name in names if name)
        return "" if found else "no C++ compiler is on the PATH (g++ or clang++)"
    if device.type == "cuda":
        return "" if importlib.util.find_spec("triton") else "triton is not installed"
    return f"torch.compile is not tried on {device.type}"
