"""Where and with what the cells were trained: read from the folder, not from this machine."""

import os
import platform
from dataclasses import replace

import msgspec
import numpy as np
import pandas as pd
import torch

from benchmarks import schema
from benchmarks.launch import environment, worker
from benchmarks.report import provenance, render
from benchmarks.report.data import load
from tests.report.folders import SIX, Sweep, stamp, write

SMALL = Sweep(methods=SIX[:2], noises=("clean", "symmetric(rate=0.4)"), seeds=3, epochs=1)


def section(folder):
    return render.document(provenance.section(load(folder)))


def test_every_machine_and_every_state_of_the_code_has_a_row(tmp_path):
    text = section(stamp(write(tmp_path, SMALL)))
    assert text.startswith(
        "12 cells, finished between 2026-01-01 10:20 and 2026-01-03 10:20 UTC. 4 by code with "
        "uncommitted changes"
    )
    assert (
        "| b | cuda Green 9 | Blue 2 | 64 | Linux-7 | 8 | 300 MB | "
        "2026-01-02 10:20 | 2026-01-03 10:20 |"
    ) in text
    assert ("| 0123456789ab-dirty | stack | float32 | 3.11.7 | 2.14.1 | numpy 2.4.1 | 4 |") in text


def test_nothing_of_the_machine_that_builds_the_report_is_in_it(tmp_path, monkeypatch):
    here = section(stamp(write(tmp_path, SMALL)))
    for name in ("node", "platform", "machine", "processor", "python_version"):
        monkeypatch.setattr(platform, name, lambda: "elsewhere")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert section(tmp_path) == here


def test_what_older_versions_did_not_record_is_a_dash(tmp_path):
    folder = write(tmp_path, SMALL)
    costs = pd.read_csv(folder / "costs.csv")
    costs.drop(columns=["cpu", "system", "packages"]).to_csv(folder / "costs.csv", index=False)
    text = section(folder)
    assert "| -- | cpu x | -- | -- | -- | 12 | " in text
    assert "No commit was recorded" in text
    (folder / "costs.csv").unlink()
    assert section(folder).startswith("Nothing was recorded")
    assert "Licence of the images: digits: not recorded (data info tells)." in section(folder)
    known = replace(load(folder), licences={"digits": "CC BY 4.0"})
    assert "Licence of the images: digits: CC BY 4.0." in provenance.section(known)


def test_a_cell_is_stamped_with_every_column_that_costs_has(tmp_path):
    job = worker.Job(tmp_path, tmp_path, "cpu", keep_all=False, commit="abc")
    stamped = msgspec.to_builtins(worker.stamp(job))
    assert set(stamped) <= set(schema.COSTS)
    assert stamped["cpu"]
    assert stamped["cpu"] == environment.cpu_model()
    assert stamped["torch"] == torch.__version__
    assert f"numpy {np.__version__}" in str(stamped["packages"])


def test_an_environment_in_which_cells_only_began_is_named(tmp_path):
    folder = stamp(write(tmp_path, SMALL))
    costs = pd.read_csv(folder / "costs.csv")
    costs["earlier"] = ["Blue 3, torch 2.13.0", "Blue 3, torch 2.13.0", *[""] * (len(costs) - 2)]
    costs.to_csv(folder / "costs.csv", index=False)
    words = "2 cells went on from a checkpoint of another environment: Blue 3, torch 2.13.0."
    assert words in section(folder)
