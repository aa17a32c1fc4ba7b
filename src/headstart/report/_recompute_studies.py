"""The statistics of `lr`, `effects` and `labels`, recomputed from the predictions in a report."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from headstart.report._evaluated import Evaluated, Predictions, evaluated_runs
from headstart.results import Effects, Finding, LabelCurves, LearningRates, SeedSpread
from headstart.studies import (
    UNCHANGED,
    RateSelection,
    Sampling,
    compare_changes,
    compare_label_curves,
)

Values = dict[str, object]
Name = TypeVar("Name", bound=Hashable)


def recomputed_statistics(finding: Finding, predictions: Predictions) -> Values | None:
    """Return the statistics of a finding, computed again from predictions.

    Args:
        finding: The finding.
        predictions: The predictions inside a report, by run and part.

    Returns:
        The values in the structure of the finding, without those that do not follow from the
        predictions. None for a study without such statistics, or if predictions are missing.
    """
    match finding:
        case LearningRates():
            return _learning_rates(finding, predictions)
        case Effects():
            return _effects(finding, predictions)
        case LabelCurves():
            return _labels(finding, predictions)
    return None


def _learning_rates(finding: LearningRates, predictions: Predictions) -> Values | None:
    part, folds = finding.evaluated_on, finding.cross_validation
    evaluated: dict[str, Evaluated] = {}
    for rate in finding.rates:
        if rate.diverged_seeds or rate.failures:
            continue
        result = evaluated_runs(predictions, rate.runs, part, folds)
        if isinstance(result, str):
            return None
        evaluated[f"{rate.lr:g}"] = result
    best = None if finding.best is None else f"{finding.best:g}"
    if best is None or best not in evaluated:
        return None

    sampling = _sampling(evaluated)
    learned = _correct(evaluated)
    selection = RateSelection.of(best, {}, learned, sampling.groups, sampling.fold_of)
    assert selection.comparisons is not None, "it has compared them"
    rates: list[Values] = []
    for rate in finding.rates:
        difference = selection.difference(f"{rate.lr:g}", part)
        values: Values = {
            "difference": None if difference is None else difference.model_dump(mode="json"),
            "as_good": selection.is_good(f"{rate.lr:g}"),
        }
        scores = rate.part(part)
        if scores is not None:
            values[part] = {"accuracy": _spread(scores.accuracy, evaluated.get(f"{rate.lr:g}"))}
        rates.append(values)
    return {"rates": rates, "best_interval": list(selection.comparisons.interval)}


def _effects(finding: Effects, predictions: Predictions) -> Values | None:
    part, folds = finding.evaluated_on, finding.cross_validation
    evaluated: dict[str, Evaluated] = {}
    runs = {UNCHANGED: finding.baseline.runs}
    runs |= {effect.label: effect.runs for effect in finding.effects if not effect.failures}
    for name, own_runs in runs.items():
        result = evaluated_runs(predictions, own_runs, part, folds)
        if isinstance(result, str):
            return None
        evaluated[name] = result

    sampling = _sampling(evaluated)
    statistics = compare_changes(_correct(evaluated), sampling.groups, sampling.fold_of)
    effects: list[Values] = []
    for effect in finding.effects:
        values: Values = dict(statistics.get(effect.label, {}))
        if effect.accuracy is not None:
            values["accuracy"] = _spread(effect.accuracy, evaluated.get(effect.label))
        effects.append(values)
    unchanged = _spread(finding.baseline.accuracy, evaluated[UNCHANGED])
    return {"baseline": {"accuracy": unchanged}, "effects": effects}


def _labels(finding: LabelCurves, predictions: Predictions) -> Values | None:
    part, folds = finding.evaluated_on, finding.cross_validation
    evaluated: dict[tuple[str, int], Evaluated] = {}
    for contender in finding.contenders:
        for point in contender.points:
            if point.failures:
                continue
            result = evaluated_runs(predictions, point.runs, part, folds)
            if isinstance(result, str):
                return None
            evaluated[contender.name, point.per_class] = result
    if not evaluated:
        return None

    comparison = compare_label_curves(
        [contender.name for contender in finding.contenders],
        finding.compared_with,
        _correct(evaluated),
        finding.per_class,
        part,
        _sampling(evaluated),
    )
    contenders: list[Values] = []
    for contender in finding.contenders:
        points: list[Values] = []
        for point in contender.points:
            own = evaluated.get((contender.name, point.per_class))
            has_scores = point.accuracy is not None
            points.append({"accuracy": _spread(point.accuracy, own)} if has_scores else {})
        contenders.append({"points": points})
    return {
        "contenders": contenders,
        "comparisons": [result.model_dump(mode="json") for result in comparison.comparisons],
        "main": comparison.main,
        "sentence": comparison.sentence,
    }


def _correct(evaluated: Mapping[Name, Evaluated]) -> dict[Name, NDArray[np.bool_]]:
    return {name: result.correct for name, result in evaluated.items()}


def _sampling(evaluated: Mapping[Name, Evaluated]) -> Sampling:
    """Return groups and folds, which are the same for all entries of a study."""
    first = next(iter(evaluated.values()))
    return Sampling(first.groups, first.fold_of)


def _spread(recorded: SeedSpread | None, evaluated: Evaluated | None) -> Values:
    """Return the accuracy of an entry; empty if not all of its runs finished."""
    if recorded is None or evaluated is None:
        return {}
    low, high = evaluated.interval()
    per_seed = evaluated.per_seed
    return {"mean": float(np.mean(per_seed)), "low": low, "high": high, "per_seed": per_seed}
