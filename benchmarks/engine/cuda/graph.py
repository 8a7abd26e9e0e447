"""A step as one CUDA graph: its hundreds of kernels are launched at once instead of one by one.

A graph replays the same kernels on the same addresses. So all that a step reads, and all that it
leaves for the next one, must lie in storage that stays: what comes in is copied there before, and
the step itself writes back what it makes anew. Recording executes nothing, so the first steps of a
stage, taken as they come, are the warm-up that CUDA asks for, and nothing has to be undone.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_map_only

from benchmarks.engine.loop import Batches, Team
from benchmarks.recipes import Recipe
from methods import Stage, State

WARM = 3
"""Steps of a stage before one is recorded: by then, what is allocated once has been."""

LOG = logging.getLogger(__name__)

Tree = TypeVar("Tree")

Pool = tuple[int, int]
"""The name of memory that a graph has for itself."""


class CapturableTeam(Team[Batches], Protocol[Batches]):
    """A team that says what its steps carry over; its optimisers are capturable."""

    carried: Any
    """The nested tensors that a step makes anew and the next one reads: the methods' states, and
    running statistics that are not changed in place."""


class CannotRecordError(Exception):
    """A step does what a graph cannot hold; the text says what."""


class Recorder(Protocol):
    """A maker of graphs of steps. The tests have one that runs the step again."""

    def warm(self, step: Callable[[], None]) -> None:
        """Run a step as it will be recorded."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Return what replays a step, without taking it.

        Raises:
            CannotRecordError: the step cannot be recorded.
            Exception: that of a step that cannot be taken either.
        """


class CudaGraphs:
    """The recorder of a CUDA device, whose graphs share no memory with what runs beside them."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._side = device, torch.cuda.Stream(device)
        self._broken: list[torch.cuda.CUDAGraph] = []

    def warm(self, step: Callable[[], None]) -> None:
        """Run a step on a stream beside the main one, as CUDA wants it before recording."""
        main = torch.cuda.current_stream(self._device)
        self._side.wait_stream(main)
        with torch.cuda.stream(self._side):
            step()
        main.wait_stream(self._side)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Capture a step.

        ``torch.cuda.graph`` would hide why a capture has failed, and leave its stream current.

        Raises:
            CannotRecordError: a hook waits for the device, or does what a graph cannot hold.
            Exception: anything else that the step raises, such as a lack of memory.
        """
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        with torch.cuda.stream(self._side):
            graph.capture_begin(pool=pool)
            try:
                step()
            except BaseException as error:
                refused = self._given_up(graph, pool) or "captur" in str(error)
                lacks_memory = isinstance(error, torch.OutOfMemoryError)
                if refused and isinstance(error, RuntimeError) and not lacks_memory:
                    raise CannotRecordError(str(error).splitlines()[0]) from error
                raise
            if reason := self._given_up(graph, pool):
                raise CannotRecordError(reason)
        return graph.replay

    def _given_up(self, graph: torch.cuda.CUDAGraph, pool: Pool) -> str:
        """End a capture; where CUDA had given it up before, clean up and return why."""
        try:
            graph.capture_end()
        except RuntimeError as error:
            # PyTorch 2.11 leaves its allocator in the capture, where the next ``empty_cache`` ends
            # the process, and lets it ask the graph for ever; later ones refuse to end it twice.
            self._broken.append(graph)
            place = torch.cuda.current_device()
            with suppress(RuntimeError):
                allocator = torch._C  # noqa: SLF001  there is no public name
                allocator._cuda_endAllocateToPool(place, pool)  # noqa: SLF001
                allocator._cuda_releasePool(place, pool)  # noqa: SLF001
            return str(error).splitlines()[0]
        return ""


class Graphed(Generic[Batches]):
    """A team whose steps come from a graph: those of the first batch's shape, once warm."""

    def __init__(self, team: CapturableTeam[Batches], recorder: Recorder) -> None:
        self.cells, self.data = team.cells, team.data
        self._team, self._recorder = team, recorder
        self.reason = ""  # why some stage had no graph
        self.set_learning_rate = team.set_learning_rate
        self.batches, self.mean = team.batches, team.mean
        self.refit, self.evaluate = team.refit, team.evaluate
        self.tensors, self.restore = team.tensors, team.restore

    def begin(self, number: int, stage: Stage, recipe: Recipe) -> None:
        """Start a stage, with a graph of its own."""
        self._team.begin(number, stage, recipe)
        self._taken = 0
        self._form: object = None  # of the first batch
        self._graph: _Graph[Batches] | None = None
        self._refused = self._replayed = False

    def step(self, batches: Batches, epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``."""
        form, self._replayed = _form((batches, self._team.carried)), False
        self._form = self._form or form
        if self._refused or form != self._form:
            return self._plain(batches, epoch)
        self._taken += 1
        if self._taken <= WARM:
            losses: list[Tensor] = []
            self._recorder.warm(lambda: losses.append(self._team.step(batches, epoch)))
            return losses[0]
        if self._graph is None:
            self._graph = self._recorded(batches, epoch)
        if not self._graph:
            return self._plain(batches, epoch)
        self._replayed = True
        return self._graph.step(batches, epoch)

    def update_averages(self) -> None:
        """Let averaged weights follow a step, unless they did so in its graph."""
        if not self._replayed:
            self._team.update_averages()

    def states(self) -> list[State]:
        """Return the method's state of every cell, copied: the next step overwrites its own."""
        return [_copy(state) for state in self._team.states()]

    def _plain(self, batches: Batches, epoch: Tensor) -> Tensor:
        """Take a step that the graph does not fit, such as the shorter last one of an epoch."""
        losses = self._team.step(batches, epoch)
        if self._graph:
            self._graph.keep()
        return losses

    def _recorded(self, batches: Batches, epoch: Tensor) -> "_Graph[Batches] | None":
        """Return a graph; where there can be none, say why."""
        before = _copy(self._team.carried)
        try:
            return _Graph(self._team, self._recorder, batches, epoch)
        except CannotRecordError as error:
            self.reason, self._refused = self.reason or str(error), True
            LOG.warning("no CUDA graph, kernels are launched one by one: %s", error)
            self._team.carried = before
            return None


class _Graph(Generic[Batches]):
    """A recorded step, and the storage that it reads and writes."""

    def __init__(
        self,
        team: CapturableTeam[Batches],
        recorder: Recorder,
        batches: Batches,
        epoch: Tensor,
    ) -> None:
        self._team = team
        self._inputs = _copy((batches, epoch))
        self._carried = _copy(team.carried)
        self._losses = torch.empty(())
        team.carried = self._carried
        self._replay = recorder.record(self._record)

    def step(self, batches: Batches, epoch: Tensor) -> Tensor:
        """Take a step; what it carries over is overwritten by the next one."""
        _copy_into(self._inputs, (batches, epoch))
        self.keep()  # a refit may have changed the state
        self._replay()
        return self._losses.clone()

    def _record(self) -> None:
        """Read from the storage that stays, and leave everything there."""
        self._losses = self._team.step(*self._inputs)
        self._team.update_averages()
        leaves = tree_leaves(self._carried)
        places = {tensor.untyped_storage().data_ptr() for tensor in leaves}

        def apart(old: Tensor, new: Tensor) -> Tensor:
            """Copy a tensor that is another one of before, which is soon overwritten."""
            shared = not _same(old, new) and new.untyped_storage().data_ptr() in places
            return new.clone() if shared else new

        self._team.carried = tree_map(apart, self._carried, self._team.carried)
        self.keep()

    def keep(self) -> None:
        """Write what a step carries over to the storage that stays."""
        _copy_into(self._carried, self._team.carried)
        self._team.carried = self._carried


def _same(old: Tensor, new: Tensor) -> bool:
    """Return whether two tensors are the same numbers in memory, as what passes ``vmap`` is."""
    return old is new or (
        old.data_ptr() == new.data_ptr()
        and (old.shape, old.stride(), old.dtype) == (new.shape, new.stride(), new.dtype)
    )


def _copy(tree: Tree) -> Tree:
    """Return the same tree with storage of its own."""
    copied: Tree = tree_map_only(Tensor, lambda tensor: tensor.detach().clone(), tree)
    return copied


@torch.no_grad()
def _copy_into(kept: object, tree: object) -> None:
    """Overwrite the tensors of a tree with those of another of its form: a kernel for each type."""
    by_type: dict[object, tuple[list[Tensor], list[Tensor]]] = {}
    for old, new in zip(tree_leaves(kept), tree_leaves(tree), strict=True):
        if isinstance(old, Tensor) and not _same(old, new):
            alike = old.dtype, old.stride() == new.stride()  # one of another order costs all theirs
            olds, news = by_type.setdefault(alike, ([], []))
            olds.append(old)
            news.append(new)
    for olds, news in by_type.values():
        torch._foreach_copy_(olds, news)


def _form(tree: object) -> object:
    """Return what two trees must share for a graph of one to serve the other."""
    leaves, structure = tree_flatten(tree)
    return structure, [
        (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf for leaf in leaves
    ]
