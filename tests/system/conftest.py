import pytest

from tests.system.runs import TINY, contents, finish


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The folder of a tiny run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, _, err = finish(*TINY, "--out", folder, "--workers", 2)
    assert code == 0, err
    return folder


@pytest.fixture(scope="session")
def expected(undisturbed):
    return contents(undisturbed)
