"""The base of methods that learn from a few examples whose labels are known to be right."""

from dataclasses import dataclass
from typing import Annotated

from methods.base import Method
from methods.bounds import Between


@dataclass(frozen=True)
class CleanSubset(Method):
    """A method with the privilege ``clean_subset``: ``per_class`` examples with their true label.

    They stay in the training set with their given label, as for every other method.
    """

    per_class: Annotated[int, Between(1, 100_000)] = 10

    @property
    def privileges(self) -> tuple[str, ...]:
        """The privilege of some clean labels."""
        return ("clean_subset",)

    @property
    def trusted_per_class(self) -> int:
        """The number of clean examples of each class."""
        return self.per_class
