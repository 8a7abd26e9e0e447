"""The tracker TensorBoard: a folder of event files, which ``tensorboard --logdir`` shows.

Each run has one file in a folder named after its cell: curves and final metrics are scalars, and
parameters are those of the dashboard HParams. TensorBoard keeps scalars in float32.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata, summary_v2
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from benchmarks.trackers.cell_run import CellRun
from benchmarks.trackers.tracker import RunFiles

VERSION = "brain.Event:2"
"""The format of event files, as their first record states it."""


@contextmanager
def opened(place: Path, _suite: str) -> Iterator["TensorBoard"]:
    """Give the store in a folder; runs of several suites lie in it side by side."""
    yield TensorBoard(place)


class TensorBoard(RunFiles):
    """A folder with an event file for each run."""

    name = re.compile(r"(?P<cell>\w+)/events\.out\.tfevents\.[0-9]+\.(?P<sha256>[0-9a-f]+)")

    def write(self, run: CellRun, folder: Path) -> None:
        """Write the event file of a run."""
        path = folder / run.cell_id / f"events.out.tfevents.{run.ended:.0f}.{run.sha256}"
        path.parent.mkdir()
        with path.open("wb") as file:
            writer = RecordWriter(file)
            for event in _events(run):
                event.wall_time = run.ended
                writer.write(event.SerializeToString())


def _events(run: CellRun) -> Iterator[Event]:
    """Yield the records of a run's file."""
    yield Event(file_version=VERSION)
    known = {**run.parameters, **run.facts}
    yield Event(summary=summary_v2.hparams_pb(known, run.cell_id, run.ended))
    for epoch, values in run.curves.items():
        yield _scalars(epoch, values)
    yield _scalars(run.epoch, run.metrics)
    status = Status.STATUS_FAILURE if run.failed else Status.STATUS_SUCCESS
    end = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=run.ended))
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(end),
        tensor=metadata.NULL_TENSOR,
    )
    yield Event(summary=Summary(value=[value]))


def _scalars(epoch: int, values: Mapping[str, float]) -> Event:
    """Return a record of numbers of an epoch."""
    own = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(step=epoch, summary=Summary(value=own))
