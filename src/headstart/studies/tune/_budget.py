"""The budget of a search: every recipe gets the same number of multiply-adds.

Multiply-adds are the same on every machine and executor. Seconds are not: the recipes of a search
would depend on the machine.
"""

from __future__ import annotations

import math

from headstart.data import SplitDataset
from headstart.models.recipes import Recipe, resolve
from headstart.training import count_work

# A forward and a backward pass cost three forward passes: the backward pass computes two products
# for each product of the forward pass.
_TRAINING_FACTOR = 3


def within_budget(
    recipe: Recipe, defaults: Recipe, epochs: float, data: SplitDataset
) -> Recipe | None:
    """Return a recipe with as many epochs as the budget allows.

    The budget is the cost of `epochs` epochs of the default recipe. Validation after each epoch and
    the optimizer's own work count, so larger networks and smaller batches train for fewer epochs.

    Args:
        recipe: The recipe to shorten.
        defaults: The resolved default recipe.
        epochs: Epochs of the default recipe; also the most epochs of any recipe.
        data: The training and validation images.

    Returns:
        The resolved recipe, or None if the budget is too small for one step.

    Raises:
        InputError: The images are too small for this network.
    """
    images = len(data.split.train)
    recipe = resolve(recipe, images)
    if recipe.flip is None:
        recipe = recipe.model_copy(update={"flip": defaults.flip})
    step, validation = _costs(recipe, data)
    default_step, default_validation = _costs(defaults, data)

    steps = max(1, images // _batch_size(recipe, images))
    default_steps = max(1, images // _batch_size(defaults, images))
    budget = epochs * default_step * default_steps + math.ceil(epochs) * default_validation

    affordable = min(epochs, budget / (steps * step + validation))
    if affordable < 1:  # one validation, after a part of an epoch
        affordable = min(epochs, 1.0, (budget - validation) / (steps * step))
    if affordable * steps < 1 - 1e-9:
        return None
    return recipe.model_copy(update={"epochs": round(affordable, 3)})


def _costs(recipe: Recipe, data: SplitDataset) -> tuple[float, float]:
    """Return the multiply-adds of a training step and of predicting all validation images."""
    work = count_work(recipe, data.dataset)
    batch_size = _batch_size(recipe, len(data.split.train))
    step = _TRAINING_FACTOR * work.image * batch_size + work.step
    return step, work.image * len(data.split.validation)


def _batch_size(recipe: Recipe, images: int) -> int:
    assert recipe.batch is not None, "resolve the recipe first"
    return min(recipe.batch, images)
