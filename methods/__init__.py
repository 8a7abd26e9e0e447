"""Methods for learning with noisy labels. Needs torch and nothing else of this project."""

from methods.anl_ce import ANLCE
from methods.anl_fl import ANLFL
from methods.backward import Backward
from methods.base import Batch, Method, Network, Stage, State, Task, Trusted
from methods.bi_tempered import BiTempered
from methods.bootstrap_hard import BootstrapHard
from methods.bootstrap_soft import BootstrapSoft
from methods.cdr import CDR
from methods.ce_ema import CrossEntropyEMA
from methods.co_teaching import CoTeaching
from methods.co_teaching_plus import CoTeachingPlus
from methods.confident_learning import ConfidentLearning
from methods.cores import CORES
from methods.cross_entropy import CrossEntropy
from methods.dividemix import DivideMix
from methods.dual_t import DualT
from methods.dyr import DYR
from methods.early_stopping import EarlyStopping
from methods.elr import ELR
from methods.elr_plus import ELRPlus
from methods.eps_softmax import EpsSoftmax
from methods.focal import Focal
from methods.forward import Forward
from methods.gce import GCE
from methods.gce_trunc import GCETrunc
from methods.gjs import GJS
from methods.jal_ce import JALCE
from methods.jocor import JoCoR
from methods.js import JS
from methods.l2rw import L2RW
from methods.label_smoothing import LabelSmoothing
from methods.logit_clip import LogitClip
from methods.loss_spec import serve
from methods.mae import MAE
from methods.mixup import Mixup
from methods.mw_net import MWNet
from methods.nce_ael import NCEAEL
from methods.nce_agce import NCEAGCE
from methods.nce_aul import NCEAUL
from methods.nce_mae import NCEMAE
from methods.nce_rce import NCERCE
from methods.negative_ls import NegativeLS
from methods.nfl_mae import NFLMAE
from methods.nfl_rce import NFLRCE
from methods.peer_loss import PeerLoss
from methods.pencil import PENCIL
from methods.pes import PES
from methods.phuber_ce import PHuberCE
from methods.promix import ProMix
from methods.registry import Registry
from methods.reweighting import Reweighting
from methods.sat import SAT
from methods.sce import SCE
from methods.sop import SOP
from methods.sr import SR
from methods.t_revision import TRevision
from methods.taylor_ce import TaylorCE
from methods.volminnet import VolMinNet

METHODS: Registry[Method] = Registry(
    "method",
    cross_entropy=CrossEntropy,
    focal=Focal,
    ce_ema=CrossEntropyEMA,
    early_stopping=EarlyStopping,
    label_smoothing=LabelSmoothing,
    negative_ls=NegativeLS,
    bootstrap_soft=BootstrapSoft,
    bootstrap_hard=BootstrapHard,
    mixup=Mixup,
    mae=MAE,
    gce=GCE,
    gce_trunc=GCETrunc,
    sce=SCE,
    nce_mae=NCEMAE,
    nce_rce=NCERCE,
    nfl_mae=NFLMAE,
    nfl_rce=NFLRCE,
    nce_agce=NCEAGCE,
    nce_aul=NCEAUL,
    nce_ael=NCEAEL,
    anl_ce=ANLCE,
    anl_fl=ANLFL,
    jal_ce=JALCE,
    phuber_ce=PHuberCE,
    taylor_ce=TaylorCE,
    bi_tempered=BiTempered,
    logit_clip=LogitClip,
    js=JS,
    gjs=GJS,
    sr=SR,
    eps_softmax=EpsSoftmax,
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
    sat=SAT,
    cdr=CDR,
    pes=PES,
    pencil=PENCIL,
    dyr=DYR,
    co_teaching=CoTeaching,
    co_teaching_plus=CoTeachingPlus,
    jocor=JoCoR,
    confident_learning=ConfidentLearning,
    dividemix=DivideMix,
    elr_plus=ELRPlus,
    promix=ProMix,
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
