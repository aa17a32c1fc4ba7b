"""The same budget for every recipe of a search, counted in multiply-adds: the same on every machine and executor."""

from __future__ import annotations

import math

from headstart.data import Dataset, Split
from headstart.training import Recipe, multiply_adds, resolve

_BACKWARD = 3  # forward and backward pass in units of a forward one; backward computes two products for each of forward's


def within_budget(recipe: Recipe, defaults: Recipe, epochs: float, dataset: Dataset, split: Split) -> Recipe | None:
    """The recipe with as many epochs as the defaults' multiply-adds in `epochs` epochs pay for, and never more than `epochs`.

    Validation after each epoch counts. A network that takes more than the defaults' trains for less.

    Returns:
        The recipe with everything decided; None when the budget does not pay for one step.

    Raises:
        InputError: the images are too small for this network.
    """
    images, judged = len(split.train), len(split.validation)
    recipe = resolve(recipe, images, dataset.class_names)

    def cost(of: int, epochs: float) -> float:
        return of * (_BACKWARD * images * epochs + judged * math.ceil(epochs))

    affordable = cost(multiply_adds(defaults, dataset), epochs) / multiply_adds(recipe, dataset)  # images forward
    whole = min(epochs, affordable / (_BACKWARD * images + judged))
    if whole < 1:
        whole = min(epochs, 1.0, (affordable - judged) / (_BACKWARD * images))
    assert recipe.batch is not None
    steps = int(whole * max(1, images // recipe.batch) + 1e-9)
    return None if steps < 1 else recipe.model_copy(update={"epochs": round(whole, 3)})
