"""The words for what is measured: accuracy where true labels are known, else agreement.

Every text of a report takes them from its run, so that no sentence can claim what was not measured;
`tests/report/test_vocabulary.py` finds one that does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.schema import METRICS, Metric

_ACCURACIES = ("acc", "acc_worst", "acc_balanced", "gap_signed")
"""The metrics that are accuracies, or of one."""


@dataclass(frozen=True)
class Vocabulary:
    """What the texts of a report call things: here, where all true labels are known."""

    accuracy: str = "accuracy"
    headline: str = "Accuracy"  # where a text or a column begins with it
    accuracies: str = "accuracies"
    acc: str = "acc."
    measured: str = "on clean test labels"  # behind an accuracy
    test_labels: str = "clean test labels"  # behind "on" and "with"
    tested: str = "Test accuracy"
    best_tested: str = "test accuracy: clean knowledge"
    more: str = "more accurate"  # ahead of "in 3 settings"
    less: str = "less accurate"
    more_accurate: str = "more accurate"  # anywhere else
    less_accurate: str = "less accurate"
    most_accurate: str = "most accurate method"
    error: str = "error"
    error_axis: str = "Error (%)"
    whole_error: str = "the error"  # of all images, behind the first one
    mean_error: str = "mean error"
    how_right: str = "How often is the class right, on clean test labels?"
    true_class: str = "true class"  # of an image
    noise: str = "Noise"
    noisy: str = "noisy"  # of labels
    wrong_share: str = "the share of wrong training labels"
    wrong_axis: str = "Wrong labels (%)"
    one_set: str = "One set of wrong labels"
    not_varied: str = "the noise"  # by one set of labels
    none_wrong: str = "No labels were corrupted."
    with_noise: str = "With wrong labels the first choice"
    on_noise: str = "On mislabelled data"
    renamed: Mapping[str, Metric] = field(default_factory=dict)

    def metric(self, name: str, among: Mapping[str, Metric] = METRICS) -> Metric:
        """Return one ``among`` metrics with its label and meaning in these words."""
        return self.renamed.get(name, among[name])

    def measured_on(self, name: str) -> str:
        """Say against which labels a metric is measured, behind its label."""
        return self.measured if name in _ACCURACIES else f"on {self.test_labels}"

    def of_figure(self, kind: str) -> str:
        """Return what a kind of figure is called: as its file is, but for accuracy."""
        return self.accuracy if kind == KNOWN.accuracy else kind

    def y_label(self, name: str) -> str:
        """Return a metric's label with its unit."""
        metric = self.metric(name)
        return metric.label + (" (%)" if metric.percent else " (nats)" if name == "nll" else "")


def _agreement(which: str) -> Vocabulary:
    """Return the words of runs without all true labels, whose test labels are the ``which`` ones.

    ``which`` is an adjective of test labels with a blank behind it, or nothing.
    """
    labels, own = f"the {which}test labels", which or "test "
    meant = {
        "acc": f"share of test images predicted as their {own}label",
        "nll": f"mean -log p of the {own}class, in nats",
        "aurc": "mean disagreement of the k most confident, over all k",
    }
    renamed = {}
    for name, metric in METRICS.items():
        label = metric.label.replace("ccuracy", "greement")
        meaning = meant.get(name, metric.meaning.replace("noisy validation", "given validation"))
        if (label, meaning) != (metric.label, metric.meaning):
            renamed[name] = replace(metric, label=label, meaning=meaning)
    return Vocabulary(
        accuracy="agreement",
        headline="Agreement",
        accuracies="agreements",
        acc="agr.",
        measured=f"with {labels}",
        test_labels=labels,
        tested=f"Agreement with {labels}",
        best_tested=f"agreement with {labels}: it looks at these",
        more="in more agreement",
        less="in less agreement",
        more_accurate=f"in more agreement with the {own}labels",
        less_accurate=f"in less agreement with the {own}labels",
        most_accurate=f"method in closest agreement with the {own}labels",
        error=f"disagreement with the {own}labels",
        error_axis="Disagreement (%)",
        whole_error="that",
        mean_error="mean",
        how_right=f"How often is the class that of {labels}?",
        true_class=f"{own}class",
        noise="Labels",
        noisy="given",
        wrong_share="the share of training labels changed",
        wrong_axis="Labels changed (%)",
        one_set="One set of labels",
        not_varied="the labels",
        none_wrong="Which labels are wrong is not known.",
        with_noise=f"By agreement with the {own}labels the first choice",
        on_noise="On the labels as they are",
        renamed=renamed,
    )


KNOWN = Vocabulary()
UNKNOWN = _agreement("given ")
"""The words where no true labels are known: what is measured is against the given ones."""
MIXED = _agreement("")
"""The words where some datasets have clean test labels, and others have given ones alone."""
