"""Two stages: a warm-up, and training proper."""

from methods.base import Stage


def warmup_stages(warmup: float, epochs: int, *, anew: bool = True) -> list[Stage]:
    """Divide the epochs into a warm-up and training proper.

    Args:
        warmup: the share of the epochs that is warm-up; each stage has one at least.
        epochs: all there are.
        anew: train proper from new weights, else from those of the warm-up.
    """
    first = min(max(round(warmup * epochs), 1), epochs - 1)
    return [Stage(first), Stage(epochs - first, fresh_networks=anew)]
