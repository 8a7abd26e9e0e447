"""A second engine, written from the description: many cells at once, every formula by hand.

It maps a method's hooks over stacked cells with ``torch.func`` and holds its own momentum, weight
decay, clipping and schedule, so it shares nothing with the engine but the hooks, the
initial weights and the named random streams.
"""

import copy
import dataclasses
import math

import torch
from torch.func import (
    functional_call,
    grad_and_value,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vmap,
)
from torch.utils import _pytree as pytree

from benchmarks.datasets import DATASETS
from benchmarks.engine.augmentation import crop_and_flip, draw
from benchmarks.models import initialised
from benchmarks.seeds import generator, seeded
from methods import Batch, Network, Task, Trusted


def train(cells, problems):
    """Return ``(epochs, K, networks, M, C)`` test logits of cells that share a method."""
    first = cells[0]
    method, recipe, count = first.method, first.recipe, len(cells)
    states = [start(cell, problem) for cell, problem in zip(cells, problems, strict=True)]
    state = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    base = first.model.build(first.dataset.shape, method.columns(10))
    curve, outputs, number = [], None, 0
    for part, stage in enumerate(method.stages(recipe.epochs)):
        if part == 0 or stage.fresh_networks:
            params, buffers = stacked_networks(cells, part)
            slow, steps = (params, buffers), 0
        moving = recipe if not stage.recipe else dataclasses.replace(recipe, **stage.recipe)
        learns = list(params)
        if stage.fresh_layers:
            learns = renewed(base, params, buffers, stacked_networks(cells, part), stage)
        moments = {name: (torch.zeros_like(params[name]),) * 2 for name in learns}
        for local in range(stage.epochs):
            lr = moving.lr
            if moving.schedule == "cosine":
                lr *= 0.5 * (1 + math.cos(math.pi * local / stage.epochs))
            epoch = torch.tensor(number)
            if outputs is not None:
                state = refit_one_by_one(method, outputs, state, epoch)
            for count_in_stage, batch in enumerate(batches(cells, problems, number)):
                grads, state, buffers = gradients(
                    method, base, (params, slow), buffers, batch, state, epoch, lr
                )
                time = 1 + count_in_stage + local * per_epoch(cells[0], problems[0])
                moved = step(moving, params, {n: grads[n] for n in learns}, moments, (lr, time))
                params = {**params, **moved}
                steps += 1
                slow = average(method, slow, (params, buffers), steps, cells[0], problems[0])
            shown = slow if "predictions" in method.averaged else (params, buffers)
            images = torch.stack([p.pixels(p.train) for p in problems])
            outputs = evaluate(base, *shown, images)
            tests = torch.stack([p.pixels(p.test.image) for p in problems])
            curve.append(evaluate(base, *shown, tests))
            number += 1
    assert len(curve[0]) == count
    return torch.stack(curve)


def per_epoch(cell, problem):
    """Batches of an epoch; a last one of one example joins the one before."""
    full, rest = divmod(len(problem.noisy), cell.recipe.batch)
    return full + (rest > 1)


def renewed(base, params, buffers, fresh, stage):
    """Put fresh tensors into the last layers, counted from the end; return what learns."""
    owners, layers = [name for name, _ in base.named_children()], []
    while stage.fresh_layers > sum(has_weights for _, has_weights in layers):
        name = owners.pop()
        layers.append((name, any(p.dim() > 1 for p in getattr(base, name).parameters())))
    last = [name for name, _ in layers]
    for mine, theirs in zip((params, buffers), fresh, strict=True):
        for name in mine:
            if name.split(".")[0] in last:
                mine[name] = theirs[name]
    return [name for name in params if name.split(".")[0] in last]


def average(method, slow, fast, steps, cell, problem):
    """The mean of all steps, until it would reach back further than the decay does."""
    if not method.averaged:
        return slow
    decay = method.decay(per_epoch(cell, problem), cell.recipe.epochs)
    keep = min(decay, 1 - 1 / steps)
    return tuple(
        {n: (keep * old[n] + (1 - keep) * new[n]).to(new[n].dtype) for n in old}
        for old, new in zip(slow, fast, strict=True)
    )


def start(cell, problem):
    told = cell.method.privileges
    with seeded("method", DATASETS.name(cell.dataset), cell.seed, "init"):
        return cell.method.init(
            Task(
                problem.noisy,
                10,
                cell.recipe.epochs,
                problem.noise_rate if "rate" in told else None,
                problem.transition if "T" in told else None,
            )
        )


def stacked_networks(cells, part):
    nets = [
        initialised(c.model, c.dataset.shape, 10, (DATASETS.name(c.dataset), c.seed, k, part))
        for c in cells
        for k in range(c.method.networks)
    ]
    for at, net in enumerate(nets):
        c, k = cells[at // cells[0].method.networks], at % cells[0].method.networks
        more, salt = c.method.columns(10) - 10, (DATASETS.name(c.dataset), c.seed, k, part)
        if more:
            other = initialised(c.model, c.dataset.shape, more, ("more outputs", *salt))
            last, added = ([*network.children()][-1] for network in (net, other))
            last.weight = torch.nn.Parameter(torch.cat([last.weight, added.weight]))
            last.bias = torch.nn.Parameter(torch.cat([last.bias, added.bias]))
    shape = (len(cells), cells[0].method.networks)
    trees = stack_module_state(nets)
    return tuple({n: t.detach().unflatten(0, shape) for n, t in tree.items()} for tree in trees)


def batches(cells, problems, epoch):
    """Stacked ids, images ``(K, views, B, ...)``, labels, draws and trusted examples."""
    per_cell = [list(batches_of(*pair, epoch)) for pair in zip(cells, problems, strict=True)]
    for together in zip(*per_cell, strict=True):
        yield pytree.tree_map(lambda *leaves: torch.stack(leaves), *together)


def batches_of(cell, problem, epoch):
    recipe, method, size = cell.recipe, cell.method, len(problem.noisy)
    name = DATASETS.name(cell.dataset)
    order = torch.randperm(size, generator=generator("order", name, cell.seed, epoch))
    salts = [("augment", name, cell.seed, epoch, v)[: 5 if v else 4] for v in range(9)]
    sources = [generator(*salts[v]) for v in range(method.views)]
    if cell.dataset.vectors and method.views > 1:
        seen = [changed_vectors(cell, problem, v, source) for v, source in enumerate(sources)]
    else:
        views = [draw(size, recipe.crop, source) for source in sources]
        seen = [crop_and_flip(problem.train, o, f & recipe.flip, recipe.crop) for o, f, _ in views]
    sizes, left = [], size
    while left > 0:
        sizes.append(left if left - recipe.batch <= 1 else recipe.batch)
        left -= sizes[-1]
    with seeded("method", name, cell.seed, epoch):
        draws = [method.draw(length) for length in sizes]
    source = generator("trusted", name, cell.seed, epoch)
    for ids, drawn in zip(order.split(sizes), draws, strict=True):
        trusted = ()
        if len(problem.trusted):  # fewer than a batch in these tests, so one batch of all
            assert len(problem.trusted) <= recipe.batch
            own = problem.trusted[torch.randperm(len(problem.trusted), generator=source)]
            trusted = (problem.pixels(problem.train[own]), problem.clean[own])
        image = torch.stack([problem.pixels(view[ids]) for view in seen])
        yield ids, image, problem.noisy[ids], drawn, trusted


def changed_vectors(cell, problem, view, source):
    """One view of every vector, number by number: noise, then means in place of what is masked."""
    vectors, recipe = problem.pixels(problem.train[:]).flatten(1), cell.recipe
    (size, width), (mean, deviation) = vectors.shape, problem.moments.flatten(1)
    places = min(size * width, 2**20)
    noise = torch.randn(places + width - 1, dtype=torch.float32, generator=source).tolist()
    begins = torch.randint(places, (size,), generator=source).tolist()
    hidden, hides = [False] * len(noise), [0] * size
    if view in cell.method.strong_views:
        drawn = torch.rand(len(noise), dtype=torch.float32, generator=source)
        hidden = (drawn < recipe.masked).tolist()
        hides = torch.randint(places, (size,), generator=source).tolist()
    rows = [
        [
            mean[j].item()
            if hidden[hides[i] + j]
            else vectors[i, j].item() + recipe.jitter * deviation[j].item() * noise[begins[i] + j]
            for j in range(width)
        ]
        for i in range(size)
    ]
    return torch.tensor(rows)[:, :, None, None]


def gradients(method, base, weights, buffers, batch, state, epoch, lr):
    (params, slow), rest = weights, (buffers, batch, state)
    base.train()
    calm, memoryless = copy.deepcopy(base).eval(), copy.deepcopy(base)
    replace_all_batch_norm_modules_(memoryless)

    def logits_of(params, buffers, image, base=base):
        """Logits ``(networks, views, B, C)`` and the running statistics after them."""
        views, rows = image.shape[:2]
        logits, after = [], []
        for k in range(method.networks):
            own = {name: b[k].clone() for name, b in buffers.items()}
            weights = {name: p[k] for name, p in params.items()}
            outputs = functional_call(base, (weights, own), (image.flatten(0, 1),))
            logits.append(outputs.unflatten(0, (views, rows)))
            after.append(own)
        buffers = {name: torch.stack([own[name] for own in after]) for name in buffers}
        return trimmed(torch.stack(logits)), buffers

    def trimmed(logits):
        logits = logits if method.views > 1 else logits[:, 0]
        return logits if method.networks > 1 else logits[0]

    def loss_of_one_cell(learnt, slow, buffers, batch, state):
        params, leaves = learnt
        ids, image, label, draws, trusted = batch
        batch = Batch(ids, label, draws, trusted=Trusted(*trusted) if trusted else None)
        if trusted:
            alone = {name: p[0].detach() for name, p in params.items()}
            rate = torch.tensor(lr)
            network = Network(alone, lambda p, x: functional_call(memoryless, p, (x,)), rate)
            state = method.lookahead(network, image[0], batch, state)
        if method.peeks:
            with torch.no_grad():
                if "peeks" in method.averaged:
                    seen, _ = logits_of(*slow, image, calm)
                else:
                    seen, buffers = logits_of(params, buffers, image)
            batch = batch._replace(outputs=seen.detach())
        image, batch = method.prepare(image, batch, state, epoch)
        logits, buffers = logits_of(params, buffers, image)
        loss, state = method.loss(logits, batch, {**state, **leaves}, epoch)
        return loss, (state, buffers)

    leaves = {name: state[name] for name in method.learnable}
    backward = vmap(grad_and_value(loss_of_one_cell, has_aux=True))
    (grads, slopes), (_, (state, buffers)) = backward((params, leaves), slow, *rest)
    state = {name: s.detach() for name, s in state.items()}
    if method.perturbs():  # a second pass, of which nothing but the gradient stays
        away = one_by_one(method.perturb, params, grads, state, epoch), leaves
        grads = backward(away, slow, *rest)[0][0]
    grads = one_by_one(method.gradient, params, grads, state, epoch)
    if leaves:
        state = vmap(method.learn, in_dims=(0, 0, None))(state, slopes, epoch)
    return grads, state, buffers


def one_by_one(hook, params, grads, state, epoch):
    """A hook on weights and their gradient, cell by cell and network by network."""
    cells, networks = next(iter(params.values())).shape[:2]
    slopes = [
        [
            hook(
                {name: p[i, k] for name, p in params.items()},
                {name: g[i, k] for name, g in grads.items()},
                {name: s[i] for name, s in state.items()},
                epoch,
            )
            for k in range(networks)
        ]
        for i in range(cells)
    ]
    return {n: torch.stack([torch.stack([f[n] for f in row]) for row in slopes]) for n in grads}


def step(recipe, params, grads, moments, clock):
    """Move what has a gradient; ``moments`` are overwritten: velocity, or those of Adam."""
    lr, time = clock
    if recipe.clip_norm:
        squares = sum(g.flatten(2).pow(2).sum(-1) for g in grads.values())  # (K, networks)
        scale = (recipe.clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1)
        grads = {n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()}
    moved = {}
    for name, grad in grads.items():
        pull = grad + recipe.weight_decay * params[name]
        first, second = moments[name]
        if recipe.optimizer == "sgd":
            first = recipe.momentum * first + pull
            way = first
        else:
            first, second = 0.9 * first + 0.1 * pull, 0.999 * second + 0.001 * pull**2
            way = first / (1 - 0.9**time) / ((second / (1 - 0.999**time)).sqrt() + 1e-8)
        moments[name] = first, second
        moved[name] = params[name] - lr * way
    return moved


def evaluate(base, params, buffers, images):
    base.eval()

    def one_network(weights, own, image):
        return functional_call(base, (weights, own), (image,))

    with torch.no_grad():
        return vmap(vmap(one_network, in_dims=(0, 0, None)))(params, buffers, images)


def refit_one_by_one(method, outputs, state, epoch):
    fitted = [
        method.refit(out, {name: s[i] for name, s in state.items()}, epoch)
        for i, out in enumerate(outputs)
    ]
    return {name: torch.stack([f[name] for f in fitted]) for name in state}
