"""IDO: instance-level difficulty and dynamic optimisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, Stage, State, Task
from methods.bounds import Between
from methods.parts.beta_mixture import BetaMixture, beta_density, beta_distribution, moved_mixture
from methods.parts.strong_views import draw_changes, strong_view
from methods.parts.warm_up import warmup_stages

LEAST = 1e-6
"""How far from 0 and 1 the counts of wrong events are kept."""


@dataclass(frozen=True)
class IDO(Method, label="IDO", family="weights"):
    """Tell clean, hard and wrong labels apart by how often predictions miss the label.

    First stage, ``first`` of the epochs: ``-log p[y]`` on a weakly augmented image. The wrong
    events of an example are the times that the network, while it trains, predicts another class
    than the label. A mixture of two Beta distributions is fitted to their numbers, scaled to [0,
    1]; ``c`` is the posterior of the lower one, with distribution function ``F``, and ``G`` that of
    the other. Second stage, on a weak view ``z`` and a strong view ``z'`` of each image, both of
    which add wrong events, with ``p`` and ``p'`` their probabilities and ``q`` the mean of both:

        ``loss = c (-log p[y] - log p'[y]) + h mean_k (z[k] - z'[k])^2 + (1 - c) max_k q[k] H(q)``

    with ``h = c F + c (1 - G)``, large for labels that are clean and yet hard. The weights need no
    setting. The mixture takes 20 steps of expectation-maximisation when the second stage begins,
    and another before each later epoch.

    State:
        wrong: (N,) int64, the wrong events so far.
        clean: (N,), the probability that a label is right, as the epoch began.
        belief: (L,), ``c``, and difficulty: (L,), ``h``, by number of wrong events.
        mixture: (3, 2), both Beta distributions' parameters and their shares.
        start: 0-d int64, the first epoch of the second stage.

    Source:
        Kuan Zhang, Chengliang Chai, Jingzhe Xu, Chi Zhang, Han Han, Ye Yuan, Guoren Wang & Lei Cao,
        "Handling label noise via instance-level difficulty modeling and dynamic optimization",
        NeurIPS 2025. https://arxiv.org/abs/2505.00812. The authors' code iTheresaApocalypse/IDO,
        ``stage_1.py``, ``stage_2.py`` and ``utils``, was read at commit 20feb7c, of which the
        formulas and the stages of 5 and 10 epochs are. Over a whole training in float64 losses,
        gradients and mixtures differ by 1e-14 where its last term is a product by example.

    Differs from that code:
        It begins with a network that is pre-trained on ImageNet; here it is trained from its first
        weights. Its second stage goes on from the epoch at which predictions on the training images
        first changed less than before; here from the last one of the first stage. Its last term
        multiplies the certainties and entropies of all pairs of examples in the batch, where a
        product by example was meant.
    """

    views: ClassVar[int] = 2
    strong_views: ClassVar[tuple[int, ...]] = (1,)
    first: Annotated[float, Between(0.01, 0.99)] = 0.33

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Plan the counting, and training on from its weights."""
        return warmup_stages(self.first, epochs, anew=False)

    def init(self, task: Task) -> State:
        """Count from 0."""
        device, start = task.label.device, self.stages(task.epochs)[0].epochs
        most = start + 2 * (task.epochs - start)
        return {
            "wrong": torch.zeros_like(task.label),
            "clean": torch.ones(len(task.label), device=device),
            "belief": torch.ones(most + 1, device=device),
            "difficulty": torch.zeros(most + 1, device=device),
            "mixture": torch.tensor([[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]], device=device),
            "start": torch.tensor(start, device=device),
        }

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw how the strong view differs from the weak one."""
        return draw_changes(size)

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make the second view strong."""
        strong = strong_view(image[1], batch.draws["strength"], batch.draws["hole"])
        return torch.stack([image[0], strong]), batch

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted sum of three losses; before the second stage, the cross-entropy."""
        hard = torch.stack([F.cross_entropy(z, batch.label, reduction="none") for z in logits])
        late, missed = epoch >= state["start"], logits.argmax(-1) != batch.label  # (2, B)
        wrong = state["wrong"][batch.ids] + missed[0] + (late & missed[1])
        c, h = state["belief"][wrong], state["difficulty"][wrong]
        apart = (logits[0] - logits[1]).square().mean(-1)
        q = logits.softmax(-1).clamp(1e-4, 1 - 1e-4).mean(0)
        doubt = -q.amax(-1) * (q * q.log()).sum(-1)
        losses = c * hard.sum(0) + h * apart + (1 - c) * doubt
        after = {**state, "wrong": state["wrong"].index_copy(0, batch.ids, wrong)}
        return torch.where(late, losses, hard[0]), after

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Fit the mixture, and weigh every number of wrong events by it."""
        wrong, kind = state["wrong"].double(), state["clean"].dtype
        low, span = wrong.min(), (wrong.max() - wrong.min()).clamp(min=1)
        x = (wrong - low) / span * (1 - 2 * LEAST) + LEAST
        fresh = state["mixture"].new_tensor([[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]]).double()
        first = BetaMixture(*fresh)
        for _ in range(20):
            first = moved_mixture(first, x, LEAST)
        later = moved_mixture(BetaMixture(*state["mixture"].double()), x, LEAST)
        pairs = zip(first, later, strict=True)
        fitted = BetaMixture(*(torch.where(epoch == state["start"], a, b) for a, b in pairs))
        number = torch.arange(len(state["belief"]), device=wrong.device, dtype=wrong.dtype)
        seen = number <= wrong.max()  # beyond, neither density is more than 0
        y = ((number - low) / span).clamp(0, 1) * (1 - 2 * LEAST) + LEAST
        density = fitted.share * beta_density(y[:, None], fitted.a, fitted.b) * seen[:, None]
        posterior = density / (density.sum(-1, keepdim=True) + LEAST)
        below = torch.where(seen[:, None], beta_distribution(y[:, None], fitted.a, fitted.b), 1.0)
        c, other = posterior.unbind(-1)
        h = c * below[:, 0] + (1 - other) * (1 - below[:, 1])
        now = epoch >= state["start"]
        new = {
            "belief": c.to(kind),
            "difficulty": h.to(kind),
            "mixture": torch.stack([*fitted]).to(kind),
            "clean": c.to(kind)[state["wrong"]],
        }
        return state | {name: torch.where(now, value, state[name]) for name, value in new.items()}
