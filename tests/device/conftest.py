"""Programs that run on the stub, for the tests that look at what they print."""

import hashlib
import json

import pytest
from filelock import FileLock

from tests.device import lines
from tests.device.program import printed
from tests.device.runtime import why_absent


@pytest.fixture(scope="session")
def on_the_stub(shared_folder):
    """What runs a program on the stub, once for all processes of the session that ask for it.

    Where there can be no stub, tests are skipped and say why.
    """
    if reason := why_absent():
        pytest.skip(reason)

    def run(*program, **options):
        asked = repr((list(map(str, program)), sorted(options.items())))
        path = shared_folder / f"printed-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                path.write_text(json.dumps(printed(*program, **options)), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    return run


@pytest.fixture(scope="session")
def quick(on_the_stub, shared_folder):
    """What returns the line of a combination that every commit tries."""
    return lambda one: lines.made(*one[:2], whole=False, folder=shared_folder, run=on_the_stub)[one]


@pytest.fixture(scope="session")
def whole(on_the_stub, shared_folder):
    """What returns the line of any combination."""
    return lambda one: lines.made(*one[:2], whole=True, folder=shared_folder, run=on_the_stub)[one]
