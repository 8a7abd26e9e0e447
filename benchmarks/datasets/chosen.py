"""What a suite may choose of a published dataset: some of its classes, and a long tail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from benchmarks.datasets.base import Dataset, Split, ranks_in_class
from benchmarks.errors import suggestion
from benchmarks.seeds import generator
from methods.bounds import Added, Between


@dataclass(frozen=True)
class Chosen(Dataset):
    """A dataset whose images of each class were counted when it was published.

    ``classes`` keeps some of them: names or numbers, parted by spaces or by commas. They are
    numbered anew, in the publisher's order, and an image keeps its place in what was published.
    Where people gave an image a label outside, it is left out of training.

    ``imbalance`` gives the training set a long tail: of the ``n`` images of the largest class the
    first class keeps ``n``, if it has as many, the last of ``C`` classes ``n / imbalance``, and
    class ``k`` ``n imbalance^(-k / (C - 1))``, rounded down, at most what it has. Which images are
    kept does not depend on the seed of a cell, and a longer tail is part of a shorter one. The test
    set stays as it is.

    Source:
        Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019.
        https://arxiv.org/abs/1901.05555 (section 5.1: the exponential tail)
    """

    classes_: Annotated[str, Added("")] = ""
    imbalance: Annotated[float, Between(1, 10_000), Added(1.0)] = 1.0

    test_counts: ClassVar[tuple[int, ...]] = ()  # test images of each class; (): all alike

    def __post_init__(self) -> None:
        """Take the facts of the classes that are kept.

        Raises:
            ValueError: one is unknown, or fewer than two are kept.
        """
        super().__post_init__()
        self._keep_classes()
        if self.imbalance > 1:
            tail = self._tail()
            object.__setattr__(self, "class_counts", tail)
            object.__setattr__(self, "published", (sum(tail), self.published[1]))

    def _keep_classes(self) -> None:
        """Take the facts of the classes that are kept."""
        names = type(self).classes
        kept = self._kept_numbers()
        if len(kept) in {0, len(names)}:
            object.__setattr__(self, "classes_", "")
            return
        own = [names[number] for number in kept]
        parted = ", " if any(" " in name for name in own) else " "
        train, test = (
            [counts[k] if counts else size // len(names) for k in kept]
            for counts, size in zip(
                (self.class_counts, self.test_counts), type(self).published, strict=True
            )
        )
        renumbered = {number: place for place, number in enumerate(kept)}
        groups = {
            group: tuple(name for name in members if name in own)
            for group, members in self.superclasses.items()
        }
        facts = {
            "classes_": parted.join(own),
            "num_classes": len(own),
            "classes": tuple(own),
            "class_counts": tuple(train),
            "test_counts": tuple(test),
            "published": (sum(train), sum(test)),
            "confusions": {
                renumbered[true]: renumbered[given]
                for true, given in self.confusions.items()
                if {true, given} <= renumbered.keys()
            },
            "superclasses": {group: members for group, members in groups.items() if members},
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The publisher's number of each class."""
        return tuple(map(type(self).classes.index, self.classes))

    def _kept_numbers(self) -> Sequence[int]:
        """Return the publisher's numbers of the classes that are kept, rising."""
        names, text = type(self).classes, self.classes_
        words = [word.strip() for word in text.split("," if "," in text else None)]
        owner = f"{type(self).__name__}.classes must be two or more classes"
        known = {str(number): number for number in range(len(names))}
        known |= {name: number for number, name in enumerate(names)}
        for word in words:
            if word not in known:
                hint = suggestion(word, names) or f"; known: {', '.join(names)}"
                raise ValueError(f"{owner}, got {text!r}: unknown class {word!r}{hint}")
        kept = sorted({known[word] for word in words})
        if len(kept) == 1:
            raise ValueError(f"{owner}, got {text!r}")
        return kept

    def _tail(self) -> tuple[int, ...]:
        """Return how many training images of each class stay."""
        alike = (self.published[0] // self.num_classes,) * self.num_classes
        counts = self.class_counts or alike
        last = len(counts) - 1
        shares = (self.imbalance ** (-k / last) for k in range(last + 1))
        tail = (int(max(counts) * share + 1e-9) for share in shares)
        return tuple(max(1, min(pair)) for pair in zip(counts, tail, strict=True))

    def chosen(self, train: Split, test: Split, salt: str) -> tuple[Split, Split]:
        """Return (train, test) of what is kept.

        Args:
            train: the publisher's training set.
            test: its test set.
            salt: names the stream that says which images of a class stay in a tail.
        """
        train, test = self._of_classes(train), self._of_classes(test)
        if self.imbalance > 1:
            rank = ranks_in_class(train.label, generator("imbalance", salt))
            train = _taken(train, rank < torch.tensor(self.class_counts)[train.label])
        return train, test

    def _of_classes(self, split: Split) -> Split:
        """Return the examples of the classes that are kept, with their new numbers."""
        if not self.classes_:
            return split
        number = torch.full((len(type(self).classes),), -1)
        number[list(self.numbers)] = torch.arange(self.num_classes)
        label = number[split.label]
        return _taken(split._replace(label=label), label >= 0)


def _taken(split: Split, mask: Tensor) -> Split:
    """Return the examples of a split where a mask is true."""
    place = mask.nonzero().squeeze(1)
    position = place if split.position is None else split.position[place]
    return Split(split.image[place], split.label[place], position)
