"""The finding of a search: its trials, its progress, and the retrained best recipe."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.errors import RunFailed
from headstart.evaluation import gap_interval, mean_interval
from headstart.models.recipes import SELECTS_BY_LOSS
from headstart.results import (
    Contender,
    ContenderScores,
    EvaluationPart,
    Optimism,
    Rung,
    Trial,
    TrialRung,
    Tuning,
    TuningProgress,
    TuningSeconds,
    ValidationScores,
    read_metrics,
)
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_results import EntryResults
from headstart.studies._differences import LEVEL
from headstart.studies._study import StudyContext
from headstart.studies.tune._final_runs import kept_recipe, retrained_scores
from headstart.studies.tune._finding_sentences import kept_defaults_sentence, search_sentences
from headstart.studies.tune._more_epochs import decided_more_epochs
from headstart.studies.tune._storage import Trial as StoredTrial, TrialFacts
from headstart.studies.tune._successive_halving import Search
from headstart.training import read_losses, read_probabilities

_FEWEST_FOR_IMPORTANCE = 8  # trials; with less the forest behind it knows next to nothing


def tuning_finding(
    search: Search,
    entries: Sequence[ComparisonEntry],
    results: EntryResults,
    context: StudyContext,
) -> Tuning:
    """Return the finding of a search whose best recipe has been retrained.

    Args:
        search: The search.
        entries: The retrained recipes.
        results: The comparison of them.
        context: The study.

    Raises:
        RunFailed: No run of the best recipe finished when it was retrained.
    """
    best = search.best()
    winner = _retrained_best(search, entries, results)
    is_default_kept = winner.name == "defaults"
    chosen = search.default_trial() if is_default_kept else best
    assert winner.validation is not None, "a search needs validation images"
    optimism = _selection_optimism(search, chosen, winner)

    # Without retraining, the final runs are trials, so the kept one is the best trial.
    is_marked = not search.plan["retrains"] and search.is_default(chosen)
    marked = chosen if is_marked else best
    ties = _ties(search, marked.number, context.data.groups_of("validation"))
    trials = [_trial(search, trial, ties, marked) for trial in search.trials.all()]
    rungs, history = _rungs(search), _history(search)
    verdict = results.verdict
    if is_default_kept:
        scores = retrained_scores(entries)
        sentence = kept_defaults_sentence(search, best, entries, scores, rungs[-1].trials)
        verdict = verdict.model_copy(update={"sentence": sentence})

    best_values, default_values = _best_and_defaults(search, best, winner)
    part: EvaluationPart = "validation" if winner.test is None else "test"
    budget = context.budget(search.config.time_limit, entries[0].seeds)
    return Tuning(
        **context.common_fields(part, results.test_reads, budget),
        contenders=results.contenders,
        failed=results.failed,
        baselines=results.baselines,
        verdict=verdict,
        model=search.config.model,
        metric=SELECTS_BY_LOSS if search.metric is None else search.metric.name,
        best=default_values if is_default_kept else best_values,
        defaults=default_values,
        run=winner.representative_run,
        validation=ValidationScores(
            accuracy=winner.validation.accuracy, loss=winner.validation.loss
        ),
        test=winner.test,
        optimism=optimism,
        trials=tuple(trials),
        history=tuple(history),
        importance=_importance(search),
        space=search.space.described,
        rungs=tuple(rungs),
        seconds=TuningSeconds(
            total=round(search.clock(), 1),
            search=history[-1].seconds if history else 0.0,
            final=round(_total_seconds(entries), 1),
        ),
        sentences=tuple(
            search_sentences(
                search,
                trials,
                rungs,
                optimism,
                context.data.split,
                is_default_kept=is_default_kept,
            )
        ),
    )


def _selection_optimism(search: Search, chosen: StoredTrial, winner: Contender) -> Optimism | None:
    """Return the optimism of the score that selected a trial; None without test images."""
    if winner.test is None:
        return None
    assert winner.validation is not None, "a search needs validation images"
    selected = winner.validation.accuracy
    if search.plan["retrains"]:
        selected = _last_result(search, chosen.number)["accuracy"]
    return _optimism(selected, winner.validation.n, winner.test)


def _rungs(search: Search) -> list[Rung]:
    """Return the rungs of a search, with the number of their trials."""
    return [
        Rung(epochs=rung["epochs"], trials=len(outcomes))
        for rung, outcomes in zip(search.plan["rungs"], search.rungs, strict=True)
    ]


def _best_and_defaults(
    search: Search, best: StoredTrial, winner: Contender
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the best trial, and the defaults of the same keys.

    The epochs are among them if the time that was left was spent on more of them.
    """
    defaults = search.defaults.flat()
    best_values = dict(best.values)
    default_values = {key: defaults.get(key) for key in best.values}
    more = decided_more_epochs(search)
    if more is not None and more.epochs is not None:
        best_values["epochs"] = winner.epochs[0]
        default_values["epochs"] = more.defaults
    return best_values, default_values


def _optimism(best_validation: float, images: int, test: ContenderScores) -> Optimism:
    """Return the gap between the score that selected the recipe and its test accuracy.

    Args:
        best_validation: Validation accuracy of the selected run.
        images: Number of validation images.
        test: Test scores of the retrained recipe, over new seeds.
    """
    test_interval = test.interval or (0.0, 1.0)
    interval = gap_interval(
        best_validation, images, test.accuracy, test_interval, np.asarray(test.per_seed)
    )
    gap = best_validation - test.accuracy
    return Optimism(best_validation=best_validation, test=test.accuracy, gap=gap, interval=interval)


def _retrained_best(
    search: Search, entries: Sequence[ComparisonEntry], results: EntryResults
) -> Contender:
    """Return the retrained best recipe, or the defaults unless it beats them on validation data.

    A recipe of which a run failed comes after one whose runs all finished.

    Raises:
        RunFailed: No run of the best recipe finished when it was retrained.
    """
    has_tuned = search.plan["searches"] and not search.is_default(search.best())
    name = "tuned" if has_tuned else "defaults"
    retrained = {contender.name: contender for contender in results.contenders}
    # In a nested cross-validation, each search has one run of each. It keeps the defaults where the
    # other one fails, as the folds do.
    if name in retrained or (search.part is not None and retrained):
        return retrained[kept_recipe(entries, retrained_scores(entries))]
    failures: list[str] = []
    for entry in entries:
        if entry.name == name:
            failures += entry.failures.values()
    raise RunFailed(
        f"the best recipe failed with every seed that it was retrained with: {'; '.join(failures)}",
        "Try another --seed.",
    )


def _total_seconds(entries: Sequence[ComparisonEntry]) -> float:
    """Return the seconds of all retrained runs."""
    seconds = 0.0
    for entry in entries:
        seconds += sum(read_metrics(run).seconds.total for run in entry.runs.values())
    return seconds


def _last_result(search: Search, number: int) -> TrialFacts:
    """Return the facts of the longest finished run of a recipe."""
    return next(
        rung[number].facts
        for rung in reversed(search.rungs)
        if number in rung and rung[number].state == "done"
    )


def _ties(search: Search, best: int, groups: NDArray[np.int64] | None) -> set[int]:
    """Return the recipes on the last rung that are not significantly worse than the best.

    With another metric than the loss or the accuracy, only an equal score is a tie: there is no
    paired test for it. The losses, or the errors if accuracy selects, are compared image by image
    on the validation images, for one seed. The variance over seeds would only add ties. The same
    images selected the best recipe, so the level is corrected for all pairs (Bonferroni).
    """
    losses = {}
    rung = _last_finished_rung(search)
    if search.metric is not None and search.metric.name != "accuracy":
        score = rung[best].facts.get("score") if best in rung else None
        equal = [number for number, trial in rung.items() if trial.facts.get("score") == score]
        return {best, *equal} if score is not None else {best}
    level = 1 - LEVEL / max(1, math.comb(len(rung), 2))
    for number, trial in rung.items():
        run = search.folder / trial.facts.get("run", "")
        if trial.state == "done" and (run / "predictions.csv").exists():
            losses[number] = _image_losses(search, run)
    if best not in losses:
        return {best}

    ties = {best}
    for number, loss in losses.items():
        lower, _ = mean_interval(loss - losses[best], level, groups=groups)
        if lower <= 0:
            ties.add(number)
    return ties


def _image_losses(search: Search, run: Path) -> NDArray[np.float64]:
    """Return the loss of each validation image, or 1 for each error if accuracy selects."""
    if search.metric is None:
        return read_losses(run, "validation")
    labels, probabilities = read_probabilities(run, "validation", search.data.class_names)
    errors: NDArray[np.float64] = (probabilities.argmax(1) != labels).astype(np.float64)
    return errors


def _last_finished_rung(search: Search) -> dict[int, StoredTrial]:
    """Return the highest rung on which a run finished, or an empty one."""
    for rung in reversed(search.rungs):
        if any(trial.state == "done" for trial in rung.values()):
            return rung
    return {}


def _trial(search: Search, trial: StoredTrial, ties: set[int], best: StoredTrial) -> Trial:
    outcomes = [rung[trial.number] for rung in search.rungs if trial.number in rung]
    done = [outcome.facts for outcome in outcomes if outcome.state == "done"]
    failed = [outcome.facts for outcome in outcomes if outcome.state == "failed"]
    failure = failed[0] if failed else {}
    state: Literal["done", "failed", "unfinished"] = "done" if done else "unfinished"
    return Trial(
        number=trial.number,
        values=trial.values,
        state="failed" if failure else state,
        reason=failure.get("reason"),
        message=failure.get("message", ""),
        rungs=tuple(
            TrialRung(
                epochs=facts["epochs"],
                loss=facts["loss"],
                accuracy=facts["accuracy"],
                score=facts.get("score"),
                seconds=facts["seconds"],
                run=facts["run"],
            )
            for facts in done
        ),
        is_tie=trial.number in ties,
        is_best=trial.number == best.number,
        is_default=search.is_default(trial) if failure.get("reason") != "input" else False,
    )


def _history(search: Search) -> list[TuningProgress]:
    """Return the progress after each finished run: time and epochs so far, and the best scores."""
    finished = []
    for rung in search.rungs:
        finished += [
            (trial.facts, number) for number, trial in rung.items() if trial.state == "done"
        ]
    finished.sort(key=lambda pair: pair[0]["at"])

    history = []
    epochs, accuracy, loss = 0.0, 0.0, math.inf
    best_score: float | None = None
    for facts, number in finished:
        epochs += facts["epochs"]
        accuracy = max(accuracy, facts["accuracy"])
        loss = min(loss, facts["loss"])
        score = facts.get("score")
        if score is not None:
            best_score = score if best_score is None else max(best_score, score)
        history.append(
            TuningProgress(
                seconds=facts["at"],
                epochs=round(epochs, 2),
                best_validation=accuracy,
                best_loss=loss,
                best_score=best_score,
                trial=number,
            )
        )
    return history


def _importance(search: Search) -> dict[str, float]:
    """Return the fraction of the variance of the log loss that each hyper-parameter explains.

    It is computed over the first rung.

    References:
        fANOVA: Hutter et al. (2014), as in Optuna.
    """
    import optuna

    done = [trial for trial in search.rungs[0].values() if trial.state == "done"]
    if len(done) < _FEWEST_FOR_IMPORTANCE or len({trial.facts["loss"] for trial in done}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        importances = optuna.importance.get_param_importances(
            search.trials.study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
            target=lambda trial: float(np.log(trial.user_attrs["facts"]["loss"])),
        )
    return {name: round(float(share), 4) for name, share in importances.items()}
