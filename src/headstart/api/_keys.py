"""Keyword keys of the verbs, for type checkers: a misspelt key is an error before anything runs."""

from __future__ import annotations

from headstart.data import EvaluateOn, LoadKeys
from headstart.models.recipes import RecipeKeys


class DataKeys(LoadKeys, total=False):
    """Keys of `load` and `split`. Further verbs that open data accept them as well."""

    validation: float | None
    test: float | None
    train_images: int | None
    split_seed: int | None
    evaluate_on: EvaluateOn | None


class TrainKeys(RecipeKeys, DataKeys, total=False):
    """Keys of recipe, network and data."""


class StudyKeys(TrainKeys, total=False):
    """The same, for studies whose functions have no parameter `epochs`."""

    epochs: float | None


SPLIT_KEYS = ("validation", "test", "train_images", "split_seed", "evaluate_on")
