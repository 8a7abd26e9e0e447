"""A sweep on a Ray cluster: a node that dies, and nodes that do not see the results folder."""

import contextlib
import subprocess
import sys

import pytest

from tests.services.conftest import eventually
from tests.system.runs import ROOT, TINY, contents, run

pytestmark = pytest.mark.services


def add_node(cluster):
    return cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)


@pytest.fixture
def arguments(ray_cluster, gated, tmp_path):
    """The arguments of the gated sweep on the cluster, and the folder of its results."""
    out = tmp_path / "out"
    address = ["--launcher", "ray", "--address", ray_cluster.address]
    return [*gated[0], *address, "--out", out], out


def test_packs_of_a_node_that_dies_are_trained_by_another(
    ray_cluster, arguments, gated, tmp_path, monkeypatch
):
    words, out = arguments
    gate = tmp_path / "gate"
    gate.touch()
    monkeypatch.setenv("GATE", str(gate))
    nodes = [add_node(ray_cluster) for _ in range(2)]
    command = [sys.executable, ROOT / "run_all.py", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        try:
            eventually(lambda: len(list(tmp_path.glob("gate.*"))) == 2, "two packs at the gate", 90)
            ray_cluster.remove_node(nodes[0], allow_graceful=False)
            gate.unlink()
            said, _ = driver.communicate(timeout=120)
        finally:
            driver.kill()
    assert driver.returncode == 0, said
    assert contents(out) == gated[1]
    ray_cluster.remove_node(nodes[1])


def test_nodes_that_do_not_see_the_folder_send_their_parts(
    ray_cluster, arguments, gated, tmp_path, monkeypatch
):
    elsewhere = contextlib.nullcontext("another folder's")
    monkeypatch.setattr("benchmarks.launch.ray._mark", lambda _: elsewhere)
    monkeypatch.setenv("GATE", str(tmp_path / "open"))
    words, out = arguments
    node = add_node(ray_cluster)
    code, said, err = run(*words)
    ray_cluster.remove_node(node)
    assert code == 0, said + err
    assert contents(out) == gated[1]


def test_an_address_where_no_cluster_is_is_refused_in_a_sentence(tmp_path):
    address = ["--launcher", "ray", "--address", "127.0.0.1:1"]
    code, _, err = run(*TINY, *address, "--out", tmp_path / "out")
    assert code == 2
    assert err.startswith("run_all.py: no Ray cluster answers at 127.0.0.1:1")
    assert err.count("\n") == 1
