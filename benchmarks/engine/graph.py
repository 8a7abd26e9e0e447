"""A step as one CUDA graph: its hundreds of kernels are launched at once instead of one by one.

A graph replays the same kernels on the same addresses. So all that a step reads, and all that it
leaves for the next one, must lie in storage that stays: what comes in is copied there before, and
the step itself writes back what it makes anew. Recording executes nothing, so the first steps of a
stage, taken as they come, are the warm-up that CUDA asks for, and nothing has to be undone.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

from benchmarks.engine.optimizer import Optimizer
from methods import State

WARM = 3
"""Steps of a stage before one is recorded: by then, what is allocated once has been."""

LOG = logging.getLogger(__name__)


Given_contra = TypeVar("Given_contra", contravariant=True)
Tree = TypeVar("Tree")


class Stepping(Protocol[Given_contra]):
    """What takes the steps of an epoch."""

    def step(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take a step."""

    def follow(self) -> None:
        """Let the averages follow the step."""


class Learning(Stepping[Given_contra], Protocol[Given_contra]):
    """One cell's networks, or a pack's."""

    def left_behind(self) -> dict[str, Tensor]:
        """Return what a step makes anew and the next one reads, beside the method's state."""

    def take_up(self, tensors: dict[str, Tensor]) -> None:
        """Go on from these in place of what was left behind."""


class Recorder(Protocol):
    """What makes a graph of a step. The tests have one that runs the step again."""

    def warm(self, step: Callable[[], None]) -> None:
        """Run a step as it will be recorded."""

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Return what replays a step, without taking it.

        Raises:
            RuntimeError: it cannot be recorded.
        """


class CudaGraphs:
    """The recorder of CUDA, whose graphs share no memory with what runs beside them."""

    def warm(self, step: Callable[[], None]) -> None:
        """Run a step on a stream beside the main one, as CUDA wants it before recording."""
        main, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(main)
        with torch.cuda.stream(side):
            step()
        main.wait_stream(side)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Capture a step.

        Raises:
            RuntimeError: a hook waits for the device, or does what a graph cannot hold.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay


class Graphed(Generic[Given_contra]):
    """Takes steps as a learner does; those of the first batch's shape from a graph, once warm."""

    def __init__(self, learner: Learning[Given_contra], recorder: Recorder) -> None:
        self._learner, self._recorder = learner, recorder
        self._taken = 0
        self._form: object = None  # of the first batch
        self._graph: _Graph[Given_contra] | None = None
        self.reason = ""  # why there is none

    def step(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take a step; the state that comes back is overwritten by the next one."""
        inputs = (image, given, state, epoch)
        form = _form(inputs)
        self._form = self._form or form
        if self.reason or form != self._form:
            return self._plain(*inputs)
        self._taken += 1
        if self._taken <= WARM:
            return self._warm(*inputs)
        if self._graph is None:
            self._graph = self._recorded(*inputs)
        return self._graph.step(*inputs) if self._graph else self._plain(*inputs)

    def follow(self) -> None:
        """Let the averages follow the step."""
        self._learner.follow()

    def _plain(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take a step that the graph does not fit, such as the shorter last one of an epoch."""
        found = self._learner.step(image, given, state, epoch)
        if self._graph:
            self._graph.keep()
        return found

    def _warm(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        found: list[tuple[Tensor, State]] = []
        self._recorder.warm(lambda: found.append(self._learner.step(image, given, state, epoch)))
        return found[0]

    def _recorded(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> "_Graph[Given_contra] | None":
        """Return a graph; where there can be none, say why."""
        before = {name: value.clone() for name, value in self._learner.left_behind().items()}
        try:
            return _Graph(self._learner, self._recorder, (image, given, state, epoch))
        except RuntimeError as error:
            self.reason = str(error).splitlines()[0]
            LOG.warning("no CUDA graph, kernels are launched one by one: %s", self.reason)
            self._learner.take_up(before)
            return None


class _Graph(Generic[Given_contra]):
    """A recorded step, and the storage that it reads and writes."""

    def __init__(
        self,
        learner: Learning[Given_contra],
        recorder: Recorder,
        inputs: tuple[Tensor, Given_contra, State, Tensor],
    ) -> None:
        self._learner = learner
        self._inputs = _copy(inputs)
        self._left = _copy(learner.left_behind())
        self._loss = torch.empty(())
        learner.take_up(dict(self._left))
        self._replay = recorder.record(self._record)

    def step(
        self, image: Tensor, given: Given_contra, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take a step; the state that comes back is overwritten by the next one."""
        _copy_into(self._inputs, (image, given, state, epoch))
        self._replay()
        return self._loss.clone(), self._inputs[2]

    def _record(self) -> None:
        """Read from the storage that stays, and leave everything there."""
        self._loss, state = self._learner.step(*self._inputs)
        kept = self._inputs[2]
        places = {value.untyped_storage().data_ptr() for value in kept.values()}
        for name, value in state.items():  # one may be another of before, soon overwritten
            if value is not kept[name] and value.untyped_storage().data_ptr() in places:
                state = {**state, name: value.clone()}
        _copy_into(kept, state)
        self.keep()

    def keep(self) -> None:
        """Write what a step left behind to the storage that stays."""
        _copy_into(self._left, self._learner.left_behind())
        self._learner.take_up(dict(self._left))


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate, in place where it is a tensor that a graph reads."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def _copy(tree: Tree) -> Tree:
    """Return the same tree with storage of its own."""
    return on_tensors(tree, lambda tensor: tensor.detach().clone())


def on_tensors(tree: Tree, change: Callable[[Tensor], Tensor]) -> Tree:
    """Return the same tree with every tensor changed."""
    found: object = tree
    if isinstance(tree, Tensor):
        found = change(tree)
    elif isinstance(tree, Mapping):
        found = {name: on_tensors(part, change) for name, part in tree.items()}
    elif isinstance(tree, tuple):
        parts = [on_tensors(part, change) for part in tree]
        found = type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return cast("Tree", found)


@torch.no_grad()
def _copy_into(kept: object, tree: object) -> None:
    """Overwrite the tensors of a tree with those of another of its form."""
    if isinstance(kept, Tensor) and isinstance(tree, Tensor):
        if kept is not tree:
            kept.copy_(tree)
    elif isinstance(kept, Mapping) and isinstance(tree, Mapping):
        for name, part in tree.items():
            _copy_into(kept[name], part)
    elif isinstance(kept, tuple) and isinstance(tree, tuple):
        for one, other in zip(kept, tree, strict=True):
            _copy_into(one, other)


def _form(tree: object) -> object:
    """Return what two trees must share for a graph of one to serve the other."""
    if isinstance(tree, Tensor):
        return tree.shape, tree.dtype
    if isinstance(tree, Mapping):
        return {name: _form(part) for name, part in tree.items()}
    return tuple(map(_form, tree)) if isinstance(tree, tuple) else tree
