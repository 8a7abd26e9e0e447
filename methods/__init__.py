"""Methods for learning with noisy labels. Needs torch and nothing else of this project."""

from methods.anl_ce import ANLCE
from methods.backward import Backward
from methods.base import Batch, Method, Network, Stage, State, Task, Trusted
from methods.bootstrap_hard import BootstrapHard
from methods.bootstrap_soft import BootstrapSoft
from methods.ce_ema import CrossEntropyEMA
from methods.co_teaching import CoTeaching
from methods.co_teaching_plus import CoTeachingPlus
from methods.confident_learning import ConfidentLearning
from methods.cores import CORES
from methods.cross_entropy import CrossEntropy
from methods.dividemix import DivideMix
from methods.dual_t import DualT
from methods.elr import ELR
from methods.forward import Forward
from methods.gce import GCE
from methods.gjs import GJS
from methods.injected import serve
from methods.jocor import JoCoR
from methods.l2rw import L2RW
from methods.label_smoothing import LabelSmoothing
from methods.mixup import Mixup
from methods.mw_net import MWNet
from methods.peer_loss import PeerLoss
from methods.pes import PES
from methods.registry import Registry
from methods.reweighting import Reweighting
from methods.sce import SCE
from methods.sop import SOP
from methods.t_revision import TRevision
from methods.volminnet import VolMinNet

METHODS: Registry[Method] = Registry(
    "method",
    cross_entropy=CrossEntropy,
    ce_ema=CrossEntropyEMA,
    label_smoothing=LabelSmoothing,
    bootstrap_soft=BootstrapSoft,
    bootstrap_hard=BootstrapHard,
    mixup=Mixup,
    gce=GCE,
    sce=SCE,
    anl_ce=ANLCE,
    gjs=GJS,
    forward=Forward,
    backward=Backward,
    dual_t=DualT,
    t_revision=TRevision,
    volminnet=VolMinNet,
    reweighting=Reweighting,
    l2rw=L2RW,
    mw_net=MWNet,
    cores=CORES,
    peer_loss=PeerLoss,
    elr=ELR,
    sop=SOP,
    pes=PES,
    co_teaching=CoTeaching,
    co_teaching_plus=CoTeachingPlus,
    jocor=JoCoR,
    confident_learning=ConfidentLearning,
    dividemix=DivideMix,
)
serve(METHODS)

__all__ = [
    "METHODS",
    "Batch",
    "Method",
    "Network",
    "Registry",
    "Stage",
    "State",
    "Task",
    "Trusted",
]
