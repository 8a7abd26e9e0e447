"""How workers begin."""

import sys
import threading
from multiprocessing import forkserver

import pytest
import torch

from benchmarks import processes


@pytest.mark.skipif(sys.platform != "linux", reason="only there do workers come from a server")
def test_workers_are_forked_unless_they_use_a_gpu():
    for device, method in {"cpu": "forkserver", "cuda": "spawn", "mps": "spawn"}.items():
        context = processes.worker_context(processes.TRAINING, device)
        assert context.get_start_method() == method


def test_a_worker_has_one_thread_and_what_training_needs_imported():
    forkserver._forkserver._stop()  # another test's has imported something else
    context = processes.worker_context(processes.TRAINING)
    ours, theirs = context.Pipe()
    worker = context.Process(target=_look, args=(theirs,))
    worker.start()
    threads, imported = ours.recv()
    worker.join()
    assert threads == 1
    assert imported == (processes.FORKS, processes.FORKS, False)


def _look(pipe):
    modules = ("benchmarks.engine.record", "sklearn.datasets", "torch._dynamo")
    imported = tuple(name in sys.modules for name in modules)
    pipe.send((torch.get_num_threads(), imported))


def test_a_module_is_imported_while_this_process_goes_on():
    before = set(threading.enumerate())
    assert "tabnanny" not in sys.modules
    processes.import_in_background(["tabnanny"])
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert "tabnanny" in sys.modules
