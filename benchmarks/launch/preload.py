"""What every worker will need: imported once, by the server that workers are forked from."""

import sklearn.datasets
import torch

from benchmarks.engine import record

__all__ = ["record", "sklearn", "torch"]
