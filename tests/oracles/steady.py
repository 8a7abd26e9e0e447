"""What a CUDA graph demands of a step, checked without a GPU.

A replay runs the same kernels on the same addresses. So from step to step the tensors that a step
reads and did not make itself must be the same ones, and no operation may need the host: to see a
value, to learn a shape from data, or to draw a random number.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HOST = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount"}
HOST |= {"rand", "randn", "randint", "randperm", "bernoulli", "bernoulli_", "uniform_", "normal_"}


class Reads(TorchDispatchMode):
    """Notes the storage of every tensor that comes from outside, and what needs the host."""

    def __init__(self):
        super().__init__()
        self.made, self.read, self.host = set(), {}, []

    def __torch_dispatch__(self, operation, _types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        if name in HOST:
            self.host.append(name)
        for tensor in self._tensors((args, kwargs or {})):
            if name == "lift_fresh":  # a number from the program's text, the same in every replay
                self.made.add(tensor.untyped_storage().data_ptr())
            if tensor.untyped_storage().data_ptr() not in self.made:
                by = f"{name} reads {tuple(tensor.shape)}"
                self.read.setdefault(tensor.untyped_storage().data_ptr(), by)
        result = operation(*args, **(kwargs or {}))
        for tensor in self._tensors(result):
            if tensor.untyped_storage().data_ptr() not in self.read:
                self.made.add(tensor.untyped_storage().data_ptr())
        return result

    @staticmethod
    def _tensors(tree):
        return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


class Recorder:
    """Replays a step by running it again, and checks that it could have been a graph."""

    def __init__(self):
        self.graphs = self.replays = 0

    def warm(self, step):
        step()

    def record(self, step):
        self.graphs += 1
        first = []

        def replay():
            self.replays += 1
            with Reads() as reads:
                step()
            assert not reads.host, reads.host
            first.append(reads.read)
            others = [reads.read[place] for place in reads.read.keys() - first[0].keys()]
            assert not others, f"not read by the step before: {others}"

        return replay
