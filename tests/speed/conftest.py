"""What times the benchmarks: each beside a kernel that tells how fast the machine was."""

import statistics

import pytest
import torch

from tests.speed import kernel


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def timed(benchmark, request):
    """Time a step by rounds, before each of which the kernel of ``kernel.py`` is timed.

    A machine that is slow by phases is so for both, and `regress speed` compares their ratio.
    """

    request.getfixturevalue("one_thread")

    def time(step, *args, rounds):
        took = []

        def calibrate():
            began = benchmark._timer()
            kernel.run()
            took.append(benchmark._timer() - began)

        kernel.run()
        found = benchmark.pedantic(step, args, setup=calibrate, rounds=rounds, warmup_rounds=1)
        of_kernel = {"min": min(took), "median": statistics.median(took)}
        benchmark.extra_info["calibration"] = of_kernel
        return found

    return time
