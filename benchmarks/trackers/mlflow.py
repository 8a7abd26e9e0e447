"""The tracker MLflow: a database in one file, which ``mlflow ui`` shows.

Each run is named after its cell, in an experiment that is named after the suite. Nothing is sent:
the database is of SQLite, and MLflow's telemetry is off.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}

import alembic  # noqa: F401  with SQLAlchemy what mlflow-skinny lacks for a database
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from benchmarks.errors import RefusedError
from benchmarks.trackers.cell_run import CellRun

FILE = "mlflow.db"
DIGEST = "sha256"
"""The tag that is written last: a run without it is not whole."""

MOST = 1000
"""The most numbers that MLflow takes at once."""


@contextmanager
def opened(place: Path, suite: str) -> Iterator["Mlflow"]:
    """Give the experiment of a suite in the database of a folder.

    Raises:
        RefusedError: MLflow refuses the database.
    """
    try:
        yield Mlflow(place, suite)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise RefusedError(f"MLflow cannot use {place / FILE}: {reason}") from error


class Mlflow:
    """An experiment of an MLflow database."""

    def __init__(self, place: Path, suite: str) -> None:
        self._client = MlflowClient(tracking_uri=f"sqlite:///{place.absolute() / FILE}")
        known = self._client.get_experiment_by_name(suite)
        artifacts = (place / "artifacts").absolute().as_uri()
        self._experiment = (
            known.experiment_id if known else self._client.create_experiment(suite, artifacts)
        )
        self._runs: dict[str, list[str]] = {}  # by cell

    def held(self) -> Mapping[str, str]:
        """Return the cells whose runs are there, each with its digest."""
        digests, token = {}, None
        while token != "":
            found = self._client.search_runs([self._experiment], page_token=token)
            for run in found:
                cell = run.info.run_name
                self._runs.setdefault(cell, []).append(run.info.run_id)
                twice = cell in digests  # one of them was left by an export that was killed
                digests[cell] = "" if twice else run.data.tags.get(DIGEST, "")
            token = found.token or ""
        return digests

    def put(self, runs: Sequence[CellRun]) -> None:
        """Add runs, in place of those of the same cells."""
        for run in runs:
            for known in self._runs.get(run.cell_id, ()):
                self._client.delete_run(known)
            self._add(run)

    def _add(self, run: CellRun) -> None:
        moment = round(1000 * run.ended)
        created = self._client.create_run(self._experiment, start_time=moment, run_name=run.cell_id)
        key = created.info.run_id
        steps = [(run.epoch, run.metrics), *run.curves.items()]
        metrics = iter(
            [Metric(n, v, moment, epoch) for epoch, own in steps for n, v in own.items()]
        )
        params = [Param(name, str(value)) for name, value in run.parameters.items()]
        tags = [RunTag(name, value) for name, value in run.facts.items()]
        self._client.log_batch(key, params=params, tags=tags)
        while some := list(islice(metrics, MOST)):
            self._client.log_batch(key, metrics=some)
        status = RunStatus.FAILED if run.failed else RunStatus.FINISHED
        self._client.set_terminated(key, RunStatus.to_string(status), end_time=moment)
        self._client.set_tag(key, DIGEST, run.sha256)
