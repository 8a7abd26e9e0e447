"""M-correction: dynamic bootstrapping by a Beta mixture, with mixup."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.mixing import draw_pairs, mix_pairs
from methods.parts.mixture import higher_beta_component


@dataclass(frozen=True)
class DYR(Method, label="DYR", family="mixed"):
    """Trust each label as far as a mixture model of the loss does, else the prediction.

    Two Beta distributions are fitted to the losses on the training set before every epoch; ``w_i``
    is the posterior of the higher one. From ``warmup`` of the epochs on, the target of an example
    is ``(1 - w_i) * onehot(y_i) + w_i * z_i``, with ``z_i`` the prediction on the unmixed image:
    its largest class if ``bootstrap="hard"``, the distribution if ``"soft"``. Images and targets
    are mixed in pairs with ``m`` from ``Beta(alpha, alpha)``, in the warm-up too:
    ``loss = -sum_k target_k * log p_k + balance * KL(uniform | mean p)``.

    State:
        clean: (N,), ``1 - w``, 1 in the warm-up; label: (N,), the noisy labels.
        start: 0-d int64, the first epoch after the warm-up.

    Source:
        Eric Arazo, Diego Ortego, Paul Albert, Noel E. O'Connor & Kevin McGuinness, "Unsupervised
        label noise modeling and loss correction", ICML 2019. https://arxiv.org/abs/1904.11238
        (equations 3 to 15, M-DYR-H).

    Differs from the authors' code (PaulAlbert31/LabelNoiseCorrection, ``utils.py``):
        Its warm-up is 105 of 300 epochs on CIFAR-10, hence the share. It finds ``w`` anew for every
        batch from a table of 100 losses, and lets the balance term be set by the noise.
    """

    peeks: ClassVar[bool] = True

    warmup: Fraction = 0.35
    alpha: Annotated[float, Between(0.01, 1000.0)] = 32.0
    balance: NonNegative = 1.0
    bootstrap: Literal["hard", "soft"] = "hard"

    def init(self, task: Task) -> State:
        """Trust every label."""
        device = task.label.device
        clean = torch.ones(len(task.label), device=device)
        start = torch.tensor(round(self.warmup * task.epochs), device=device)
        return {"clean": clean, "label": task.label, "start": start}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Fit the mixture to the losses."""
        loss = -outputs[0].log_softmax(-1).gather(1, state["label"][:, None]).squeeze(1)
        late = epoch >= state["start"]
        clean = 1 - higher_beta_component(loss)
        return {**state, "clean": torch.where(late, clean, state["clean"])}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the first image and the partner of each."""
        return draw_pairs(self.alpha, size)

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Bootstrap the labels, then mix; the target is ``(B, C)``."""
        mix, partner = batch.draws["mix"].to(image.dtype), batch.draws["partner"]
        guess = batch.peeked_outputs().softmax(-1)
        if self.bootstrap == "hard":
            guess = one_hot(guess.argmax(-1), guess)
        clean = state["clean"][batch.ids, None]
        target = clean * one_hot(batch.label, guess) + (1 - clean) * guess
        mixed = mix_pairs(image, mix, partner, dim=1)
        return mixed, batch._replace(target=mix_pairs(target, mix, partner))

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the mixed targets, plus the balance after the warm-up."""
        log_p = logits.log_softmax(-1)
        mean = log_p.logsumexp(0).log_softmax(-1)  # log of the mean p
        unlike = -(mean + torch.tensor(float(logits.shape[-1])).log()).mean()
        late = (epoch >= state["start"]).to(log_p.dtype)
        return -(batch.prepared_target() * log_p).sum(
            -1
        ).mean() + late * self.balance * unlike, state
