"""Where the hyper-parameters come from that a spec leaves open.

``default`` has one setting for each method and dataset, ``paper`` that of the literature for each
dataset *and noise*, ``tuned`` what random trials found, as many for every method. A field that a
spec names is never touched. Results of two profiles are never mixed: a folder has one.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from benchmarks.profiles.settings import Place, Settled, settle
from methods import Registry
from methods.bounds import Between, Bounded


@dataclass(frozen=True)
class Profile(Bounded):
    """A source of hyper-parameters."""

    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("default",)

    def settle(self, spec: str, place: Place) -> Settled:
        """Return the method that a spec means at a place, and what to call it there.

        Raises:
            ValueError: the spec is wrong.
        """
        return settle(spec, place, self.tables)


@dataclass(frozen=True)
class Default(Profile):
    """One setting for each method and dataset, whatever the noise."""


@dataclass(frozen=True)
class Paper(Profile):
    """The setting that the literature reports for a dataset, kind of noise and nearest rate.

    Where it reports none, that of ``default``. A tuning for each noise knows the noise: its numbers
    compare with published ones, and not with methods at one setting.
    """

    tables: ClassVar[tuple[str, ...]] = ("default", "paper")


@dataclass(frozen=True)
class Tuned(Profile):
    """The best of ``trials`` random settings, the first of them the default, for every method.

    Judged by accuracy on noisy validation labels after the last epoch, at a seed that is not
    reported, for each dataset, noise, model and recipe by itself.
    """

    trials: Annotated[int, Between(1, 1000)] = 8
    seed: Annotated[int, Between(0, 2**31 - 1)] = 1000

    def settle(self, spec: str, place: Place) -> Settled:
        """Return the first trial; fields that the spec names stay in its name, and fixed."""
        return settle(spec, place, self.tables, keep=True)


PROFILES: Registry[Profile] = Registry("profile", default=Default, paper=Paper, tuned=Tuned)

__all__ = ["PROFILES", "Place", "Profile", "Settled", "Tuned"]
