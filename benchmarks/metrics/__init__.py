"""Every number of a results row, from saved logits to float64 (``METRIC_SPEC`` of the schema).

Shapes: ``N`` examples, ``C`` classes, ``...`` any leading axes (cells, epochs), each slice of which
is measured by itself, without waiting for the device. A slice with an infinite or NaN logit is NaN
in every metric, and so is one without examples: nothing is dropped silently.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import schema
from benchmarks.metrics.by_class import class_metrics as class_metrics
from benchmarks.metrics.calibration import classwise_ece as classwise_ece
from benchmarks.metrics.calibration import reliability as reliability
from benchmarks.metrics.calibration import smooth_ece as smooth_ece
from benchmarks.metrics.detection import detection as detection
from benchmarks.metrics.estimates import selection as selection
from benchmarks.metrics.estimates import transition_error as transition_error
from benchmarks.metrics.examples import Rows as Rows
from benchmarks.metrics.examples import rows_of as rows_of
from benchmarks.metrics.memorisation import train_metrics as train_metrics
from benchmarks.metrics.prediction import test_metrics as test_metrics
from benchmarks.metrics.selective import risk_coverage as risk_coverage
from benchmarks.metrics.temperature import Validation as Validation
from benchmarks.metrics.temperature import at_bound as at_bound
from benchmarks.metrics.temperature import fit_temperature as fit_temperature
from benchmarks.metrics.temperature import scaled_metrics as scaled_metrics
from benchmarks.metrics.temperature import temperature_metrics as temperature_metrics


def compute(evidence: Mapping[str, Any]) -> dict[str, float]:
    """Compute every metric of one slice for which there is evidence.

    Each function that the schema names is called with what its parameters are named after. One
    that lacks a parameter without a default is left out.

    >>> import torch
    >>> compute({"kept": torch.tensor([1, 1]), "right": torch.tensor([True, False])})
    {'sel_precision': 0.5, 'sel_recall': 1.0}

    Args:
        evidence: tensors and the like by the name of a parameter.

    Returns:
        values by the id of the metric.
    """
    values: dict[str, Any] = {}
    for name, ids in schema.METRIC_FUNCTIONS.items():
        function = globals()[name]
        parameters = _parameters(function)
        if all(optional or key in evidence for key, optional in parameters.items()):
            result = function(**{key: evidence[key] for key in parameters if key in evidence})
            if not isinstance(result, dict):
                several = result if isinstance(result, tuple) else (result,)
                result = dict(zip(ids, several, strict=True))
            values |= result
    return {name: float(value) for name, value in values.items()}


@functools.cache
def _parameters(function: Callable[..., Any]) -> Mapping[str, bool]:
    """Return the names of a function's parameters, and whether each can be left out."""
    parameters = inspect.signature(function).parameters.items()
    return {name: one.default is not inspect.Parameter.empty for name, one in parameters}
