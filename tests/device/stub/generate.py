"""Write the functions of CUDA and its libraries whose outputs nobody reads, as C.

PyTorch asks for some hundreds of cuBLAS, cuDNN, cuSOLVER, cuSPARSE and cuFFT. Which ones stands in
its libraries; what each must do follows from its name, and from cuSOLVER's header where it returns
the size of a workspace. What the runtime and the driver need not do is listed here.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = ("libtorch_cuda.so", "libtorch_cuda_linalg.so")
LIBRARY = re.compile(r"(cublas|cudnn|cusolver|cusparse|cufft)")

NOTHING = [
    "__cudaRegisterFatBinaryEnd",
    "__cudaRegisterVar",
    "__cudaUnregisterFatBinary",
    "cudaDeviceEnablePeerAccess",
    "cudaDeviceSetGraphMemAttribute",
    "cudaFuncSetAttribute",
    "cudaGraphAddNode",
    "cudaGraphConditionalHandleCreate",
    "cudaGraphDestroy",
    "cudaGraphExecDestroy",
    "cudaGraphRetainUserObject",
    "cudaHostRegister",
    "cudaHostUnregister",
    "cudaIpcCloseMemHandle",
    "cudaKernelSetAttributeForDevice",
    "cudaLibraryUnload",
    "cudaMemPoolSetAccess",
    "cudaMemPoolSetAttribute",
    "cudaMemPoolTrimTo",
    "cudaMemcpyToSymbol",
    "cudaProfilerStart",
    "cudaProfilerStop",
    "cudaStreamDestroy",
    "cudaStreamUpdateCaptureDependencies",
    "cudaUserObjectRelease",
    "cuCtxSetCurrent",
    "cuFuncSetAttribute",
    "cuFuncSetCacheConfig",
    "cuLinkAddData_v2",
    "cuLinkComplete",
    "cuLinkCreate_v2",
    "cuModuleUnload",
    "cuTensorMapEncodeTiled",
]
"""Functions of the runtime and the driver that succeed and do nothing."""

QUIET = re.compile(
    r"(Destroy|Set[A-Z]|Get[A-Z]|[bB]ufferSize|WorkspaceSize|Init$|Heuristic|AlgoCheck"
    r"|Descriptor|Finalize|Error|StatesSize|SpaceSize)"
)
"""Functions of libraries that launch no kernel."""

SIZED = re.compile(r"cusolverStatus_t\s+CUSOLVERAPI\s+(\w+_bufferSize)\s*\(([^)]*)\)\s*;")
WORKSPACE = 4096


def undefined(library: Path) -> Iterator[str]:
    """Yield the functions that a library takes from others."""
    command = ["nm", "-D", "--undefined-only", str(library)]
    for line in subprocess.check_output(command, text=True).splitlines():
        yield line.split()[-1].split("@")[0]


def body(name: str) -> str:
    """Return a function of a library, without its arguments' types: C callers need none."""
    if name.endswith("ErrorString"):
        return f'const char *{name}(int error) {{ return "an error of the library"; }}'
    if re.search(r"SetStream(_v2)?$", name):
        return f"int {name}(void *handle, void *s) {{ return set_stream_of(handle, s); }}"
    if "Create" in name:
        return f"int {name}(void **made) {{ return new_handle(made); }}"
    if QUIET.search(name):
        return f"int {name}(void) {{ return 0; }}"
    return f'int {name}(void *handle) {{ return library_call("{name}", handle); }}'


def sized(name: str, arguments: str) -> str:
    """Return a function that says how large cuSOLVER's workspace is to be."""
    on_device = re.findall(r"\b(lwork|Lwork|workspaceInBytesOnDevice)\b", arguments)
    on_host = re.findall(r"\b(workspaceInBytesOnHost)\b", arguments)
    sets = "".join(f"*{place} = {WORKSPACE}; " for place in on_device)
    sets += "".join(f"*{place} = 0; " for place in on_host)
    return f"cusolverStatus_t {name}({' '.join(arguments.split())}) {{ {sets}return 0; }}"


def generate(torch_libraries: Path, sources: Path, cusolver_header: Path) -> tuple[str, str]:
    """Return two C files: functions of any type, and those of cuSOLVER's types.

    Args:
        torch_libraries: the folder of PyTorch's own.
        sources: the folder of what is written by hand.
        cusolver_header: ``cusolverDn.h``.
    """
    by_hand = "".join(path.read_text() for path in sorted(sources.glob("*.c")))
    taken = set(re.findall(r"\b(cu\w+)\(", by_hand))
    wanted = {name for lib in LIBRARIES for name in undefined(torch_libraries / lib)}
    sizes = dict(SIZED.findall(cusolver_header.read_text(errors="replace")))
    names = sorted(name for name in wanted - taken if LIBRARY.match(name))
    plain = [
        "int library_call(const char *, void *);",
        "int new_handle(void **);",
        "int set_stream_of(void *, void *);",
        *(f"int {name}(void) {{ return 0; }}" for name in NOTHING),
        *(body(name) for name in names if name not in sizes),
    ]
    typed = ["#include <cusolverDn.h>", *(sized(n, sizes[n]) for n in names if n in sizes)]
    return "\n".join(plain) + "\n", "\n".join(typed) + "\n"
