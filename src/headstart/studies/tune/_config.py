"""The configuration of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import InputError
from headstart.evaluation import SelectionMetric, selection_metric
from headstart.models.recipes import (
    SELECTS_BY_LOSS,
    Recipe,
    default_space,
    make_iterative_recipe,
)
from headstart.results import JsonObject
from headstart.studies._study import to_json
from headstart.studies.tune._space import Draw, SearchSpace, Values, make_space


@dataclass(frozen=True)
class TuningConfig:
    """The configuration of a search of hyper-parameters.

    Attributes:
        model: The model's name.
        space: Hyper-parameters and their possible values, or a function from a draw to values.
            None for the model's own space.
        extras: Groups that are added to the model's own space.
        trials: Number of recipes to try. None for 24, or as many as the time limit allows.
        time_limit: Seconds for everything, or None.
        values: Values that all recipes share.
        preset: The preset to start from.
        seed: Seed of the search and of its runs. The winner is retrained with the next seeds.
        seeds: Number of seeds for retraining.
        rungs: Fractions of a full run after which the worse recipes stop. The last one is 1.
        together: Recipes per generation. They can run side by side, because none of them depends on
            the results of the others.
        storage: URL of a database that several machines share, or None.
        folds: Number of folds of a nested cross-validation; None for one split. With folds, each
            recipe has one final run per fold, and `seeds` is 1.
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
    folds: int | None = None

    def check(self) -> None:
        """Check the configuration before any data are opened.

        Raises:
            InputError: The model, preset or a key is unknown, a value is invalid, there are no
                trials or seeds, or folds are combined with several seeds or with a database.
        """
        defaults = make_iterative_recipe(self.model, self.values, self.preset)
        assert self.metric is None or self.metric.name  # reads the file of a user's metric
        for name in ("trials", "seeds", "together"):
            _check_count(name, getattr(self, name))
        if self.folds is not None:
            check_searches_of_folds(self.folds, self.seeds, self.storage)
        if self.space is not None or self.extras:
            self.make_space(defaults)

    def make_space(self, defaults: Recipe) -> SearchSpace:
        """Return the search space around the default recipe.

        The model's own space leaves out what the user fixed.
        """
        if self.space is not None:
            return make_space(self.model, self.space, self.values)
        space = default_space(defaults, self.extras)
        free = {key: choice for key, choice in space.items() if self.values.get(key) is None}
        return make_space(self.model, free, self.values)

    @property
    def metric(self) -> SelectionMetric | None:
        """The metric that selects the best recipe; None for the validation loss."""
        name = self.values.get("metric")
        return None if name in (None, SELECTS_BY_LOSS) else selection_metric(name)

    def as_json(self) -> JsonObject:
        """Return what defines the search. A function is represented by its name."""
        space: object = self.space
        if callable(space):
            space = f"function {getattr(space, '__qualname__', '')}"
        values = {key: value for key, value in self.values.items() if value is not None}
        fields = {key: value for key, value in vars(self).items() if key != "storage"}
        if self.folds is None:
            del fields["folds"]
        content = {**fields, "space": space, "values": values}
        if self.metric is not None and self.metric.digest:
            content["metric_digest"] = self.metric.digest
        return to_json(content)


def check_searches_of_folds(folds: int | str, seeds: int, storage: str | None) -> None:
    """Check the options that searches in folds exclude.

    Raises:
        InputError: There are several final runs per recipe and fold, or a shared database.
    """
    if seeds != 1:
        raise InputError(
            f"--folds {folds} cannot be combined with --seeds {seeds}: in each fold, the chosen "
            "recipe and the defaults have one final run each.",
            "Leave --seeds out, or pass --folds none.",
        )
    if storage is not None:
        raise InputError(
            f"--folds {folds} cannot be combined with --storage: machines share one search, and "
            "folds need one search each.",
            "Leave one of them out. On one machine, --workers N trains several runs at a time.",
        )


def _check_count(name: str, count: object) -> None:
    is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 1
    if count is not None and not is_count:
        raise InputError(
            f"invalid --{name}: expected a whole number of at least 1, got {count}.",
            f"Example: --{name} 8",
        )
