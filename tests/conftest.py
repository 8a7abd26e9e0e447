"""Fixtures that every test stands on."""

import os
import sys

import pytest
import torch

from benchmarks import plugin_errors, plugins
from benchmarks.sweep import REGISTRIES
from tests.datasets.data_files import cifar10_in


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The file of what was measured, of a test's own; nothing has been."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "noisy-label-bench" / "throughput.json"


@pytest.fixture(scope="session")
def shared_folder(pytestconfig, tmp_path_factory):
    """The folder that all workers of a session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(pytestconfig, "workerinput") else folder


@pytest.fixture
def cifar10(real_data, shared_folder):
    """CIFAR-10, where a developer keeps it."""
    found = cifar10_in(real_data, shared_folder)
    if found is None:
        pytest.skip(f"no CIFAR-10 under {real_data.name}")
    return found


@pytest.fixture
def double():
    """Compute in float64 unless told otherwise."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _plugins_taken_out():
    """Take out again what plugins have registered in the meantime."""
    entries = {kind: dict(registry._entries) for kind, registry in REGISTRIES.items()}
    modules = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "_loaded", dict(plugins._loaded))
        patch.setattr(os, "_exit", os._exit)
        for kind, registry in REGISTRIES.items():
            patch.setattr(registry, "_entries", entries[kind])
        yield
    plugins._hold_exits.cache_clear()
    for name in set(sys.modules) - modules:
        if plugin_errors.MODULE.fullmatch(name):
            del sys.modules[name]


plugins_of_a_test = pytest.fixture(autouse=True)(_plugins_taken_out)
plugins_of_a_module = pytest.fixture(autouse=True, scope="module")(_plugins_taken_out)
