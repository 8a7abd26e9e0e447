"""Assertions that numbers, tensors or states agree, and the name of the case where one fails."""

from contextlib import contextmanager

import torch


def same(found, expected, **tolerance):
    """Assert that two states, tensors or numbers agree."""
    torch.testing.assert_close(found, expected, **tolerance)


@contextmanager
def case(*names):
    """Name one case of a test that goes through many, below whatever it raises."""
    try:
        yield
    except BaseException as error:  # as pytest's own failures are
        error.add_note(f"in the case {' '.join(map(str, names))}")
        raise
