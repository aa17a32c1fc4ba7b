"""Decide what a recipe leaves open, from the data and from measurements on them."""

from __future__ import annotations

from headstart.data import SplitDataset
from headstart.features import decide_mirroring
from headstart.models.recipes import Recipe, resolve
from headstart.results import AugmentationCheck
from headstart.training import _distributed


def resolve_recipe(recipe: Recipe, data: SplitDataset) -> Recipe:
    """Return the recipe with every open value decided, horizontal flips included.

    Args:
        recipe: The recipe. Its `flip` is None where the data decide.
        data: The images. Only training images are measured.
    """
    check = check_mirror(recipe, data)
    if check is not None:
        recipe = recipe.model_copy(update={"flip": check.is_used})
    return resolve(recipe, len(data.split.train))


def check_mirror(recipe: Recipe, data: SplitDataset) -> AugmentationCheck | None:
    """Return the check of horizontal flips; None if the recipe says whether to use them.

    The first check of a dataset takes seconds. Later ones are found in the cache.
    """
    if recipe.flip is not None:
        return None
    with _distributed.main_process_first():
        return decide_mirroring(data)
