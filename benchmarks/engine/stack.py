"""The team of a pack whose networks are stacked, so that one kernel works for all cells.

Parameters, buffers and the method's state carry a leading axis of ``K`` cells, and every hook is
mapped over it. Dense networks are batched products, so small networks no longer pay the price of a
kernel launch each.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from benchmarks.engine.averages import Follower
from benchmarks.engine.batches import chunks, steps_of
from benchmarks.engine.data import CellData, initial_state
from benchmarks.engine.networks import fresh_networks, without_running_statistics
from benchmarks.engine.one_by_one import refuse_others, under
from benchmarks.engine.optimizer import Optimizer
from benchmarks.engine.vmap import (
    BatchFields,
    Hooks,
    Stacked,
    forward,
    is_chain_of_products,
    mapped_autocast,
    of_network,
)
from benchmarks.models.base import last_layers
from benchmarks.recipes import Recipe
from benchmarks.sweep import Cell
from methods import Network, Stage, State, Trusted
from methods.base import Weights


class StackedAverage:
    """The moving averages of stacked networks and buffers, to be updated after every step."""

    def __init__(self, params: Stacked, buffers: Stacked, decay: float) -> None:
        self.params, self.buffers = (
            {name: value.detach().clone() for name, value in tree.items()}
            for tree in (params, buffers)
        )
        self.follower = Follower([*self.params.values(), *self.buffers.values()], decay)

    def update(self, params: Stacked, buffers: Stacked) -> None:
        """Mix in what a step left behind, in place: a graph may read the averages."""
        new = [params[name] for name in self.params], [buffers[name] for name in self.buffers]
        self.follower.update([*new[0], *new[1]])


class Stack:
    """The cells of a pack as stacked tensors. Its step is that of ``one_by_one.Member``, mapped."""

    params: Stacked
    buffers: Stacked
    average: StackedAverage | None  # for a method that uses one
    ahead: nn.Module  # the architecture for a method that looks ahead
    trainable: list[str]  # the parameters that the stage trains
    optimizer: Optimizer  # of the stage
    clip_norm: float  # of the stage

    def __init__(
        self,
        cells: Sequence[Cell],
        data: Sequence[CellData],
        *,
        capturable: bool = False,
        copies: int = 0,
    ) -> None:
        """Hold cells, so many copies of the last one behind it among them."""
        self.cells, self.data, self._copies = cells, data, copies
        self.method, self._hooks = cells[0].method, Hooks(cells[0].method)
        self.state = stacked([initial_state(*pair) for pair in zip(cells, data, strict=True)])
        self._capturable = capturable

    def begin(self, number: int, stage: Stage, recipe: Recipe) -> None:
        """Start a stage with a new optimiser, and with fresh weights where it wants them."""
        starts_anew = not number or stage.fresh_networks
        if starts_anew or stage.fresh_layers:
            self.blueprint, params, buffers = self._fresh(number)
            if self.method.looks_ahead():
                self.ahead = without_running_statistics(self.blueprint)
        if starts_anew:
            self.params, self.buffers, self.average = params, buffers, None
            if self.method.averaged:
                steps = steps_of(self.cells[0], len(self.data[0].noisy))
                decay = self.method.decay(steps, self.cells[0].recipe.epochs)
                self.average = StackedAverage(params, buffers, decay)
        names = last_layers(self.blueprint, stage.fresh_layers)
        if stage.fresh_layers:
            self.params |= {name: params[name] for name in names if name in params}
            self.buffers |= {name: buffers[name] for name in names if name in buffers}
        self.trainable = [name for name in self.params if name in set(names)]
        for name, param in self.params.items():
            param.requires_grad_(name in self.trainable)
        trainable = [self.params[name] for name in self.trainable]
        self.optimizer = Optimizer(recipe, trainable, capturable=self._capturable)
        self.clip_norm = recipe.clip_norm

    def _fresh(self, stage: int) -> tuple[nn.Module, Stacked, Stacked]:
        """Return an architecture, and the parameters and buffers that the cells start from."""
        shape, pairs = (
            (len(self.cells), self.method.networks),
            zip(self.cells, self.data, strict=True),
        )
        networks = [network for pair in pairs for network in fresh_networks(*pair, stage)]
        params, buffers = (
            {name: value.detach().unflatten(0, shape) for name, value in tensors.items()}
            for tensors in stack_module_state(networks)
        )
        return networks[0], params, buffers

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the coming steps."""
        self.optimizer.set_learning_rate(lr)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, BatchFields]]:
        """Yield images ``(K, views, B, channels, H, W)`` and the fields of the batches."""
        for of_cells in chunks(self.cells, self.data, epoch):
            image, ids, label = (
                torch.stack([getattr(chunk, name) for chunk in of_cells])
                for name in ("image", "ids", "label")
            )
            for steps in zip(*(chunk.batches for chunk in of_cells), strict=True):
                own = steps[0].places
                fields: BatchFields = {"ids": ids[:, own], "label": label[:, own]}
                if steps[0].draws:
                    fields["draws"] = stacked([step.draws for step in steps])
                if steps[0].trusted:
                    trusted = (step.trusted for step in steps if step.trusted)
                    fields["trusted"] = Trusted(*map(torch.stack, zip(*trusted, strict=True)))
                yield image[:, :, own], fields

    def step(self, batches: tuple[Tensor, BatchFields], epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``."""
        (image, fields), state = batches, self.state
        method, hooks = self.method, self._hooks
        self.blueprint.train()
        if method.looks_ahead():
            state = hooks.lookahead(*self._as_functions(), image[:, 0], fields, state)
        if method.peeks:
            fields = {**fields, "outputs": self._peek(image)}
        image, fields = hooks.prepare(image, fields, state, epoch)
        leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
        logits, self.buffers = self._logits((self.params, self.buffers), image)
        before = state
        loss, state = hooks.loss(logits, fields, {**before, **leaves}, epoch)
        params = {name: self.params[name] for name in self.trainable}
        wanted = [*params.values(), *leaves.values()]
        slopes = torch.autograd.grad(loss.sum(), wanted, materialize_grads=True)
        state = {name: value.detach() for name, value in state.items()}
        grads = dict(zip(params, slopes, strict=False))
        if method.perturbs():
            with torch.no_grad():
                moved = hooks.perturb(params, grads, state, epoch)
            grads = self._gradient_at(moved, image, fields, before, epoch)
        with torch.no_grad():
            self._move(hooks.gradient(params, grads, state, epoch))
            own = dict(zip(leaves, slopes[len(params) :], strict=True))
            self.state = hooks.learn(state, own, epoch)
        return loss.detach()

    def _logits(self, weights: tuple[Stacked, Stacked], image: Tensor) -> tuple[Tensor, Stacked]:
        """Return logits as the method gets them, axes of size 1 dropped, and running statistics.

        Args:
            weights: parameters and buffers.
            image: ``(K, views, B, channels, H, W)``.
        """
        flat, each, after = image.flatten(1, 2), [], []
        for k in range(self.method.networks):
            with mapped_autocast(self.cells[0].precision, image.device):
                outputs, buffers = forward(self.blueprint, of_network(weights, k), flat)
            each.append(outputs.to(image.dtype).unflatten(1, image.shape[1:3]))
            after.append(buffers)
        if len(each) == 1:
            kept, logits = {name: own[:, None] for name, own in after[0].items()}, each[0][:, None]
        else:
            kept = {name: torch.stack([own[name] for own in after], 1) for name in weights[1]}
            logits = torch.stack(each, 1)  # (K, networks, views, B, C)
        if image.shape[1] == 1:
            logits = logits[:, :, 0]
        return (logits if len(each) > 1 else logits[:, 0]), kept

    def _gradient_at(
        self, params: Stacked, image: Tensor, fields: BatchFields, state: State, epoch: Tensor
    ) -> Stacked:
        """Return the gradient at other weights; running statistics stay as they are.

        Args:
            params: those that the stage trains, elsewhere.
            image: as the first pass got it.
            fields: of the batches, likewise.
            state: that with which the first pass had its loss.
            epoch: 0-d.
        """
        leaves = {name: value.detach().requires_grad_() for name, value in params.items()}
        logits, _ = self._logits(({**self.params, **leaves}, self.buffers), image)
        loss, _ = self._hooks.loss(logits, fields, state, epoch)
        slopes = torch.autograd.grad(loss.sum(), list(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, slopes, strict=True))

    @torch.no_grad()
    def _peek(self, image: Tensor) -> Tensor:
        """Return logits before the step; the networks' own move their running statistics."""
        if self.average is None or "peeks" not in self.method.averaged:
            outputs, self.buffers = self._logits((self.params, self.buffers), image)
            return outputs
        self.blueprint.eval()
        outputs, _ = self._logits((self.average.params, self.average.buffers), image)
        self.blueprint.train()
        return outputs

    def _as_functions(self) -> tuple[Network, Stacked]:
        """Return the first networks as functions of their weights, and what these lack."""

        def run(weights: Weights, image: Tensor) -> Tensor:
            with mapped_autocast(self.cells[0].precision, image.device):
                logits: Tensor = functional_call(self.ahead, weights, (image,))
            return logits.to(image.dtype)

        params = {name: value[:, 0].detach() for name, value in self.params.items()}
        names = (name for name, _ in self.ahead.named_buffers())  # no running statistics
        constants = {name: self.buffers[name][:, 0] for name in names}
        return Network(params, run, self.optimizer.learning_rate()), constants

    def _move(self, grads: Stacked) -> None:
        """Clip each network's gradient by its own norm, and let the optimiser step."""
        if self.clip_norm:
            squares = [grad.flatten(2).square().sum(-1) for grad in grads.values()]
            norm = torch.stack(squares).sum(0).sqrt()  # (K, networks)
            scale = (self.clip_norm / (norm + 1e-6)).clamp(max=1.0)
            grads = {
                n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()
            }
        for name, grad in grads.items():
            self.params[name].grad = grad
        self.optimizer.step()

    def update_averages(self) -> None:
        """Let averaged weights follow a step."""
        if self.average is not None:
            self.average.update(self.params, self.buffers)

    def mean(self, losses: Sequence[Tensor]) -> list[float]:
        """Return each cell's mean loss."""
        means: list[float] = torch.stack(list(losses), 1).mean(1).tolist()
        return means

    def refit(self, outputs: Tensor, epoch: Tensor) -> None:
        """Let the method learn from the logits on the training set, cell by cell: never mapped."""
        if self.method.refits():
            pairs = zip(outputs, self.states(), strict=True)
            classes = self.data[0].num_classes
            self.state = stacked([self.method.refitted(*pair, epoch, classes) for pair in pairs])

    @torch.no_grad()
    def evaluate(self, images: Iterable[Tensor], *, features: bool = False) -> Tensor:
        """Return logits ``(K, networks, N, C)``, features behind where they are wanted."""
        shown = (self.params, self.buffers)
        if self.average is not None and "predictions" in self.method.averaged:
            shown = (self.average.params, self.average.buffers)
        self.blueprint.eval()
        # A matrix product is the same wherever it stands in a stack, so that copies need none.
        own = len(self.cells) - (self._copies if is_chain_of_products(self.blueprint) else 0)
        params, buffers = ({name: value[:own] for name, value in tree.items()} for tree in shown)
        logits = []
        for chunk in images:
            each = (of_network((params, buffers), k) for k in range(self.method.networks))
            found = [
                forward(self.blueprint, weights, chunk[:own], features=features)[0]
                for weights in each
            ]
            logits.append(torch.stack(found, 1))
        every = torch.cat(logits, 2)
        return torch.cat([every, *[every[-1:]] * (len(self.cells) - own)])

    def states(self) -> list[State]:
        """Return the method's state of every cell."""
        return [
            {name: value[k] for name, value in self.state.items()} for k in range(len(self.cells))
        ]

    def tensors(self) -> dict[str, Tensor]:
        """Return all that an epoch leaves for the next one, by name."""
        trees = {"params": self.params, "buffers": self.buffers, "state": self.state}
        trees["optimizer"] = self.optimizer.tensors()
        if self.average is not None:
            trees |= {"mean": self.average.params, "mean buffers": self.average.buffers}
            trees["follower"] = {"steps": self.average.follower.count}
        return {
            f"{kind}.{n}": own.detach() for kind, tree in trees.items() for n, own in tree.items()
        }

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what a team like this one has left."""
        self.optimizer.make_room(under("optimizer.", tensors))
        refuse_others(self.tensors(), tensors)
        self.state, self.buffers = under("state.", tensors), under("buffers.", tensors)
        if self.average is not None:
            self.average.follower.resume(tensors["follower.steps"])
        for name, own in self.tensors().items():
            own.copy_(tensors[name])

    @property
    def carried(self) -> tuple[State, Stacked]:
        """The tensors that a step makes anew and the next one reads; others change in place."""
        return self.state, self.buffers

    @carried.setter
    def carried(self, carried: tuple[State, Stacked]) -> None:
        self.state, self.buffers = carried


def stacked(tensors: Sequence[Mapping[str, Tensor]]) -> State:
    """Return the tensors of every cell by name, ``(K, ...)``."""
    return {name: torch.stack([own[name] for own in tensors]) for name in tensors[0]}
