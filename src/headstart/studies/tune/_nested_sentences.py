"""The sentences of a search that is cross-validated, and how often its folds chose each value."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from headstart.evaluation import describe_few_folds
from headstart.formatting import enumeration, percent, percent_interval, setting
from headstart.results import ChosenValue, Contender, TunedFold, Tuning


def chosen_values(folds: Sequence[TunedFold]) -> tuple[ChosenValue, ...]:
    """Return how often each value was chosen: by setting, the most frequent first."""
    values_of: dict[str, list[JsonValue]] = {}
    for fold in folds:
        for key, value in fold.chosen.items():
            values_of.setdefault(key, []).append(value)

    chosen = []
    for key, values in values_of.items():
        distinct: list[JsonValue] = []
        for value in values:
            if value not in distinct:
                distinct.append(value)
        for value in sorted(distinct, key=values.count, reverse=True):
            chosen.append(ChosenValue(setting=key, value=value, folds=values.count(value)))
    return tuple(chosen)


def nested_sentences(
    classifier: Tuning,
    folds: Sequence[TunedFold],
    values: Sequence[ChosenValue],
    procedure: Contender,
) -> tuple[str, ...]:
    """Return what the accuracy belongs to, what the folds chose, and what the classifier is.

    Args:
        classifier: The finding of the search on all images.
        folds: The searches of the folds.
        values: How often each value was chosen.
        procedure: The scores of the recipes that the folds chose, over all images.
    """
    scores = procedure.test
    assert scores is not None and scores.interval is not None, "folds test every image"
    images = scores.n
    sentences = [
        f"The accuracy of the tuning procedure is {percent(scores.accuracy, images)} "
        f"(95% interval {percent_interval(scores.interval, images)}) over {images:,} images. Each "
        "was tested once, by a recipe whose search had not used it.",
        f"It belongs to the procedure, not to one recipe: each of the {len(folds)} folds has a "
        "search of its own.",
        kept_sentence(folds),
        _values_sentence(values, folds),
        "The classifier to use comes from one more search on all images. It has no test score of "
        "its own: the accuracy of the procedure stands for it.",
    ]
    for fold in folds:
        sentences += [
            f"In fold {fold.fold}, {note}, so the defaults are kept." for note in fold.notes
        ]
    if all(fold.is_default for fold in folds):  # otherwise the verdict says it
        sentences.insert(1, describe_few_folds(len(folds)))
    if classifier.best == classifier.defaults:
        sentences.append(classifier.verdict.sentence)
    return (*(sentence for sentence in sentences if sentence), *classifier.sentences)


def kept_sentence(folds: Sequence[TunedFold]) -> str:
    """Return in how many folds the defaults were kept."""
    kept = sum(fold.is_default for fold in folds)
    if kept == len(folds):
        every = "both folds" if kept == 2 else f"all {kept} folds"
        return f"The defaults were kept in {every}."
    return f"The defaults were kept in {kept or 'none'} of the {len(folds)} folds."


def procedure_sentence(sentence: str) -> str:
    """Return the sentence of the verdict, about the procedure in the place of one recipe."""
    recipes, procedure = "It applies to the recipes", "It applies to the tuning procedure"
    return sentence.replace(recipes, f"{procedure} and to the default recipe")


def _values_sentence(values: Sequence[ChosenValue], folds: Sequence[TunedFold]) -> str:
    """Return the values that more than one fold chose; "" if there are none to tell apart."""
    agreed = [value for value in values if value.folds > 1]
    if not agreed or all(fold.is_default for fold in folds):
        return ""
    count = len(folds)
    texts = [f"{value.setting} {setting(value.value)} ({value.folds})" for value in agreed]
    return f"Values that more than one of the {count} folds chose: {enumeration(texts)}."
