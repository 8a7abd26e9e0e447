"""The team of a pack whose cells are trained one by one, each with modules and an optimiser.

This is what a step of training means. :class:`benchmarks.engine.stack.Stack` must equal it.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.engine.averages import Follower
from benchmarks.engine.batches import batches, steps_of
from benchmarks.engine.data import CellData, initial_state
from benchmarks.engine.networks import (
    autocast,
    channels_last,
    fresh_networks,
    replace_last_layers,
    trainable_parameters,
    with_features,
    without_running_statistics,
)
from benchmarks.engine.optimizer import Optimizer
from benchmarks.recipes import Recipe
from benchmarks.sweep import Cell
from methods import Batch, Method, Network, Stage, State
from methods.base import Weights


class OneByOne:
    """The cells of a pack side by side, sharing nothing but the clock."""

    def __init__(
        self, cells: Sequence[Cell], data: Sequence[CellData], *, capturable: bool = False
    ) -> None:
        self.cells, self.data = cells, data
        pairs = zip(cells, data, strict=True)
        self.members = [Member(cell, own, capturable=capturable) for cell, own in pairs]

    def begin(self, number: int, stage: Stage, recipe: Recipe) -> None:
        """Start a stage."""
        for member in self.members:
            member.begin(number, stage, recipe)

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the coming steps."""
        for member in self.members:
            member.optimizer.set_learning_rate(lr)

    def batches(self, epoch: int) -> Iterator[tuple[tuple[Tensor, Batch], ...]]:
        """Yield the images and the batch of every cell."""
        for network in (network for member in self.members for network in member.networks):
            network.train()
        return batches(self.cells, self.data, epoch)

    def step(self, batches: Sequence[tuple[Tensor, Batch]], epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``."""
        pairs = zip(self.members, batches, strict=True)
        return torch.stack([member.step(*batch, epoch) for member, batch in pairs])

    def update_averages(self) -> None:
        """Let averaged weights follow a step."""
        for member in self.members:
            member.update_averages()

    def mean(self, losses: Sequence[Tensor]) -> list[float]:
        """Return each cell's mean loss, added up in the order of the steps."""
        means: list[float] = (sum(losses, torch.zeros_like(losses[0])) / len(losses)).tolist()
        return means

    def refit(self, outputs: Tensor, epoch: Tensor) -> None:
        """Let the method learn from the logits on the training set."""
        for member, own in zip(self.members, outputs, strict=True):
            classes = member.data.num_classes
            member.state = member.method.refitted(own, member.state, epoch, classes)

    @torch.no_grad()
    def evaluate(self, images: Iterable[Tensor], *, features: bool = False) -> Tensor:
        """Return logits ``(K, networks, N, C)``, features behind where they are wanted."""
        shown = [member.predictors for member in self.members]
        for network in (network for own in shown for network in own):
            if network.training:  # until the next epoch's batches
                network.eval()
        logits = []
        for chunk in images:
            pairs = zip(map(channels_last, chunk), shown, strict=True)
            calls = [(network, partial(network, x)) for x, own in pairs for network in own]
            found = [with_features(*each) if features else each[1]() for each in calls]
            logits.append(torch.stack(found))
        every: Tensor = torch.cat(logits, 1).unflatten(0, (len(shown), -1))
        return every

    def states(self) -> list[State]:
        """Return the method's state of every cell."""
        return [member.state for member in self.members]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that an epoch leaves for the next one, by name."""
        return {
            f"{place}.{name}": own
            for place, member in enumerate(self.members)
            for name, own in member.tensors().items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what a team like this one has left."""
        for place, member in enumerate(self.members):
            member.restore(under(f"{place}.", tensors))

    @property
    def carried(self) -> list[State]:
        """The tensors that a step makes anew and the next one reads; others change in place."""
        return self.states()

    @carried.setter
    def carried(self, states: list[State]) -> None:
        for member, state in zip(self.members, states, strict=True):
            member.state = state


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): own for name, own in tensors.items() if name.startswith(prefix)
    }


def refuse_others(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those of a team, by name, shape and type.

    Raises:
        ValueError: they are others.
    """
    forms = [{n: (t.shape, t.dtype) for n, t in each.items()} for each in (own, tensors)]
    if forms[0] != forms[1]:
        raise ValueError("a checkpoint has other tensors than this pack")


class Average:
    """The moving average of a network and its buffers, to be updated after every step."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.follower = Follower(_tensors(self.network), decay)

    def update(self, network: nn.Module) -> None:
        """Mix in what a step left behind; the first is taken as it is."""
        self.follower.update(_tensors(network), first_as_it_is=True)


def _trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of a network that its stage trains."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def _weights_and_gradient(own: Mapping[str, nn.Parameter]) -> tuple[Weights, Weights]:
    params = {name: param.detach() for name, param in own.items()}
    return params, {name: param.grad for name, param in own.items() if param.grad is not None}


def _at_weights(network: nn.Module, weights: Weights) -> Callable[[Tensor], Tensor]:
    """Return what a network computes at other weights; it leaves running statistics alone."""
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    return partial(functional_call, network, {**buffers, **weights})


def _tensors(network: nn.Module) -> list[Tensor]:
    return [value.detach() for value in (*network.parameters(), *network.buffers())]


class Member:
    """One cell of a team: its networks, their averages, its optimiser and its method's state."""

    networks: Sequence[nn.Module]
    averages: Sequence[Average]  # of each network, for a method that uses them
    blueprint: nn.Module | None  # the first network, for a method that looks ahead
    optimizer: Optimizer  # of the stage
    clip_norm: float  # of the stage

    def __init__(self, cell: Cell, data: CellData, *, capturable: bool) -> None:
        self.cell, self.method, self.data = cell, cell.method, data
        self.state = initial_state(cell, data)
        self._capturable = capturable

    @property
    def predictors(self) -> Sequence[nn.Module]:
        """The networks that the method predicts with."""
        return self.averaged if "predictions" in self.method.averaged else self.networks

    @property
    def averaged(self) -> Sequence[nn.Module]:
        """The averages of the networks, as networks."""
        return [average.network for average in self.averages]

    def begin(self, number: int, stage: Stage, recipe: Recipe) -> None:
        """Start a stage with an optimiser that has seen nothing yet."""
        method = self.method
        if not number or stage.fresh_networks:
            fresh, layout = fresh_networks(self.cell, self.data, number), torch.channels_last
            self.networks, self.averages = [one.to(memory_format=layout) for one in fresh], []
            if method.averaged:
                steps = steps_of(self.cell, len(self.data.noisy))
                decay = method.decay(steps, self.cell.recipe.epochs)
                self.averages = [Average(network, decay) for network in self.networks]
        if stage.fresh_layers:
            replace_last_layers(
                self.networks, fresh_networks(self.cell, self.data, number), stage.fresh_layers
            )
        params = trainable_parameters(self.networks, stage.fresh_layers)
        self.blueprint = None
        if method.looks_ahead():
            self.blueprint = without_running_statistics(self.networks[0])
        self.optimizer = Optimizer(recipe, params, capturable=self._capturable)
        self.clip_norm = recipe.clip_norm

    def step(self, image: Tensor, batch: Batch, epoch: Tensor) -> Tensor:
        """Take one step, every hook of the method in its order, and return the loss, 0-d.

        Args:
            image: ``(views, B, channels, H, W)``, normalised.
            batch: the examples behind the images.
            epoch: 0-d, counts from 0.
        """
        method, state = self.method, self.state
        if self.blueprint is not None:
            state = method.lookahead(self._as_function(self.blueprint), image[0], batch, state)
        if method.peeks:
            peeker = self.averaged if "peeks" in method.averaged else self.networks
            with torch.no_grad():
                batch = batch._replace(outputs=self._logits(image, peeker))
        image, batch = method.prepare(image, batch, state, epoch)
        leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
        logits, before = self._logits(image, self.networks), state
        loss, state = method.loss(logits, batch, {**before, **leaves}, epoch)
        self.optimizer.zero_grad()
        loss.backward()
        state = {name: value.detach() for name, value in state.items()}
        if method.perturbs():
            self._take_gradient_elsewhere(image, batch, (before, state), epoch)
        if type(method).gradient is not Method.gradient:
            self._change_gradient(state, epoch)
        if self.clip_norm:
            for network in self.networks:
                nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
        self.optimizer.step()
        if leaves:
            slopes = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
            state = method.learn(state, slopes, epoch)
        self.state = state
        return loss.detach()

    def update_averages(self) -> None:
        """Let the averages, if there are any, follow a step."""
        for average, network in zip(self.averages, self.networks, strict=False):
            average.update(network)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that an epoch leaves for the next one, by name."""
        tensors = {f"state.{name}": own for name, own in self.state.items()}
        tensors |= {f"optimizer.{name}": own for name, own in self.optimizer.tensors().items()}
        for kind, networks in (("network", self.networks), ("average", self.averaged)):
            for i, network in enumerate(networks):
                own = dict(network.named_parameters()) | dict(network.named_buffers())
                tensors |= {f"{kind}{i}.{name}": value.detach() for name, value in own.items()}
        counts = (average.follower.count for average in self.averages)
        return tensors | {f"steps{i}": count for i, count in enumerate(counts)}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what a cell like this one has left."""
        self.optimizer.make_room(under("optimizer.", tensors))
        refuse_others(self.tensors(), tensors)
        self.state = under("state.", tensors)
        for i, average in enumerate(self.averages):
            average.follower.resume(tensors[f"steps{i}"])
        for name, own in self.tensors().items():
            own.copy_(tensors[name])

    def _logits(self, image: Tensor, networks: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
        """Return logits ``(networks, views, B, C)``, axes of size 1 dropped, never half precision.

        Args:
            image: ``(views, B, channels, H, W)``. Batch normalisation sees all views together.
            networks: those of the method, or their averages, or either at other weights.
        """
        flat = channels_last(image.flatten(0, 1))
        with autocast(self.cell.precision, image.device):
            outputs = [network(flat).to(image.dtype) for network in networks]
        if len(image) > 1:
            outputs = [logits.unflatten(0, image.shape[:2]) for logits in outputs]
        return torch.stack(outputs) if len(outputs) > 1 else outputs[0]

    def _change_gradient(self, state: State, epoch: Tensor) -> None:
        """Give the optimiser what the method makes of each network's gradient."""
        for network in self.networks:
            own = _trained(network)
            changed = self.method.gradient(*_weights_and_gradient(own), state, epoch)
            for name, grad in changed.items():
                own[name].grad = grad

    def _take_gradient_elsewhere(
        self, image: Tensor, batch: Batch, states: tuple[State, State], epoch: Tensor
    ) -> None:
        """Replace each network's gradient by that at the weights which the method names.

        Args:
            image: as the first pass got it.
            batch: likewise.
            states: that with which the first pass had its loss, and the next one.
            epoch: 0-d.
        """
        each = [_trained(network) for network in self.networks]
        moved = [self.method.perturb(*_weights_and_gradient(o), states[1], epoch) for o in each]
        leaves = [{n: own.detach().requires_grad_() for n, own in one.items()} for one in moved]
        pairs = zip(self.networks, leaves, strict=True)
        logits = self._logits(image, [_at_weights(network, own) for network, own in pairs])
        loss, _ = self.method.loss(logits, batch, states[0], epoch)
        wanted = [leaf for own in leaves for leaf in own.values()]
        grads = iter(torch.autograd.grad(loss, wanted, materialize_grads=True))
        for own, there in zip(each, leaves, strict=True):
            for name in there:
                own[name].grad = next(grads)

    def _as_function(self, blueprint: nn.Module) -> Network:
        """Return the first network as a function of its weights."""

        def forward(params: Weights, image: Tensor) -> Tensor:
            with autocast(self.cell.precision, image.device):
                logits: Tensor = functional_call(blueprint, params, (channels_last(image),))
            return logits.to(image.dtype)

        params = {name: p.detach() for name, p in self.networks[0].named_parameters()}
        return Network(params, forward, self.optimizer.learning_rate())
