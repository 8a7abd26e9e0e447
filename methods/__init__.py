"""Methods for learning with noisy labels. Needs torch and nothing else of this project."""

from methods.base import Batch, Method, Stage, State, Task
from methods.co_teaching import CoTeaching
from methods.cross_entropy import CrossEntropy
from methods.elr import ELR
from methods.gce import GCE
from methods.label_smoothing import LabelSmoothing
from methods.registry import Registry
from methods.reweighting import Reweighting

METHODS: Registry[Method] = Registry(
    "method",
    cross_entropy=CrossEntropy,
    label_smoothing=LabelSmoothing,
    reweighting=Reweighting,
    gce=GCE,
    elr=ELR,
    co_teaching=CoTeaching,
)

__all__ = ["METHODS", "Batch", "Method", "Registry", "Stage", "State", "Task"]
