"""Keyword keys of the verbs, for type checkers: a misspelt key is an error before anything runs."""

from __future__ import annotations

from typing import TypedDict

from headstart.data import Resize
from headstart.models.recipes import RecipeKeys


class DataKeys(TypedDict, total=False):
    """Keys of `load` and `split`. Further verbs that open data accept them as well."""

    image_size: int | None
    resize: Resize | None
    pixel_max: float | None
    group_by: str | None
    validation: float | None
    test: float | None
    train_images: int | None
    split_seed: int | None


class TrainKeys(RecipeKeys, DataKeys, total=False):
    """Keys of recipe, network and data."""


class StudyKeys(TrainKeys, total=False):
    """The same, for studies whose functions have no parameter `epochs`."""

    epochs: float | None


LOAD_KEYS = ("image_size", "resize", "pixel_max", "group_by")
SPLIT_KEYS = ("validation", "test", "train_images", "split_seed")
