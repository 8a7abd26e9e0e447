"""What a plugin does in the process of its checks ends neither the program nor its waiting."""

import textwrap

import pytest

from tests.system.runs import run

ENDINGS = {
    "import sys\nsys.exit()": ":2 failed: SystemExit: None, but a plugin must not end",
    "import os\nos._exit(0)": ":2 failed: SystemExit: os._exit(0), but a plugin must not",
    "import posix\nposix._exit(0)": " cannot be loaded: it ended its process with exit code 0",
    "while True: pass": ":1 failed: no answer within 3 s",
    "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()": ":4 failed: no an",
}


@pytest.mark.parametrize(("text", "sentence"), ENDINGS.items(), ids=range(len(ENDINGS)))
def test_a_file_that_ends_the_program_or_hangs_is_refused(tmp_path, text, sentence):
    path = tmp_path / "mine.py"
    path.write_text(text)
    code, out, err = run("check", "--plugin", path, "--timeout", "3")
    assert (code, out) == (2, "")
    assert sentence in err
    assert str(path) in err
    assert len(err.splitlines()) == 1


METHODS = """
    import posix, sys, time
    import torch.nn.functional as F
    from methods import METHODS, Method

    class Fits(Method, label="Fits"):
        def losses(self, logits, batch, state, epoch):
            return F.cross_entropy(logits, batch.label, reduction="none"), state

    class Hangs(Fits):
        def init(self, task):
            while True:
                pass

    class Leaves(Fits):
        def init(self, task):
            sys.exit(0)

    class Vanishes(Fits):
        def predict(self, outputs):
            posix._exit(0)

    for entry in ENTRIES:
        METHODS.register(entry.__name__.lower(), entry)
"""


def test_a_hook_that_ends_the_process_is_a_fault_and_others_are_checked(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(METHODS).replace("ENTRIES", "(Fits, Leaves, Vanishes)"))
    code, out, err = run("check", "--plugin", path, "--timeout", "100")
    assert code == 3, err
    fits, leaves, vanishes = out.split("method ")[1:]
    assert fits.startswith(f"fits ({path}:6)")
    assert "FAULT" not in fits
    assert f"SystemExit: 0, but a plugin must not end the program ({path}:17)" in leaves
    assert leaves.count("FAULT") == 1
    told = "it ended its process with exit code 0; what follows was not checked"
    assert f"FAULT predicts the logits of every class\n        {told}" in vanishes
    assert out.endswith("2 faults\n")


def test_an_entry_without_checks_that_ends_the_process_is_a_fault(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import posix\nfrom dataclasses import dataclass\nfrom benchmarks.recipes import RECIPES, "
        "Small\n@dataclass(frozen=True)\nclass Mine(Small):\n    def __post_init__(self):\n"
        "        posix._exit(0)\nRECIPES.register('mine', Mine)\n"
    )
    code, out, err = run("check", "--plugin", path)
    assert code == 3, err
    assert "FAULT leaves its process alive\n        it ended its process with exit code 0" in out
    code, _, err = run("plan", "--plugin", path, "--recipes", "mine")
    assert code == 2
    assert "the recipe mine fails: it ended its process with exit code 0" in err


def test_a_hook_that_hangs_is_a_fault(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(METHODS).replace("ENTRIES", "(Hangs,)"))
    code, out, err = run("check", "--plugin", path, "--timeout", "4")
    assert code == 3, err
    assert f"no answer within 4 s ({path}:1" in out
    assert out.endswith("1 fault\n")
    assert out.count("FAULT") == 1


def test_a_dataset_without_its_files_is_exit_code_5(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from benchmarks.datasets import DATASETS\nfrom benchmarks.datasets.digits import Digits\n"
        "class Mine(Digits):\n    def load(self, root, seed):\n        open(root / 'none')\n"
        "DATASETS.register('mine', Mine)\n"
    )
    code, _, err = run("check", "--plugin", path, "--data", tmp_path)
    assert code == 5
    assert "mine is not available: FileNotFoundError: [Errno 2] No such file or directory: " in err
    assert f"({path}:5)" in err
