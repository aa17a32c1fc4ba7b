"""The finding of a search: its trials, its progress, and the retrained best recipe."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from headstart.errors import RunFailed
from headstart.evaluation import mean_interval
from headstart.results import (
    Contender,
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
from headstart.studies._comparison_entries import ComparisonEntry, EntryResults
from headstart.studies._study import StudyContext
from headstart.studies.tune._storage import Trial as StoredTrial
from headstart.studies.tune._successive_halving import Search, values_text
from headstart.training import read_losses

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
    best, ties = search.best(), _ties(search)
    winner = _retrained_best(search, entries, results)
    assert winner.validation is not None, "a search needs validation images"
    last = _last_result(search, best.number)
    optimism = None
    if winner.test is not None:
        optimism = Optimism(
            best_validation=last["accuracy"],
            test=winner.test.accuracy,
            gap=last["accuracy"] - winner.test.accuracy,
        )

    trials = [_trial(search, trial, ties, best) for trial in search.trials.all()]
    rungs = [
        Rung(epochs=rung["epochs"], trials=len(outcomes))
        for rung, outcomes in zip(search.plan["rungs"], search.rungs, strict=True)
    ]
    history = _history(search)
    verdict = results.verdict
    if search.is_default(best):
        sentence = f"No recipe of {len(trials)} had a lower validation loss than the defaults."
        verdict = verdict.model_copy(update={"sentence": sentence})

    defaults = search.defaults.flat()
    part: EvaluationPart = "validation" if winner.test is None else "test"
    budget = context.budget(search.config.time_limit, entries[0].seeds)
    return Tuning(
        **context.common_fields(part, results.test_reads, budget),
        contenders=results.contenders,
        failed=results.failed,
        baselines=results.baselines,
        verdict=verdict,
        model=search.config.model,
        best=best.values,
        defaults={key: defaults.get(key) for key in best.values},
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
        sentences=tuple(_sentences(search, trials, rungs, optimism)),
    )


def _retrained_best(
    search: Search, entries: Sequence[ComparisonEntry], results: EntryResults
) -> Contender:
    name = "defaults" if search.is_default(search.best()) else "tuned"
    for contender in results.contenders:
        if contender.name == name:
            return contender
    failures = []
    for entry in entries:
        if entry.name == name:
            failures += entry.failures
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


def _last_result(search: Search, number: int) -> dict[str, Any]:
    """Return the facts of the longest finished run of a recipe."""
    return next(
        rung[number].facts
        for rung in reversed(search.rungs)
        if number in rung and rung[number].state == "done"
    )


def _ties(search: Search) -> set[int]:
    """Return the recipes on the last rung whose loss is not significantly above the lowest.

    The losses are compared image by image on the validation images, with a 95% interval each, for
    one seed. The variance over seeds would only add ties.
    """
    best = search.best().number
    losses = {}
    for number, trial in _last_finished_rung(search).items():
        run = search.folder / trial.facts.get("run", "")
        if trial.state == "done" and (run / "predictions.csv").exists():
            losses[number] = read_losses(run, "validation")
    if best not in losses:
        return {best}

    ties = {best}
    for number, loss in losses.items():
        lower, _ = mean_interval(loss - losses[best])
        if lower <= 0:
            ties.add(number)
    return ties


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
    for facts, number in finished:
        epochs += facts["epochs"]
        accuracy = max(accuracy, facts["accuracy"])
        loss = min(loss, facts["loss"])
        history.append(
            TuningProgress(
                seconds=facts["at"],
                epochs=round(epochs, 2),
                best_validation=accuracy,
                best_loss=loss,
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


def _sentences(
    search: Search, trials: Sequence[Trial], rungs: Sequence[Rung], optimism: Optimism | None
) -> list[str]:
    best = next(trial for trial in trials if trial.is_best)
    sentences = [f"Best of {len(trials)} recipes by validation loss: {values_text(best.values)}."]

    ties = [trial for trial in trials if trial.is_tie and not trial.is_best]
    if ties:
        verb = "is" if len(ties) == 1 else "are"
        usual = ", the defaults among them" if any(trial.is_default for trial in ties) else ""
        sentences.append(
            f"{len(ties)} of the {rungs[-1].trials} that reached the last rung {verb} not "
            f"significantly worse{usual}."
        )
    if optimism is not None:
        sentences.append(
            f"When it was selected, it had {optimism.best_validation:.2%} on validation images. "
            f"Retrained, it has {optimism.test:.2%} on test images: "
            f"{100 * optimism.gap:+.1f} points of optimism."
        )
    else:
        sentences.append(
            "There are no test images. All scores are on the validation images that selected the "
            "recipe, and are optimistic."
        )

    failed = sum(trial.state == "failed" for trial in trials)
    if failed:
        sentences.append(f"{failed} of {len(trials)} recipes failed.")
    if search.plan["epochs"] < (search.defaults.epochs or 0):
        sentences.append(
            f"For the time limit, a full run has {search.plan['epochs']:.3g} epochs instead of "
            f"{search.defaults.epochs:.3g}. The finding is about runs of this length."
        )
    return sentences
