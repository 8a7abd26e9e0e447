"""Profiles: sources of the hyper-parameters that a method's spec leaves open.

``default`` has one configuration for each method and dataset, ``paper`` that of the literature for
each dataset *and noise*, ``tuned`` what random trials found, as many for every method. A field that
a spec names is never touched. Results of two profiles are never mixed: a folder has one.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from benchmarks.profiles.configurations import Conditions, Configuration, configure, shown
from methods import Registry
from methods.bounds import Between, Bounded


@dataclass(frozen=True)
class Profile(Bounded):
    """A source of hyper-parameters: the tables it reads, in rising order of precedence."""

    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("default",)
    names_every_field: ClassVar[bool] = False  # of the spec, even at the value of the tables

    def configure(self, spec: str, conditions: Conditions) -> Configuration:
        """Return the configuration that a method's spec means under conditions.

        Raises:
            ValueError: the spec is wrong.
        """
        return configure(spec, conditions, self.tables, keep=self.names_every_field)


@dataclass(frozen=True)
class Default(Profile):
    """One configuration for each method and dataset, whatever the noise."""


@dataclass(frozen=True)
class Published(Profile):
    """The configuration that the literature reports for a dataset, kind of noise and nearest rate.

    Where it reports none, that of ``default``. A tuning for each noise knows the noise: its numbers
    compare with published ones, and not with methods at one configuration.
    """

    tables: ClassVar[tuple[str, ...]] = ("default", "paper")


@dataclass(frozen=True)
class Tuned(Profile):
    """The best of ``trials`` random configurations, the first the default, for every method.

    Judged by accuracy on noisy validation labels after the last epoch, at a seed that is not
    reported, for each dataset, noise, model and recipe by itself. :meth:`configure` returns the
    first trial; fields that a spec names stay in its name and are not searched.
    """

    names_every_field: ClassVar[bool] = True

    trials: Annotated[int, Between(1, 1000)] = 8
    seed: Annotated[int, Between(0, 2**31 - 1)] = 1000


PROFILES: Registry[Profile] = Registry(
    "profile", Profile, default=Default, paper=Published, tuned=Tuned
)

__all__ = ["PROFILES", "Conditions", "Configuration", "Profile", "Tuned", "shown"]
