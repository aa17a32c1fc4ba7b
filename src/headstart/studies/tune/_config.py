"""What a search of recipes is asked to do, and whether that can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import InputError
from headstart.models.recipes import Recipe, default_space, make_iterative_recipe
from headstart.studies._study_folder import plain
from headstart.studies.tune._space import Draw, Space, Values, make_space


@dataclass(frozen=True)
class Tuning:
    """What to tune.

    Attributes:
        model, preset, values: the recipe to start from; `values` are shared by all recipes.
        space: hyper-parameters and what they may be, or a function from a draw to values; None for the model's own.
        extras: groups that the model's own space takes in on request.
        trials: recipes to try; None for 24, or without a bound where time has one.
        time_limit: seconds for everything.
        seed: of the search and of its runs; the winner is retrained over the `seeds` seeds after it.
        rungs: parts of a whole run after each of which the worse recipes stop; the last is 1.
        together: recipes that are drawn at once: as many can run side by side, and none knows the results of the others.
        storage: URL of a database that several machines share.
    """

    model: str
    space: Mapping[str, Any] | Callable[[Draw], Values] | None = None
    extras: tuple[str, ...] = ()
    trials: int | None = None
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"
    seed: int = 0
    seeds: int = 3
    rungs: tuple[float, ...] = (1 / 6, 1.0)
    together: int = 8
    storage: str | None = None

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: unknown model, preset or key, bad values, no trials or seeds.
        """
        make_iterative_recipe(self.model, self.values, self.preset)
        for name in ("trials", "seeds", "together"):
            given = getattr(self, name)
            if given is not None and (
                isinstance(given, bool) or not isinstance(given, int) or given < 1
            ):
                raise InputError(
                    f"--{name} is {given}, but wanted is a whole number from 1 on.",
                    f"Example: --{name} 8",
                )
        if self.space is not None or self.extras:
            self.make_space(make_iterative_recipe(self.model, self.values, self.preset))

    def make_space(self, defaults: Recipe) -> Space:
        """The space to search around the default recipe. What the user fixed is not in the model's own."""
        if self.space is not None:
            return make_space(self.model, self.space, self.values)
        usual = default_space(defaults, self.extras)
        return make_space(
            self.model,
            {key: choice for key, choice in usual.items() if self.values.get(key) is None},
            self.values,
        )

    def as_json(self) -> dict[str, Any]:
        """What defines the search. A function is named, not known."""
        space = (
            f"function {getattr(self.space, '__qualname__', '')}"
            if callable(self.space)
            else self.space
        )
        values = {key: value for key, value in self.values.items() if value is not None}
        kept = {key: value for key, value in vars(self).items() if key != "storage"}
        return plain({**kept, "space": space, "values": values})
