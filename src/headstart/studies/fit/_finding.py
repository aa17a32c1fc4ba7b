"""The finding of a fit: the choice, its scores, and what each rung gave."""

from __future__ import annotations

from typing import Literal

from headstart.data import SplitDataset
from headstart.evaluation import apply_temperature, majority_class, score_or_none
from headstart.formatting import (
    approximate_duration,
    counted,
    milliseconds,
    percent,
    percent_interval,
)
from headstart.results import (
    Budget,
    FitChoice,
    FitFinding,
    FitMember,
    FitSeconds,
    ImageSettings,
    PartMetrics,
    PartScores,
    RunMetrics,
    TriedRung,
)
from headstart.studies._study import StudyContext, evaluation_part
from headstart.studies.fit._choice import CLASSIFIER, Choice, best_result, without_copies
from headstart.studies.fit._climb import Climb, read_temperature
from headstart.studies.fit._final import evaluate_choice
from headstart.studies.fit._ladder import INSTEAD_OF_FINE_TUNING
from headstart.studies.fit._last_fit import fit_last
from headstart.studies.fit._more_time import estimate_more_time
from headstart.studies.fit._rung import FINE_TUNED, FailedRung, RungResult, input_px_of
from headstart.training import read_probabilities


def fit_finding(
    climb: Climb, context: StudyContext, images: ImageSettings | None = None
) -> FitFinding:
    """Evaluate the choice of a climb on the test images, and return the finding.

    Args:
        climb: The finished climb.
        context: The study.
        images: The size and the shape that were chosen for the images, if any were.
    """
    assert climb.choice is not None, "a climb ends with a choice or an error"
    before = climb.clock.spent()
    climb.clock.last_fit = 0.0  # its time has come, if there is enough
    choice = climb.choose_in_time(climb.choice)
    refit = fit_last(choice, climb)
    metrics = evaluate_choice(choice, context.folder, context.data, context.command, refit)
    validation, test = metrics.validation, metrics.test
    assert validation is not None, "fit needs validation images"

    spent = climb.clock.spent()
    part = evaluation_part(context.data)
    budget = Budget(
        time_limit=climb.clock.limit,
        seeds=tuple({result.rung.seed for result in climb.results}),
        seconds_spent=round(spent, 1),  # the limit covers the time before an interruption too
    )
    return FitFinding(
        **context.common_fields(part, int(test is not None), budget),
        run=str(context.folder / CLASSIFIER),
        metric=climb.metric.name,
        chosen=_describe_choice(choice, climb),
        validation=validation.scores(),
        validation_score=choice.score,
        folds=climb.folds_of(choice),
        cross_validated=_cross_validated(choice, climb),
        last_fit=None if refit is None else refit.record,
        test=None if test is None else test.scores(),
        test_score=_test_score(climb, context),
        runs=(CLASSIFIER,),
        tried=tuple(_tried(climb, choice)),
        history=tuple(climb.history),
        plan=climb.plan,
        image_settings=images,
        more_time=estimate_more_time(climb),
        seconds=FitSeconds(
            total=round(spent, 1),
            rungs=round(sum(result.seconds_with_folds for result in climb.results), 1),
            final=round(spent - before, 1),
        ),
        sentences=_sentences(choice, climb, metrics, images),
    )


def _cross_validated(choice: Choice, climb: Climb) -> PartScores | None:
    """Return the scores of a choice on training and validation images, by folds."""
    probabilities = choice.out_of_fold()
    if probabilities is None or climb.folds is None:
        return None
    return climb.folds.scores_of(probabilities).scores()


def _describe_choice(choice: Choice, climb: Climb) -> FitChoice:
    members = tuple(
        FitMember(name=member.rung.name, weight=round(weight, 4))
        for member, weight in zip(choice.members, choice.weights, strict=True)
    )
    kind: Literal["single", "ensemble"] = "single" if choice.is_single else "ensemble"
    return FitChoice(kind=kind, members=members, sentence=_reason(choice, climb))


def _reason(choice: Choice, climb: Climb) -> str:
    """Return a choice and its reason in words."""
    name, score = choice.short_name, climb.describe_choice(choice)
    results = without_copies(climb.results)
    compared, part = results, "on the validation images"
    if choice.beaten is not None:
        beaten = f"{choice.beaten.name} {climb.describe_score(choice.beaten.score)}"
        return (
            f"{name} has {score} {part}, and {beaten}. There was no time to cross-validate {name}."
        )
    if choice.is_cross_validated and climb.folds is not None:
        compared = [result for result in results if result.folds is not None]
        part = f"in {climb.folds.count}-fold cross-validation of {len(climb.folds.images):,} images"

    tried = counted(len(compared), "run")
    if choice.is_single:
        sentence = f"{name} has the best of {tried} {part}: {score}."
    else:
        alone = climb.describe_score(
            _best_alone(choice, climb), is_by_folds=choice.is_cross_validated
        )
        sentence = f"{name} has {score} {part}, and the best of {tried} alone {alone}."
    others = len(results) - len(compared)
    if others:
        verb = "is" if others == 1 else "are"
        sentence += (
            f" {counted(others, 'run')} without folds {verb} not better on the validation images."
        )
    return sentence


def _best_alone(choice: Choice, climb: Climb) -> float:
    """Return the best score of one run, on the images that selected the choice."""
    if choice.is_cross_validated and climb.folds is not None:
        return max(result.folds.score for result in climb.results if result.folds is not None)
    return best_result(without_copies(climb.results)).score


def _tried(climb: Climb, choice: Choice) -> list[TriedRung]:
    """Return all rungs: those with a result in their order, then failures, then the others."""
    rungs = [_finished(result, choice) for result in climb.results]
    rungs += [_failed(failure) for failure in climb.failures]
    for family, reason in climb.ladder.not_entered.items():
        rungs.append(TriedRung(name=family, family=family, state="not entered", reason=reason))
    return rungs


def _finished(result: RungResult, choice: Choice) -> TriedRung:
    validation = result.metrics.validation
    assert validation is not None, "fit needs validation images"
    return TriedRung(
        name=result.rung.name,
        family=result.family,
        state="done",
        reason="; ".join(filter(None, (result.rung.reason, result.head_note))),
        run=f"runs/{result.folder.name}",
        validation=validation.scores(),
        score=result.score if result.folds is None else result.folds.score,
        validation_score=result.score,
        cross_validated=None if result.folds is None else result.folds.parts,
        epochs=None if result.is_solved else result.metrics.epochs,
        seconds=round(result.seconds_with_folds, 2),
        weight=round(choice.weight_of(result.rung.name), 4),
    )


def _failed(failure: FailedRung) -> TriedRung:
    return TriedRung(
        name=failure.rung.name,
        family=failure.rung.family,
        state="failed",
        reason=failure.message,
        seconds=round(failure.seconds, 2),
    )


def _test_score(climb: Climb, context: StudyContext) -> float | None:
    """Return the score of the classifier on the test images by the metric of the selection."""
    data, folder = context.data, context.folder / CLASSIFIER
    if not len(data.split.test):
        return None
    labels, raw = read_probabilities(folder, "test", data.class_names)
    probabilities = apply_temperature(raw, read_temperature(folder))
    return score_or_none(climb.metric, labels, probabilities)


def _by_other_metric(climb: Climb, test: PartMetrics) -> str:
    """Return a further sentence with the test score, if accuracy was not what selected."""
    score = None if climb.metric.name == "accuracy" else _test_score(climb, climb.context)
    return "" if score is None else f" On them, it has {climb.metric.describe(score, test.n)}."


def _use_of_test_images(context: StudyContext) -> str:
    """Return a sentence about how often the study has used its test images."""
    if context.has_previous_finding:
        return "The test images were also used by the fit with the shorter limit."
    return "The test images were used once."


def _no_better_than_guessing(test: PartMetrics, data: SplitDataset) -> str:
    """Return a further sentence if the test does not show that the classifier learned anything."""
    split = data.split
    guess = majority_class(data.dataset.labels, split.train, split.test, data.class_names)
    if test.interval[0] > guess.accuracy:
        return ""
    return (
        " That is not significantly better than always answering with the most frequent class "
        f"({percent(guess.accuracy, test.n)}). More images or a longer --time-limit may help."
    )


def _too_slow(choice: Choice, max_ms: float | None) -> str | None:
    """Return a sentence if the choice takes more milliseconds per image than it may."""
    taken = sum(member.metrics.predict_ms_per_image or 0.0 for member in choice.members)
    if max_ms is None or taken <= max_ms:
        return None
    return (
        f"WARNING: no run predicts an image within --max-ms {max_ms:g}. The fastest one is chosen, "
        f"which takes {milliseconds(taken)} ms."
    )


def _too_long_to_evaluate(choice: Choice, climb: Climb) -> str | None:
    """Return a sentence if the best average was left out because of the time."""
    best = climb.choice
    if best is None or best is choice:
        return None
    return (
        f"{best.short_name.capitalize()} scored better ({climb.describe_choice(best)}), but too "
        "little time was left to evaluate it. Set a longer --time-limit to get it."
    )


def _instead_of_fine_tuning(climb: Climb) -> str | None:
    """Return a sentence if a frozen backbone got more pixels in place of fine-tuning."""
    results = climb.results
    if any(result.family == FINE_TUNED for result in results):
        return None
    instead = [result for result in results if result.rung.reason == INSTEAD_OF_FINE_TUNING]
    if not instead:
        return None
    px = input_px_of(instead[-1].rung.recipe)
    return (
        f"The time did not suffice for fine-tuning as well, so the frozen backbone was tried at "
        f"{px} pixels instead."
    )


def _sentences(
    choice: Choice, climb: Climb, metrics: RunMetrics, images: ImageSettings | None
) -> tuple[str, ...]:
    assert metrics.validation is not None, "fit needs validation images"
    score, spent = climb.describe_choice(choice), approximate_duration(climb.clock.spent())
    measured = f"validation {score}"
    if choice.is_cross_validated and climb.folds is not None:
        count = len(climb.folds.images)
        measured = f"{score} in {climb.folds.count}-fold cross-validation of {count:,} images"
    sentences = [f"The classifier is {choice.short_name}: {measured}, after about {spent}."]
    if metrics.test is not None:
        test = metrics.test
        sentences.append(
            f"It classifies {percent(test.accuracy, test.n)} of {counted(test.n, 'test image')} "
            f"correctly (95% interval {percent_interval(test.interval, test.n)}). "
            f"{_use_of_test_images(climb.context)}"
            f"{_by_other_metric(climb, test)}"
            f"{_no_better_than_guessing(test, climb.context.data)}"
        )
    if metrics.last_fit is not None:
        sentences.append(metrics.last_fit.sentence)
    sentences += [
        f"{member.rung.name} {member.head_note}."
        for member in choice.members
        if member.ended_as_head
    ]
    notes = (
        _too_slow(choice, climb.max_ms),
        _too_long_to_evaluate(choice, climb),
        _instead_of_fine_tuning(climb),
        None if images is None else images.sentence,
    )
    sentences += [note for note in notes if note is not None]
    more_time = estimate_more_time(climb)
    if more_time is not None:
        sentences.append(more_time.sentence)
    return tuple(sentences)
