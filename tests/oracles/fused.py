"""A second engine, written from the description: many cells at once, every formula by hand.

It maps a method's hooks over stacked cells with ``torch.func`` and holds its own momentum, weight
decay, clipping and schedule, so it shares nothing with the reference driver but the hooks, the
initial weights and the named random streams.
"""

import math

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from benchmarks.engine.augment import crop_and_flip, draw
from benchmarks.models import initialised
from benchmarks.seeds import generator
from methods import Batch, Task

K_AXIS = 0


def train(cells, problems):
    """Return ``(epochs, K, networks, M, C)`` test logits of cells that share a method."""
    first = cells[0]
    method, recipe, count = first.method, first.recipe, len(cells)
    noisy = torch.stack([problem.noisy for problem in problems])  # (K, N)
    states = [method.init(Task(row, 10, recipe.epochs)) for row in noisy]
    state = {name: torch.stack([s[name] for s in states]) for name in states[0]}
    base = first.model.build(first.dataset.shape, 10)
    curve, outputs, number = [], None, 0
    for part, stage in enumerate(method.stages(recipe.epochs)):
        if part == 0 or stage.fresh_networks:
            params, buffers = stacked_networks(cells, part)
        velocity = {name: torch.zeros_like(p) for name, p in params.items()}
        for local in range(stage.epochs):
            lr = recipe.lr * 0.5 * (1 + math.cos(math.pi * local / stage.epochs))
            epoch = torch.tensor(number)
            if outputs is not None:
                state = refit_one_by_one(method, outputs, state, epoch)
            for ids, image in batches(cells, problems, number):
                label = noisy.gather(1, ids)
                grads, state, buffers = gradients(
                    method, base, params, buffers, (image, ids, label), state, epoch
                )
                params, velocity = step(recipe, params, grads, velocity, lr)
            images = torch.stack([p.pixels(p.train) for p in problems])
            outputs = evaluate(base, params, buffers, images)
            tests = torch.stack([p.pixels(p.test.image) for p in problems])
            curve.append(evaluate(base, params, buffers, tests))
            number += 1
    assert len(curve[0]) == count
    return torch.stack(curve)


def stacked_networks(cells, part):
    nets = [
        initialised(c.model, c.dataset.shape, 10, ("digits", c.seed, k, part))
        for c in cells
        for k in range(c.method.networks)
    ]
    shape = (len(cells), cells[0].method.networks)
    trees = stack_module_state(nets)
    return tuple({n: t.detach().unflatten(0, shape) for n, t in tree.items()} for tree in trees)


def batches(cells, problems, epoch):
    recipe, size = cells[0].recipe, len(problems[0].noisy)
    order = torch.stack(
        [torch.randperm(size, generator=generator("order", "digits", c.seed, epoch)) for c in cells]
    )
    draws = [draw(size, recipe.crop, generator("augment", "digits", c.seed, epoch)) for c in cells]
    start = 0
    while start < size:
        stop = start + recipe.batch
        stop = size if size - stop <= 1 else stop
        ids = order[:, start:stop]
        image = torch.stack([p.train[row] for p, row in zip(problems, ids, strict=True)])
        if recipe.crop or recipe.flip:
            image = torch.stack(
                [
                    crop_and_flip(x, o[row], f[row] & recipe.flip, recipe.crop)
                    for x, (o, f, _), row in zip(image, draws, ids, strict=True)
                ]
            )
        yield ids, problems[0].pixels(image)
        start = stop


def gradients(method, base, params, buffers, batch, state, epoch):
    image, ids, label = batch
    base.train()

    def loss_of_one_cell(params, buffers, image, ids, label, state):
        buffers = {name: b.clone() for name, b in buffers.items()}
        logits = []
        for k in range(method.networks):
            own = {name: b[k].clone() for name, b in buffers.items()}
            weights = {name: p[k] for name, p in params.items()}
            logits.append(functional_call(base, (weights, own), (image,)))
            for name, b in buffers.items():
                others = [b[j] if j != k else own[name] for j in range(method.networks)]
                buffers[name] = torch.stack(others)
        logits = torch.stack(logits) if method.networks > 1 else logits[0]
        loss, state = method.loss(logits, Batch(ids, label), state, epoch)
        return loss, (state, buffers)

    grads, (_, (state, buffers)) = vmap(grad_and_value(loss_of_one_cell, has_aux=True))(
        params, buffers, image, ids, label, state
    )
    return grads, {name: s.detach() for name, s in state.items()}, buffers


def step(recipe, params, grads, velocity, lr):
    if recipe.clip_norm:
        squares = sum(g.flatten(2).pow(2).sum(-1) for g in grads.values())  # (K, networks)
        scale = (recipe.clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1)
        grads = {n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()}
    grads = {n: g + recipe.weight_decay * params[n] for n, g in grads.items()}
    velocity = {n: recipe.momentum * velocity[n] + g for n, g in grads.items()}
    return {n: p - lr * velocity[n] for n, p in params.items()}, velocity


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
