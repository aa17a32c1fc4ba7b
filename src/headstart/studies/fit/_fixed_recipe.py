"""The recipe of a finished rung with every decision fixed, to train it again on other images."""

from __future__ import annotations

from headstart import store
from headstart.models.recipes import Recipe
from headstart.studies.fit._rung import RungResult


def can_train_again(result: RungResult) -> bool:
    """Return whether the same steps can be taken without validation images and without a clock.

    They cannot if validation images decided when to stop, or which weights to keep, or if the time
    allowed only the top stages of a backbone.
    """
    recipe = result.rung.recipe
    if recipe.patience is not None or recipe.target is not None:
        return False
    if result.ended_as_head:
        return False
    return store.read_json(result.folder / "plan.json").get("stages") is None


def fixed_recipe(result: RungResult) -> Recipe:
    """Return the recipe of a rung with as many epochs as its run had, and without a time limit.

    Args:
        result: A result of which `can_train_again` is true.
    """
    metrics = result.metrics
    # Decided once, on the training images of the run: the check takes seconds.
    changes: dict[str, object] = {"time_limit": None, "flip": metrics.recipe["flip"]}
    if not result.is_solved:
        changes |= {"epochs": max(metrics.epochs, 0.01), "batch": metrics.recipe["batch"]}
    return result.rung.recipe.model_copy(update=changes)
