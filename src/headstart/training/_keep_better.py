"""Keep the starting point of fine-tuning unless validation images show an improvement."""

from __future__ import annotations

import numpy as np

from headstart import progress
from headstart.evaluation import mean_interval, selection_metric
from headstart.formatting import percent
from headstart.models.recipes import SELECTS_BY_LOSS
from headstart.results import StartingPoint as StartingPointResult
from headstart.training._evaluate import predict_probabilities
from headstart.training._planned_run import PlannedRun
from headstart.training._starting_point import StartingPoint
from headstart.training._step import make_loss

# Two-sided, so that a gain by chance is taken for an improvement in one case of twenty. With one
# standard error, a run was kept that lost 1.6 points (benchmarks/never_below.md).
_LEVEL = 0.9


def keep_better(run: PlannedRun) -> StartingPointResult | None:
    """Restore the starting point of fine-tuning unless validation images show an improvement.

    The trained weights must be more accurate, at the one-sided level of 5%, in a paired test over
    the images. If the recipe names another metric, they must be better by that metric. Without
    validation images they are kept if they saw every training image.

    Args:
        run: The trained run. Its weights are restored.

    Returns:
        The choice; None for a run that started from no fitted head.
    """
    start, state = run.start, run.state
    if start is None:
        return None
    choice = _compare(run, start)
    if choice.is_kept:
        progress.warn(f"WARNING: {choice.reason}.")
        state.classifier.net.load_state_dict(start.weights)
        state.validation = None
    return choice


def _compare(run: PlannedRun, start: StartingPoint) -> StartingPointResult:
    state, data = run.state, run.job.data
    epochs = state.plan.epochs
    if not len(data.split.validation):
        is_short = epochs < 1
        reason = "the starting point is kept" if is_short else "the trained weights are kept"
        return StartingPointResult(
            is_kept=is_short,
            accuracy=None,
            end_accuracy=None,
            reason=f"{reason}, without validation images, at epoch {epochs:g}",
        )

    if state.validation is None:
        state.validation = predict_probabilities(
            state.classifier, run.inputs, data.split.validation
        )
    labels = data.validation_labels
    before = start.validation.argmax(1) == labels
    after = state.validation.argmax(1) == labels
    weights = make_loss(state.plan.recipe, data).class_weights.cpu().numpy()[labels]
    gains = weights * (after.astype(np.float64) - before)
    lower, _ = mean_interval(gains, _LEVEL, data.groups_of("validation"))
    is_better = bool(lower > 0)
    if state.plan.recipe.metric not in (SELECTS_BY_LOSS, "accuracy"):
        score = selection_metric(state.plan.recipe.metric).score
        is_better = score(labels, state.validation) > score(labels, start.validation)
    after_text, before_text = (percent(correct.mean(), len(labels)) for correct in (after, before))
    accuracies = f"{after_text} of the validation images instead of {before_text}"
    if is_better:
        reason = f"fine-tuning classifies {accuracies} correctly"
    else:
        reason = (
            f"the starting point is kept: at epoch {epochs:g}, {accuracies} are correctly "
            "classified, which shows no improvement"
        )
    return StartingPointResult(
        is_kept=not is_better,
        accuracy=float(before.mean()),
        end_accuracy=float(after.mean()),
        reason=reason,
    )
