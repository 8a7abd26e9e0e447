"""The stub of the CUDA runtime: built once for a PyTorch, and preloaded by programs of Python.

A program that starts in :func:`environment` has a GPU that is not there; ``stub/stub.h`` says what
that is. Nothing here imports PyTorch, whose version is read from its package.
"""

import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.device.stub.generate import generate

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).with_name("stub")
BUILDS = ROOT / ".pytest_cache" / "gpu-that-is-not-there"
"""Where builds are kept: a folder for each PyTorch and version of the sources."""

GPUS = Path("/proc/driver/nvidia/gpus")
"""A folder for each GPU, where there is the driver of any."""

SWITCHES = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # as in a worker
    "TORCH_DISABLE_NATIVE_JIT": "1",  # Triton's kernels would be compiled, for nothing
}


def why_absent() -> str:
    """Return why programs cannot have the stub here; nothing where they can.

    A machine with a GPU has no use for it, and its tests are others.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "the stub of CUDA is for Linux on x86-64"
    if not (torch_folder() / "lib" / "libtorch_cuda.so").is_file():
        return "this PyTorch is built without CUDA"
    if any(GPUS.glob("*")):
        return "there is a GPU, which a stub would hide"
    missing = [tool for tool in ("gcc", "nm") if not shutil.which(tool)]
    return f"there is no {missing[0]} to build the stub with" if missing else ""


def environment(
    *, devices: int = 1, memory: int | None = None, lenient: bool = False
) -> dict[str, str]:
    """Return the environment of a program that has a GPU that is not there.

    Args:
        devices: how many.
        memory: bytes of each; None for those of a large one.
        lenient: let it permit what a GPU refuses, to see tests fail.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        **os.environ,
        **SWITCHES,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "LD_PRELOAD": str(library()),
        "FAKE_CUDA_DEVICES": str(devices),
    }
    found |= {"FAKE_CUDA_MEMORY": str(memory)} if memory else {}
    return found | ({"FAKE_CUDA_LENIENT": "1"} if lenient else {})


@functools.cache
def library() -> Path:
    """Return the stub for this PyTorch, built unless it is there.

    Raises:
        RuntimeError: it cannot be built; the message is the compiler's.
    """
    texts = [path.read_bytes() for path in sorted(SOURCES.rglob("*.[ch]"))]
    texts += [(SOURCES / "generate.py").read_bytes(), (torch_folder() / "version.py").read_bytes()]
    key = hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
    path = BUILDS / key / "libcuda.so.1"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # others may build it, too
            _build(Path(folder)).replace(path)
    return path


def torch_folder() -> Path:
    """Return the folder of the installed PyTorch."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("PyTorch is not installed")
    return Path(spec.submodule_search_locations[0])


def _build(folder: Path) -> Path:
    """Generate what is not written by hand, and compile all of it."""
    includes = _includes()
    headers = [path for one in includes for path in one.glob("cusolverDn.h")]
    if not headers:
        raise RuntimeError("CUDA's headers are not there: PyTorch's wheels bring them")
    generated = [folder / "plain.c", folder / "typed.c"]
    for path, text in zip(
        generated, generate(torch_folder() / "lib", SOURCES, headers[0]), strict=True
    ):
        path.write_text(text)
    built = folder / "libcuda.so.1"
    flags = ["-O1", "-shared", "-fPIC", "-w", f"-I{SOURCES}", *(f"-I{one}" for one in includes)]
    sources = [*sorted(SOURCES.glob("*.c")), *generated]
    command = ["gcc", *flags, "-Wl,-soname,libcuda.so.1", "-o", built, *sources, "-ldl"]
    ran = subprocess.run([*command, "-lpthread"], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"the stub of CUDA does not compile:\n{ran.stderr[:4000]}")
    return built


def _includes() -> Sequence[Path]:
    """Return the folders of CUDA's headers: the wheels' own, and a toolkit's where there is one."""
    wheels = sorted((torch_folder().parent / "nvidia").glob("*/include"))
    return [*wheels, *sorted(Path("/usr/local").glob("cuda/include"))]
