"""Datasets of which some classes may be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from benchmarks.datasets.base import Dataset, Split
from benchmarks.errors import suggestion
from methods.bounds import Added


@dataclass(frozen=True)
class Chosen(Dataset):
    """A dataset of which ``classes`` keeps some: names or numbers, parted by spaces or by commas.

    They are numbered anew, in the publisher's order, and an image keeps its place in what was
    published. Where people gave an image a label outside, it is left out of training.
    """

    classes_: Annotated[str, Added("")] = ""

    test_counts: ClassVar[tuple[int, ...]] = ()  # test images of each class; (): all alike

    def __post_init__(self) -> None:
        """Take the facts of the classes that are kept.

        Raises:
            ValueError: one is unknown, or fewer than two are kept.
        """
        super().__post_init__()
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

    def _of_classes(self, split: Split) -> Split:
        """Return the examples of the classes that are kept, with their new numbers."""
        if not self.classes_:
            return split
        number = torch.full((len(type(self).classes),), -1)
        number[list(self.numbers)] = torch.arange(self.num_classes)
        label = number[split.label]
        place = (label >= 0).nonzero().squeeze(1)
        position = place if split.position is None else split.position[place]
        return Split(split.image[place], label[place], position)
