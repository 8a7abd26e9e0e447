"""What every worker will need: imported once, by the server that workers are forked from."""

import sklearn.datasets
import torch

from benchmarks.engine import cell

__all__ = ["cell", "sklearn", "torch"]
