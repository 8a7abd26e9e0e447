"""Where the stub can be built it is there, once; elsewhere the reason is said."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.device import runtime


@pytest.fixture
def able(monkeypatch, tmp_path):
    """A machine that has all that the stub needs, whatever this one has."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libtorch_cuda.so").touch()
    monkeypatch.setattr(runtime.platform, "system", lambda: "Linux")
    monkeypatch.setattr(runtime.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(runtime, "torch_folder", lambda: tmp_path)
    monkeypatch.setattr(runtime, "GPUS", tmp_path / "gpus")
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    return tmp_path


def test_a_machine_that_has_all_it_needs_has_the_stub(able):
    assert able
    assert runtime.why_absent() == ""


def test_what_is_missing_is_said(able, monkeypatch):
    (able / "gpus" / "0").mkdir(parents=True)
    assert runtime.why_absent() == "there is a GPU, which a stub would hide"
    monkeypatch.setattr(runtime, "GPUS", able / "none")
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "nm" else tool)
    assert runtime.why_absent() == "there is no nm to build the stub with"
    (able / "lib" / "libtorch_cuda.so").unlink()
    assert runtime.why_absent() == "this PyTorch is built without CUDA"
    monkeypatch.setattr(runtime.platform, "machine", lambda: "arm64")
    assert runtime.why_absent() == "the stub of CUDA is for Linux on x86-64"


@pytest.mark.usefixtures("on_the_stub")
def test_processes_that_build_at_once_end_with_one_stub(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "BUILDS", tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: runtime.library.__wrapped__(), range(2))
    assert first == second
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [first]


@pytest.mark.usefixtures("on_the_stub")
def test_what_does_not_compile_is_told_in_the_words_of_the_compiler(monkeypatch, tmp_path):
    (tmp_path / "stub.h").write_text("int library_call(const char *, void *)")
    (tmp_path / "generate.py").touch()
    (tmp_path / "wrong.c").write_text('#include "stub.h"\n')
    monkeypatch.setattr(runtime, "SOURCES", tmp_path)
    monkeypatch.setattr(runtime, "BUILDS", tmp_path)
    with pytest.raises(RuntimeError, match=r"does not compile:\n(?s:.*)error: expected"):
        runtime.library.__wrapped__()
