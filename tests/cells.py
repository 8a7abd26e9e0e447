"""Cells that the tests train: small, and alike but for what a test is about."""

from benchmarks.sweep import Cell


def build(method="cross_entropy", **changes):
    """A cell of digits at symmetric noise, with other specs where told."""
    specs = {
        "dataset": "digits",
        "noise": "symmetric(rate=0.4)",
        "method": method,
        "model": "mlp",
        "recipe": "small(epochs=3)",
        "seed": 0,
        "precision": "float32",
    }
    return Cell.build(specs | changes)
