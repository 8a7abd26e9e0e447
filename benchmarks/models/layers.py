"""The last layers of a network, for a method that renews them and trains nothing else."""

from torch import nn


def last_layers(network: nn.Module, count: int) -> list[str]:
    """Return the names of all parameters and buffers in the last ``count`` layers; 0 is all.

    A layer is a direct child of the network that has a weight of two dimensions or more, such as a
    convolution, a dense layer or a residual block, with what follows it and has none, such as its
    normalisation. Children count in the order in which the network lists them.
    """
    layers: list[list[str]] = [[]]
    for prefix, child in network.named_children():
        if any(p.dim() > 1 for p in child.parameters()) and layers[-1]:
            layers.append([])
        layers[-1] += [f"{prefix}.{name}" for name in child.state_dict()]
    return [name for layer in layers[-count:] for name in layer]
