import signal

import pytest

from tests.system.runs import TINY, contents, run


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Let the programs under test be interrupted.

    A shell makes what it starts in the background ignore SIGINT, and every child inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The folder of a tiny run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, _, err = run(*TINY, "--out", folder, "--workers", 2)
    assert code == 0, err
    return folder


@pytest.fixture(scope="session")
def expected(undisturbed):
    return contents(undisturbed)
