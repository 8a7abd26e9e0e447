"""When two numbers, tensors or states are the same."""

import torch


def same(found, expected, **tolerance):
    """Assert that two states, tensors or numbers agree."""
    torch.testing.assert_close(found, expected, **tolerance)
