"""Programs that run on the stub, for the tests that look at what they print."""

import pytest

from tests.device import lines
from tests.device.program import printed
from tests.device.runtime import why_absent


@pytest.fixture(scope="session")
def on_the_stub():
    """What runs a program on the stub; where there can be none, tests are skipped and say why."""
    if reason := why_absent():
        pytest.skip(reason)
    return printed


@pytest.fixture(scope="session")
def quick(on_the_stub, shared_folder):
    """What returns the line of a combination that every commit tries."""
    return lambda one: lines.made(*one[:2], whole=False, folder=shared_folder, run=on_the_stub)[one]


@pytest.fixture(scope="session")
def whole(on_the_stub, shared_folder):
    """What returns the line of any combination."""
    return lambda one: lines.made(*one[:2], whole=True, folder=shared_folder, run=on_the_stub)[one]
