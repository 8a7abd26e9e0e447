"""The services: started for a session where they are installed."""

import importlib.util
import os
import shutil
import socket
import subprocess
import textwrap
import time

import pytest

from tests.system.runs import TINY, contents, run

REQUIRED = "SERVICES_REQUIRED"
"""An environment variable under which the absence of a service is a failure, as in CI."""

GATED = '''
    """Cross-entropy that waits at a gate, a file, until it is gone, where a cluster trains it."""

    import os
    import time
    from dataclasses import dataclass
    from pathlib import Path

    import torch.nn.functional as F

    from methods import METHODS
    from methods.base import Method


    SENT = {"SLURM_ARRAY_TASK_ID", "RAY_RAYLET_PID"}


    @dataclass(frozen=True)
    class Gated(Method, label="Gated", family="baseline"):
        """Wait in the first epoch, then train by cross-entropy.

        Source:
            None: it is a test's.
        """

        def losses(self, logits, batch, state, epoch):
            gate = Path(os.environ.get("GATE", "nowhere"))
            if SENT & os.environ.keys() and gate.exists():
                gate.with_suffix(f".{os.getpid()}").touch()
            while SENT & os.environ.keys() and gate.exists():
                time.sleep(0.05)
            return F.cross_entropy(logits, batch.label, reduction="none"), state


    METHODS.register("gated", Gated)
'''


def absent(what):
    """Skip a test that needs what is not installed, or fail it where all services must be there."""
    reason = f"{what} is not installed"
    (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(reason)


@pytest.fixture(scope="session")
def gated(tmp_path_factory):
    """A sweep whose cells wait at a gate that a test opens: its arguments, and its results."""
    folder = tmp_path_factory.mktemp("gated")
    plugin = folder / "gated.py"
    plugin.write_text(textwrap.dedent(GATED), encoding="utf-8")
    methods = TINY.index("--methods")
    sweep = [*TINY[:methods], "--methods", "gated", *TINY[TINY.index("--noises") :]]
    sweep += ["--plugin", str(plugin), "--pack", "1"]
    code, _, err = run(*sweep, "--out", folder / "local", "--workers", 1)
    assert code == 0, err
    return sweep, contents(folder / "local")


def eventually(found, what, seconds=60):
    """Wait until something is found, and return it."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if value := found():
            return value
        time.sleep(0.1)
    pytest.fail(f"{what} was not seen within {seconds} s")


CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
KillWait=2
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
"""A cluster of this machine alone, without passwords, control groups or a database."""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A Slurm of this machine; what asks it something, by words of a command."""
    for name in ("slurmctld", "slurmd", "sbatch"):
        if not shutil.which(name):
            absent(f"Slurm's {name}")
    if not importlib.util.find_spec("submitit"):
        absent("submitit")
    if os.geteuid():
        absent("Slurm for a user who is not root")
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().partition(".")[0]
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    ports = dict(zip(("controller", "daemon"), _free_ports(2), strict=True))
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, folder=folder, **ports))

    def ask(*command):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    commands = (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-d", shutil.which("slurmstepd")])
    daemons = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(configuration))
        try:
            daemons += [subprocess.Popen(each, stderr=subprocess.DEVNULL) for each in commands]
            eventually(lambda: "idle" in _said(ask, "sinfo", "-h", "-o", "%t"), "an idle node")
            yield ask
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(30)


def _said(ask, *command):
    """What a command prints; nothing while the controller does not answer yet."""
    try:
        return ask(*command)
    except subprocess.CalledProcessError:
        return ""


def _free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray cluster whose head trains nothing; what adds a node to it."""
    if not importlib.util.find_spec("ray"):
        absent("Ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_DEDUP_LOGS", "0")
        from ray.cluster_utils import Cluster  # noqa: PLC0415  an extra

        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        yield cluster
        cluster.shutdown()
