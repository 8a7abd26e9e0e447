"""The options of a sweep, on the command line and for callers in Python."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, Token

from benchmarks import suites
from benchmarks.errors import RefusedError
from benchmarks.launch.cluster import Cluster, LauncherName

MOST_DIGITS = 40
MOST_WRITTEN = 20
"""The most numbers of a range that a sentence writes out."""


def whole_numbers(kind: object, tokens: Sequence[Token]) -> int | list[int]:
    """Return the whole numbers that an option is given, or the one; cyclopts would round others.

    Args:
        kind: the type of the option, a list or not.
        tokens: its values.

    Raises:
        RefusedError: one is no whole number.
    """
    for token in tokens:
        if not re.fullmatch(r"[+-]?[0-9]+", token.value) or len(token.value) > MOST_DIGITS:
            shown = token.value[:MOST_DIGITS] + "..." * (len(token.value) > MOST_DIGITS)
            wanted, hint = "a whole number", ""
            if kind is not int:
                wanted = "whole numbers parted by spaces"
                hint = f"; write {token.keyword} {_written_out(token.value)}"
            raise RefusedError(f"{token.keyword} must be {wanted}, got {shown!r}{hint}")
    numbers = [int(token.value) for token in tokens]
    return numbers[0] if kind is int else numbers


def _written_out(text: str) -> str:
    """Return the numbers of a list or a range that is written otherwise, or an example of some.

    >>> _written_out("0,1,2"), _written_out("0-4"), _written_out("range(5)"), _written_out("one")
    ('0 1 2', '0 1 2 3 4', '0 1 2 3 4', '0 1 2')
    >>> _written_out("0..99")
    '$(seq 0 99)'
    """
    if re.fullmatch(r"[\[(\s]*[0-9]+([\s,;]+[0-9]+)+[\])\s]*", text) and len(text) <= MOST_DIGITS:
        return " ".join(re.findall("[0-9]+", text))
    first, last = 0, 2
    if read := re.fullmatch(r"([0-9]{1,9})(?:-|\.\.\.?)([0-9]{1,9})", text):
        first, last = map(int, read.groups())
    elif read := re.fullmatch(r"range\(([0-9]{1,9})\)", text):
        last = int(read[1]) - 1
    if last - first > MOST_WRITTEN:
        return f"$(seq {first} {last})"
    return " ".join(map(str, range(first, last + 1))) or "0 1 2"


Specs = Annotated[list[str] | None, Parameter(consume_multiple=1, negative="")]
Whole = Annotated[int | None, Parameter(converter=whole_numbers)]
Seeds = Annotated[
    list[int] | None,
    Parameter(consume_multiple=1, negative="", converter=whole_numbers, json_list=False),
]
Plugins = Annotated[tuple[Path, ...], Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class Request:
    """A suite, what to replace in it, and where and how to train it.

    Attributes:
        suite: A suite that ships with the project (see `ls suites`), a TOML file, or a results
            folder, which goes on with all its cells by its own settings.
        datasets: Replace the suite's datasets, by the values of all such options together.
        noises: Replace its noises, likewise, e.g. 'symmetric(rate=0.4)'.
        methods: Replace its methods, e.g. elr 'gce(q=0.5)'.
        models: Replace its models.
        recipes: Replace its recipes, e.g. 'small(epochs=5)'.
        seeds: Replace its seeds.
        profile: Where hyper-parameters come from that a method's spec leaves open: default, one
            configuration per method and dataset; paper, what was published for dataset and noise;
            tuned, or 'tuned(trials=16)', random trials judged on noisy validation labels.
            [default: the suite's, else default]
        out: The results folder. [default: results/SUITE]
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        device: cuda, mps or cpu. [default: the first there is]
        precision: float32 or bfloat16. [default: bfloat16 on cuda for networks with convolutions,
            else float32]
        workers: How many processes; packs on Ray; jobs of Slurm. [default: one per core; one for
            each GPU, of which several share the memory, and take turns unless NVIDIA's MPS runs;
            as many packs as Ray has room for; 64 jobs]
        pack: How many cells alike in all but seed and noise to train at once, in one process. More
            is faster for small networks, and changes the last bits. [default: as `probe` measured,
            else on the CPU 32 for tiny and 16 for small dense networks, on cuda 16 to 128 for
            dense networks and 4 or 8 for small convolutional ones, as memory allows; 1 for others]
        graph: Launch the kernels of a training step at once, as a CUDA graph: the smaller they are,
            the faster. A step that cannot be recorded is taken without one, and said so.
            [default: on cuda]
        branches: Give every convolutional network of a pack kernels of its own, side by side as
            branches of one CUDA graph, in place of kernels that all share, by which convolutions
            gain nothing. [default: on cuda]
        deterministic: Use none but deterministic algorithms, so that a GPU repeats its numbers to
            the last bit; slower, and a method that needs another fails with a sentence.
        timeout: Seconds without a finished epoch after which a worker is taken to hang: it is
            ended, its pack is tried again cell by cell, and a cell that hangs by itself fails.
            [default: 600, or 20 epochs of its own where they take longer]
        checkpoint_every: How often the state of a pack in training is kept, such as 10m, so that a
            kill loses no more; it goes on from there, to the same bytes. [default: 10m]
        shard: Train one of n parts of the missing cells, written 3/16, where other machines train
            the rest into folders of their own; `merge` brings them together.
        rerun: Train these of the cells and no others, whether or not they have a result: failed,
            missing (not tried), diverged, done, or values such as method=elr seed=0; of several
            words all must hold, of values of one axis any. A new result takes the place of the old
            one; a try that fails leaves it. [default: failed missing]
        budget: The time after which the run stops, such as 90m or 8h, with exit code 75; running it
            again continues, packs in training from their last checkpoint.
        launcher: Who trains: local, processes of this machine; ray, the nodes of a Ray cluster;
            slurm, jobs of Slurm, after which Slurm runs this command again until all is done.
        address: Of the Ray cluster, such as auto or ray://host:10001. [default: $RAY_ADDRESS, else
            one is started here]
        partition: Of Slurm. [default: Slurm's]
        gpus: For each worker, or pack on Ray, where 0.5 lets two share one; for each job of Slurm.
            [default: 1 with --device cuda]
        time: That each job of Slurm may take, such as 30m or 8h; it trains as many packs of its
            share as it can by then.
        plugin: A Python file that registers methods of your own; may be given several times.
    """

    suite: str = "default"
    _: KW_ONLY
    datasets: Specs = None
    noises: Specs = None
    methods: Specs = None
    models: Specs = None
    recipes: Specs = None
    seeds: Seeds = None
    profile: str | None = None
    out: Path | None = None
    data: Path | None = None
    device: str | None = None
    precision: Literal["float32", "bfloat16"] | None = None
    workers: Whole = None
    pack: Whole = None
    graph: bool | None = None
    branches: bool | None = None
    deterministic: Annotated[bool, Parameter(negative="")] = False
    timeout: float | None = None
    checkpoint_every: dt.timedelta | None = None
    shard: str | None = None
    rerun: Specs = None
    budget: dt.timedelta | None = None
    launcher: LauncherName = "local"
    address: str | None = None
    partition: str | None = None
    gpus: float | None = None
    time: dt.timedelta | None = None
    plugin: Plugins = ()

    def axes(self) -> dict[str, list[str] | list[int] | None]:
        """Return what replaces the suite's axes, by the suite's names for them."""
        axes = ("dataset", "noise", "method", "model", "recipe", "seed")
        return {axis: getattr(self, f"{axis}s") for axis in axes}

    def share(self) -> tuple[int, int]:
        """Return which part of the cells is trained, from 1, and of how many.

        Raises:
            RefusedError: the shard is written otherwise.
        """
        if self.shard is None:
            return 1, 1
        read = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", self.shard)
        if not read or not 1 <= int(read[1]) <= int(read[2]):
            raise RefusedError(
                f"--shard must be a part and their number, from 1/4 to 4/4, got {self.shard!r}"
            )
        return int(read[1]), int(read[2])

    def cluster(self) -> Cluster:
        """Return where packs are trained."""
        return Cluster(self.launcher, self.address, self.partition, self.gpus, self.time)

    def resumes(self) -> bool:
        """Return whether a results folder stands in place of a suite."""
        return self.suite not in suites.names() and Path(self.suite).is_dir()

    def folder(self) -> Path:
        """Return the results folder."""
        if self.resumes():
            return Path(self.suite)
        return self.out or Path("results") / Path(self.suite).stem


DEFAULT = Request()
"""The request of a command line without options."""
