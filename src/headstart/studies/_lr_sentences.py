"""The sentences of a study of learning rates."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data import SplitDataset
from headstart.evaluation import (
    describe_folds,
)
from headstart.formatting import counted, percent, percent_interval, points
from headstart.results import (
    EvaluationPart,
    LearningRateRange,
    LearningRateResult,
)
from headstart.studies._grid import Grid
from headstart.studies._group_notes import group_notes

_LARGE_LOSS = 0.05  # of accuracy; a limit above it says that there are too few runs


def learning_rates_sentence(
    rates: Sequence[LearningRateResult],
    good: LearningRateRange | None,
    best_interval: tuple[float, float] | None,
    diverges_from: float | None,
    grid: Grid,
    part: EvaluationPart,
    images: int,
) -> str:
    """Return what the study found: the best rate, those as good, and where training diverges.

    Args:
        rates: The results of all rates, in ascending order.
        good: The rates that are not significantly worse than the best one; None without a best one.
        best_interval: 95% interval of the accuracy of the best rate, corrected for the selection.
        diverges_from: The lowest rate above the best at which a run diverges; None for none.
        grid: The grid.
        part: The part of the split that evaluates.
        images: Number of its images.
    """
    recipe = grid.variants[0].recipe
    best = next((rate for rate in rates if rate.is_best), None)
    scores = None if best is None else best.part(part)
    if best is None or good is None or scores is None:
        return (
            f"{recipe.model} with {recipe.optimizer} learned nothing at any of the "
            f"{len(rates)} learning rates from {rates[0].lr:g} to {rates[-1].lr:g}."
        )

    interval = ""
    if best_interval is not None:
        corrected = ", corrected for the selection" if len(rates) > 1 else ""
        interval = f"; 95% interval {percent_interval(best_interval, images)}{corrected}"
    sentences = [
        f"The best learning rate of {recipe.model} with {recipe.optimizer} over "
        f"{recipe.epochs:.3g} epochs is {best.lr:g} "
        f"({percent(scores.accuracy.mean, images)} on {part} images{interval}).",
        _range_sentence(good),
    ]

    if diverges_from is not None:
        rate = next(rate for rate in rates if rate.lr == diverges_from)
        what = "seed" if grid.folds is None else "run"
        sentences.append(_divergence_sentence(rate, what))
    if best in (rates[0], rates[-1]):
        sentences.append("The best rate is at the edge of the grid: pass --values beyond it.")
    return " ".join(sentences)


def _range_sentence(good: LearningRateRange) -> str:
    if good.low == good.high:
        return "Its neighbours in the grid are worse, vary more, or diverge."
    decades = "decade" if good.decades == 1 else "decades"
    text = (
        f"Rates from {good.low:g} to {good.high:g} are not significantly worse "
        f"({good.decades:.2g} {decades})"
    )
    if good.largest_loss is None:
        return f"{text}."
    loss = points(good.largest_loss)
    if good.excludes_no_loss:
        return f"{text}, but so few runs exclude no loss (95%)."
    if good.largest_loss > _LARGE_LOSS:
        return f"{text}, but a loss of up to {loss} points cannot be excluded (95%)."
    return f"{text}: they lose at most {loss} points (95%)."


def _divergence_sentence(rate: LearningRateResult, what: str = "seed") -> str:
    runs = len(rate.runs) + len(rate.failures)
    if rate.diverged_everywhere:
        who = f"every {what}" if runs > 1 else f"the only {what}"
    else:
        who = f"{len(rate.diverged_seeds)} of {counted(runs, what)}"
    return f"At {rate.lr:g}, training diverges with {who}."


def learning_rates_notes(grid: Grid, data: SplitDataset, part: EvaluationPart) -> tuple[str, ...]:
    """Return sentences about groups, the time limit, folds, and what limits the evidence."""
    notes = []
    if grid.folds is None:  # Folds keep groups whole.
        notes += group_notes(grid.correct_predictions(part), part, data.groups_of(part))
    notes += grid.notes
    if grid.fold_of is not None:
        notes.append(describe_folds(grid.fold_of))
    if part == "validation":
        notes.append(
            "The validation images selected the best rate and evaluate it, so its accuracy is "
            "optimistic, and no p-values are given."
        )
    if grid.has_one_seed:
        notes.append(
            "One seed: differences are about these trained models, not about the learning rates."
        )
    return tuple(notes)
