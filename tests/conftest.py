"""Fixtures that every test stands on."""

import os
import sys

import pytest
import torch

from benchmarks import blame, plugins
from benchmarks.sweep import REGISTRIES


@pytest.fixture(scope="session", autouse=True)
def no_measured_rates(tmp_path_factory):
    """Leave the rates that `probe` measured on this machine out of it: they choose drivers."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The file of what was measured, of a test's own; nothing has been."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "noisy-label-bench" / "throughput.json"


@pytest.fixture
def double():
    """Compute in float64 unless told otherwise."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def registries(monkeypatch):
    """Take out again what the plugins of a test register."""
    monkeypatch.setattr(plugins, "_loaded", {})
    for registry in REGISTRIES.values():
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    yield
    for name in [name for name in sys.modules if blame.MODULE.fullmatch(name)]:
        del sys.modules[name]
