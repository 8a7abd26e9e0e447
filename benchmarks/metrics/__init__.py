"""Every number of a results row, from saved logits to float64 (``METRIC_SPEC`` of the schema).

Shapes: ``N`` examples, ``C`` classes, ``...`` any leading axes (cells, epochs), each slice of which
is measured by itself, without waiting for the device. A slice with an infinite or NaN logit is NaN
in every metric, and so is one without examples: nothing is dropped silently.
"""

from benchmarks.metrics.classwise import classwise_ece
from benchmarks.metrics.estimates import selection, transition_error
from benchmarks.metrics.examples import Rows, rows_of
from benchmarks.metrics.prediction import reliability, test_metrics
from benchmarks.metrics.selective import risk_coverage
from benchmarks.metrics.smooth import smooth_ece
from benchmarks.metrics.temperature import at_bound, fit_temperature, scaled_metrics
from benchmarks.metrics.training import detection, train_metrics

__all__ = [
    "Rows",
    "at_bound",
    "classwise_ece",
    "detection",
    "fit_temperature",
    "reliability",
    "risk_coverage",
    "rows_of",
    "scaled_metrics",
    "selection",
    "smooth_ece",
    "test_metrics",
    "train_metrics",
    "transition_error",
]
