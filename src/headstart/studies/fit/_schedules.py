"""The seconds of the schedules of recipes, at the pace of the runs that have finished."""

from __future__ import annotations

from headstart.models.recipes import Recipe, resolve
from headstart.studies.fit._costs import LadderCosts
from headstart.studies.fit._rung import CNN, RungResult, full_epochs, input_px_of
from headstart.training import least_epochs


def full_seconds(result: RungResult, costs: LadderCosts) -> float:
    """Return the seconds of the whole schedule of a recipe, at the pace of its run."""
    if result.is_head_only:
        return _full_seconds_of_fine_tuning(result.rung.recipe, costs)
    epochs = full_epochs(result.rung.recipe, costs.train)
    start, one_pass = _seconds_of_pass(result, costs)
    return max(0.0, result.seconds - result.metrics.seconds.train) + start + epochs * one_pass


def least_seconds(result: RungResult, costs: LadderCosts) -> float:
    """Return the seconds of the least number of epochs of a recipe, see `least_epochs`."""
    recipe = resolve(result.rung.recipe, costs.train)
    share = least_epochs(recipe) / full_epochs(recipe, costs.train)
    return share * full_seconds(result, costs)


def _seconds_of_pass(result: RungResult, costs: LadderCosts) -> tuple[float, float]:
    """Return the seconds of a run before its first step, and those of one pass."""
    seconds, epochs = result.metrics.seconds, result.metrics.epochs
    if result.family != CNN or not costs.cnn_pass:
        return seconds.prepare, result.seconds_per_epoch
    if epochs < 1:  # such a run is hardly more than its start
        return costs.cnn_start, costs.cnn_pass
    return costs.cnn_start, max(0.0, seconds.train - costs.cnn_start) / epochs


def _full_seconds_of_fine_tuning(recipe: Recipe, costs: LadderCosts) -> float:
    """Return the seconds of a whole fine-tuning, from the cost of a forward pass."""
    px, epochs = input_px_of(recipe), full_epochs(recipe, costs.train)
    epoch = costs.epoch_of_fine_tuning(recipe.model, px)
    return costs.frozen(recipe.model, px) + epochs * epoch
