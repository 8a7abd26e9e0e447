"""SSR: sample selection and relabelling."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction
from methods.parts.labels import one_hot
from methods.parts.mixed_loss import mixed_loss
from methods.parts.mixing import draw_weight, kept_partners, mix_pairs
from methods.parts.strong_views import draw_changes, strong_view

AT_ONCE = 1024
"""Examples whose neighbours are looked for together."""


@dataclass(frozen=True)
class SSR(Method, label="SSR", family="mixed"):
    """Take over confident predictions, and train on the labels that the nearest features vote for.

    Before every epoch but the first, on the images without augmentation: where ``max_k p[k] >
    theta_r`` the label becomes ``argmax_k p[k]``, elsewhere it is the given one. The ``neighbours``
    examples whose features have the largest cosine, the example itself among them, cast a vote for
    their labels; with ``v[k]`` the votes divided by the share of class ``k`` in all labels, an
    example is kept if ``v[y] >= theta_s * max_k v[k]``. An epoch trains on two strong views of the
    kept examples, each mixed with a view of another one, ``x = m x_i + (1 - m) x_j``, by
    ``-m log p(x)[y_i] - (1 - m) log p(x)[y_j]``, with ``m`` the larger weight of ``Beta(4, 4)``. An
    example weighs as much less as more of its class are kept.

    State:
        given: (N,) int64, the given labels; target: (N,) int64, those in use.
        kept: (N,) bool, whether an example is trained on; weight: (C,), of each class.

    Source:
        Chen Feng, Georgios Tzimiropoulos & Ioannis Patras, "SSR: an efficient and robust framework
        for learning with unknown label noise", BMVC 2022. https://arxiv.org/abs/2111.11288
        (sections 3.1 to 3.3). The authors' code MrChenFeng/SSR_BMVC2022, ``main_cifar_simple.py``
        and ``utils/funcs.py``, was read at commit 849530d. In float64 labels, selection and
        weights of classes are the same, and losses and gradients differ by 9e-16.

    Differs from that code:
        It draws batches of equal classes from what is kept, of the size of the whole training set;
        here the batch is as the engine draws it, and the loss a weighted mean. It chooses by a
        network that has seen nothing before its first epoch, which here trains on all. Strong views
        are ``parts/strong_views.py``. The consistency of features, the plus of SSR+, is left out.
        No more neighbours vote than an average class has examples.
    """

    views: ClassVar[int] = 2
    strong_views: ClassVar[tuple[int, ...]] = (0, 1)
    theta_r: Fraction = 0.9
    theta_s: Fraction = 1.0
    neighbours: Annotated[int, Between(1, 100_000)] = 200

    def init(self, task: Task) -> State:
        """Believe every label."""
        label = task.label
        return {
            "given": label,
            "target": label,
            "kept": torch.ones_like(label, dtype=torch.bool),
            "weight": torch.ones(task.num_classes, device=label.device),
        }

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw two strong views, who is mixed with whom, and how much."""
        views = [draw_changes(size) for _ in range(2)]
        changes = {name: torch.stack([own[name] for own in views]) for name in views[0]}
        return {**changes, "mix": draw_weight(4.0, heavier=True), "order": torch.rand(2 * size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Mix strong views of examples that are kept; the target's rows sum to their weights."""
        changes = zip(image, batch.draws["strength"], batch.draws["hole"], strict=True)
        strong = torch.cat([strong_view(*each) for each in changes])  # (2B, channels, H, W)
        label, like = state["target"][batch.ids], state["weight"].expand(len(batch.ids), -1)
        kept = state["kept"][batch.ids]
        weight = state["weight"][label] * kept  # (B,)
        mix = batch.draws["mix"].to(weight.dtype)
        partner = kept_partners(kept.repeat(2), batch.draws["order"])
        mixed = mix_pairs(one_hot(label, like).repeat(2, 1), mix, partner)
        target = weight.repeat(2)[:, None] * mixed
        blend = mix_pairs(strong, mix.to(strong.dtype), partner).unflatten(0, image.shape[:2])
        return blend, batch._replace(target=target.unflatten(0, image.shape[:2]))

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted mean cross-entropy to the mixed targets."""
        return mixed_loss(logits, batch.prepared_target()), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Take over confident predictions."""
        best = outputs[0].softmax(-1).max(-1)
        sure = best.values > self.theta_r
        return {**state, "target": torch.where(sure, best.indices, state["given"])}

    def refit_features(self, features: Tensor, state: State, epoch: Tensor) -> State:
        """Keep the examples whose neighbours vote for their label; weigh the classes."""
        label, like = state["target"], features.new_zeros(1, len(state["weight"]))
        v = votes(features[0], one_hot(label, like), self.neighbours)
        own = v.gather(1, label[:, None]).squeeze(1)
        kept = own >= self.theta_s * v.amax(-1)
        count = (one_hot(label, like) * kept[:, None]).sum(0)
        weight = torch.where(count > 0, 1 / count.clamp(min=1), torch.zeros_like(count))
        return {**state, "kept": kept, "weight": weight.to(state["weight"].dtype)}


def votes(features: Tensor, label: Tensor, neighbours: int) -> Tensor:
    """Return how many of each example's neighbours have a class, by that class's share: ``(N, C)``.

    Args:
        features: ``(N, D)``.
        label: ``(N, C)``, one-hot.
        neighbours: how many vote, at most as many as an average class has examples.
    """
    unit = torch.nn.functional.normalize(features, dim=1)
    count = max(1, min(neighbours, len(label) // label.shape[1]))
    near = [(some @ unit.T).topk(count, dim=1).indices for some in unit.split(AT_ONCE)]
    cast = torch.cat([label[some].sum(1) for some in near])
    share = label.sum(0) + 1e-10
    return cast / (share / share.sum())
