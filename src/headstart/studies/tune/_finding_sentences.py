"""The sentences of a search."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data import Split
from headstart.evaluation import metric_name, selection_metric
from headstart.formatting import counted, percent, points, points_interval
from headstart.results import (
    Optimism,
    Rung,
    Trial,
)
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies.tune._more_epochs import decided_more_epochs, failure_of_more_epochs
from headstart.studies.tune._storage import Trial as StoredTrial
from headstart.studies.tune._successive_halving import Search, values_text


def kept_defaults_sentence(
    search: Search,
    best: StoredTrial,
    entries: Sequence[ComparisonEntry],
    scores: dict[str, float],
    full: int,
) -> str:
    """Return the sentence of a search that keeps the default recipe.

    Args:
        search: The search.
        best: The best recipe of the search.
        entries: The retrained recipes.
        scores: The validation scores of the retrained recipes; see `retrained_scores`.
        full: Recipes with a full run.
    """
    if not search.plan["searches"]:
        return (
            "The time limit was too short for a search: the default recipe was trained."
            f"{_more_epochs_words(search)}"
        )
    if search.is_default(best):
        tried = len(search.trials.all())
        if tried == 1:
            return _only_defaults_sentence(search)
        if not search.plan["retrains"]:
            return _one_full_run_sentence(search, tried)
        part = "" if tried == full else f", of which {full} had a full run"
        return (
            f"The search tried {counted(tried, 'recipe')}{part}. None had a {_better(search)} than "
            "the defaults."
        )
    retrained, kept = (
        next(entry for entry in entries if entry.name == name) for name in ("tuned", "defaults")
    )
    if retrained.failures and not kept.failures:
        return (
            "The defaults are kept: retrained, the best recipe of the search failed with "
            f"{len(retrained.failures)} of {counted(len(retrained.ended_seeds), 'seed')}."
        )
    metric = search.metric or selection_metric("accuracy")
    images = len(search.data.split.validation)
    defaults, tuned = (metric.describe(scores[name], images) for name in ("defaults", "tuned"))
    retrained_words = "retrained, they" if search.plan["retrains"] else "they"
    return (
        f"The defaults are kept: {retrained_words} have {defaults} on validation images, "
        f"and the best recipe of the search {tuned}."
    )


def _only_defaults_sentence(search: Search) -> str:
    """Return that no other recipe was tried, and whether the reason is the time limit."""
    is_for_time = search.config.time_limit is not None and search.config.trials != 1
    reason = ": the time limit left no time for another recipe" if is_for_time else ""
    return f"Only the defaults were tried{reason}.{_more_epochs_words(search)}"


def _more_epochs_words(search: Search) -> str:
    """Return why the defaults were not continued, or why the longer run is not kept.

    It is "" if no time was left.
    """
    more = decided_more_epochs(search)
    if more is None:
        return ""
    if more.epochs is None:
        return (
            f" The validation loss was lowest in epoch {more.lowest} of {more.defaults:.3g}, so "
            "more epochs are unlikely to help."
        )
    if failure := failure_of_more_epochs(search):
        reason = failure.removesuffix(".")
        return f" The run could not be continued to {more.epochs:.3g} epochs: {reason}."
    return f" Continuing to {more.epochs:.3g} epochs did not improve the validation score."


def _one_full_run_sentence(search: Search, tried: int) -> str:
    """Return why no recipe but the default one had a full run that finished."""
    if search.is_default(search.best_short_run()):
        return (
            f"The search tried {counted(tried, 'recipe')} in short runs. None had a "
            f"{_better(search)} than the defaults."
        )
    return (
        f"The search tried {counted(tried, 'recipe')} in short runs. The full run of the best one "
        "did not finish, so the defaults are kept."
    )


def _better(search: Search) -> str:
    """Return what a better recipe has, such as "higher validation macro-f1"."""
    if search.metric is None:
        return "lower validation loss"
    return f"higher validation {metric_name(search.metric.name)}"


def _selected(search: Search, best: Trial) -> str:
    """Return what the best recipe has, such as "highest validation macro-f1 87.52%"."""
    score = best.rungs[-1].score
    if search.metric is None or score is None:
        return "lowest validation loss"
    return f"highest validation {search.metric.describe(score, len(search.data.split.validation))}"


def search_sentences(
    search: Search,
    trials: Sequence[Trial],
    rungs: Sequence[Rung],
    optimism: Optimism | None,
    split: Split,
    *,
    is_default_kept: bool,
) -> list[str]:
    """Return what the search found, how far it is biased, and what failed or was shortened.

    Args:
        search: The search.
        trials: Its trials.
        rungs: Its rungs.
        optimism: Validation minus test accuracy; None without test images.
        split: The split of the study, with the test images that the search does not see.
        is_default_kept: Whether the default recipe is the one that is chosen.
    """
    best = next(trial for trial in trials if trial.is_best)
    full = rungs[-1].trials
    sentences = []
    if len(trials) == 1:
        # Otherwise the verdict says that only the defaults were tried.
        if not is_default_kept and (more := decided_more_epochs(search)) is not None:
            sentences.append(
                "The time limit left no time for another recipe. The run of the defaults was "
                f"therefore continued after {more.defaults:.3g} epochs. The longer run is better "
                "on validation images."
            )
    elif search.plan["retrains"]:
        sentences.append(
            f"Of {counted(len(trials), 'recipe')}, {full} had a full run. The recipe with the "
            f"{_selected(search, best)} has {values_text(best.values)}."
        )
    elif search.plan["searches"]:
        sentences.append(
            f"The time limit left time for one full run besides that of the defaults. Best of "
            f"{counted(len(trials), 'recipe')} in short runs: "
            f"{values_text(search.best_short_run().values)}."
        )

    ties = [trial for trial in trials if trial.is_tie and not trial.is_best]
    if ties:
        sentences.append(_ties_sentence(ties))
    if optimism is not None:
        selected = f"validation accuracy {percent(optimism.best_validation, len(split.validation))}"
        if not search.plan["retrains"]:
            owner = "The defaults have" if is_default_kept else "The best recipe has"
            words = f"{owner} {selected}. The test accuracy is "
        elif is_default_kept:
            words = (
                f"In the search, the defaults had {selected}. Retrained, their test accuracy is "
            )
        else:
            words = (
                f"The best recipe had {selected} in the search. Retrained, its test accuracy is "
            )
        sentences.append(
            f"{words}{percent(optimism.test, len(split.test))}. Validation minus test is "
            f"{points(optimism.gap, signed=True)} points "
            f"(95% interval {points_interval(optimism.interval)})."
        )
    elif search.part is None:
        sentences.append(
            "There are no test images. All scores are on the validation images that selected the "
            "recipe, and are optimistic."
        )

    failed = sum(trial.state == "failed" for trial in trials)
    if failed:
        sentences.append(f"{failed} of {len(trials)} recipes failed.")
    trained = trials[0].rungs[-1].epochs if trials[0].rungs else 0.0
    if not search.plan["searches"] and trained < (search.defaults.epochs or 0):
        sentences.append(
            f"For the time limit, the run has {trained:.3g} epochs instead of "
            f"{search.defaults.epochs:.3g}. The finding is about a run of this length."
        )
    return sentences


def _ties_sentence(ties: Sequence[Trial]) -> str:
    """Return how many recipes are not significantly worse than the best."""
    has_default = any(trial.is_default for trial in ties)
    if len(ties) == 1:
        return f"{'The defaults are' if has_default else '1 other is'} not significantly worse."
    return f"{len(ties)} others are not significantly worse" + (
        ", including the defaults." if has_default else "."
    )
