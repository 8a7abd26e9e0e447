"""The authors' graph of Decoupling, which ours is held against."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

import torch
import torch.nn.functional as F
from torch import Tensor

from methods import METHODS, Batch, Task
from tests.authors.code import Names
from tests.authors.stand_ins import QUIET
from tests.authors.visits import EPOCHS, B, Difference, N, Training, Visit, apart, batches, largest


class _GraphBuilt(Exception):  # noqa: N818  no error
    """Both losses are there, which is all that is asked of a graph."""


def _tensorflow(logits: list[Tensor], label: Tensor) -> dict[str, Any]:
    """Return what the code of Decoupling takes of TensorFlow 1, by PyTorch."""
    tf, found = MagicMock(), []
    tf.cast = tf.identity = tf.stop_gradient = lambda x, *_, **__: x
    tf.to_float, tf.to_int64 = Tensor.double, Tensor.long
    tf.argmax = lambda x, axis: x.argmax(axis)
    tf.equal, tf.not_equal = torch.eq, torch.ne
    tf.logical_or = lambda a, b: a | b
    tf.reduce_sum, tf.reduce_mean = lambda x, **_: x.sum(), lambda x, **_: x.mean()
    tf.maximum = lambda least, x: torch.as_tensor(x).clamp(min=least)
    tf.get_collection = lambda *_, **__: []
    tf.Variable = lambda first, **_: first
    tf.nn.sparse_softmax_cross_entropy_with_logits = lambda z, y, **_: F.cross_entropy(
        z, y, reduction="none"
    )
    tf.variable_scope.return_value.__enter__.return_value.name = "net"
    given = iter(logits)

    def optimizer(_name: str, _eta: float, loss: Tensor, **_more: Any) -> None:
        found.append(loss)
        if len(found) == len(logits):
            raise _GraphBuilt

    more = {"select_model": lambda _: lambda *_: next(given), "optimizer": optimizer}
    more |= {"distorted_inputs": lambda *_: (None, label, None), "found": found}
    return {"tf": tf, "open": MagicMock(), "json": MagicMock(), "os": MagicMock(), **more}


OP = SimpleNamespace(name="")
"""The operation that a tensor of TensorFlow comes from."""


def _decoupling(spec: str, names: Names) -> Difference:
    """Build the graph of two networks, with as many labels of one class as of the other."""
    method, label = METHODS.build(spec), torch.arange(N) % 2  # classes weigh the same there
    flags = {"dual": True, "init_iter": 0, "min_batch_size": 0.1, "batch_size": B, "reed": "none"}
    flags |= {"Qloss": False, "s_model": False, "Qloss_weight": 0.01, "eta": 0.1, "optim": ""}
    told, judge = MagicMock(**flags), names["loss"]

    def visits() -> Iterator[Visit]:
        state, source = method.init(Task(label, 2, EPOCHS)), torch.Generator().manual_seed(3)
        for visit, (places, drawn) in enumerate(batches([2], columns=2)):
            close = torch.stack([drawn[0], drawn[0] + 0.1 * drawn[1]])  # they hardly disagree
            logits = (close if visit % 2 else drawn).detach().requires_grad_()
            half = torch.randperm(N // 2, generator=source)[: B // 2]
            ids = torch.cat([2 * half, 2 * half + 1])[torch.argsort(places)]
            weights: list[Tensor] = []

            def noted(*args: Any, weights: list[Tensor] = weights) -> Any:
                weights.append(args[3])
                return judge(*args)

            more = _tensorflow(list(logits), label[ids])
            with (
                patch.dict(names, {**more, "FLAGS": told, "loss": noted}),
                patch.object(Tensor, "op", OP, create=True),
                contextlib.suppress(_GraphBuilt),
            ):
                names["main"]()
            mine, state = method.loss(logits, Batch(ids, label[ids]), state, torch.tensor(0))
            moved = apart(state["kept"][ids], weights[0])
            yield Visit(logits, mine, sum(more["found"]), moved)

    return largest(visits())


DECOUPLING = Training("decoupling", "emalach/UpdateByDisagreement", "train.py", _decoupling, QUIET)
