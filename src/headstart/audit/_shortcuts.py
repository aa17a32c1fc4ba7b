"""The shortcut baseline: classes that a property of the file alone predicts."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headstart.audit._file_properties import Property, list_properties
from headstart.audit._pixel_statistics import PixelStatistics, measure_pixels
from headstart.data import Dataset, FileFacts, stratified_subset
from headstart.evaluation import holm

FloatArray = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to train on, rows to predict

FOLDS = 5
_SEED = 0
# Classes are predicted by trees this large at most: enough leaves for all classes of a size each.
_LEAVES_PER_CLASS = 2
_LEAST_LEAF = 5
# More images would not change the conclusion, only take longer.
_MOST_IMAGES = 20_000
_LEVEL = 0.05
# A skill of 0 is guessing, and 1 is perfect. Brightness and border belong to what is shown: a class
# of night scenes is dark. So they are reported only where they nearly decide the class.
FILE_SKILL, PIXEL_SKILL = 0.1, 0.4
# The binomial noise of a fixed rule understates that of a cross-validated tree: at a level of 5%, 7
# to 12% of 900 random properties passed (16 to 400 images, 2 to 10 classes; a temporary script). So
# what passes is compared with shuffled labels, unless it is so far above guessing that this cannot
# matter.
_SHUFFLES, _BEYOND_DOUBT = 60, 1e-15
JOINT = "all together"


@dataclass(frozen=True)
class PropertyBaseline:
    """How well one property, without the picture, predicts the class.

    Attributes:
        name: The property, such as "size", "file format" or "mean brightness".
        accuracy: Cross-validated balanced accuracy: the mean over classes of the share predicted
            correctly, in [0, 1]. Guessing gives 1 / K.
        interval: 95% interval of it over images.
        p_value: One-sided p-value of a test against guessing. Where it would be reported, and by
            less than eight standard deviations, the test compares it with shuffled labels.
        is_shortcut: Whether the property is reported: significant after Holm's correction over all
            properties, and better than guessing by a margin that matters.
        recall: Float64 array of shape (K,), the share of each class predicted correctly.
        detail: The values of the classes it predicts best, or empty.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    p_value: float
    is_shortcut: bool
    recall: FloatArray
    detail: str


@dataclass(frozen=True)
class Shortcuts:
    """Properties that could replace looking at the picture.

    Attributes:
        properties: One baseline per property, highest accuracy first. Constant ones are left out.
        joint: The baseline of all properties together; None if there is no property.
        guessing: The balanced accuracy of guessing, 1 / K.
        skipped: Names of properties that could not be read, such as those of files.
    """

    properties: tuple[PropertyBaseline, ...]
    joint: PropertyBaseline | None
    guessing: float
    skipped: tuple[str, ...]


def find_shortcuts(
    dataset: Dataset, facts: FileFacts | None = None, statistics: PixelStatistics | None = None
) -> Shortcuts:
    """Predict the class from properties of the file, each alone and all together.

    Args:
        dataset: The dataset. Its groups, if any, are not divided by the folds.
        facts: Headers of its files. None leaves the properties of files out.
        statistics: Statistics of its pixels. None measures them.
    """
    if statistics is None:
        statistics = measure_pixels(dataset, facts)
    properties, skipped = list_properties(facts, statistics)
    guessing = 1 / len(dataset.class_names)
    folds = _draw_folds(dataset)
    if folds is None or not properties:
        return Shortcuts((), None, guessing, skipped)

    baselines = [_measure(prop, dataset, folds) for prop in properties]
    joint = _measure(_join(properties), dataset, folds) if len(properties) > 1 else None

    candidates = _decide(baselines, properties, guessing)
    for place, candidate in enumerate(candidates):
        if candidate.is_shortcut and candidate.p_value > _BEYOND_DOUBT:
            p_value = _shuffled_p_value(candidate.accuracy, properties[place], dataset)
            baselines[place] = replace(candidate, p_value=p_value)
    decided = _decide(baselines, properties, guessing)
    decided.sort(key=lambda baseline: -baseline.accuracy)
    return Shortcuts(tuple(decided), joint, guessing, skipped)


def _join(properties: Sequence[Property]) -> Property:
    """Return all properties as one."""
    return Property(
        JOINT,
        np.concatenate([prop.values for prop in properties], axis=1),
        is_of_file=all(prop.is_of_file for prop in properties),
        texts=None,
    )


def _draw_folds(dataset: Dataset) -> list[Fold] | None:
    """Return training and test rows of each fold; None if there are too few images."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels = dataset.labels
    rows = np.arange(len(labels))
    if len(rows) > _MOST_IMAGES:
        rows = stratified_subset(labels, rows, _MOST_IMAGES, np.random.default_rng(_SEED))
    counts = np.bincount(labels[rows], minlength=len(dataset.class_names))
    if counts[counts > 0].min() < FOLDS:
        return None

    groups = None if dataset.groups is None else dataset.groups[rows]
    if groups is not None and len(np.unique(groups)) < FOLDS:
        return None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(FOLDS, shuffle=True, random_state=_SEED)
    # scikit-learn warns of classes with fewer groups than folds. Their recall then shows it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folds = list(splitter.split(rows, labels[rows], groups))
    return [(rows[train], rows[test]) for train, test in folds]


def _measure(prop: Property, dataset: Dataset, folds: list[Fold]) -> PropertyBaseline:
    """Cross-validate a tree on one property. `is_shortcut` is decided later."""
    from sklearn.tree import DecisionTreeClassifier

    classes = len(dataset.class_names)
    predicted = np.full(len(dataset), -1)
    for train, test in folds:
        tree = DecisionTreeClassifier(
            class_weight="balanced",
            max_leaf_nodes=max(4, _LEAVES_PER_CLASS * classes),
            min_samples_leaf=_LEAST_LEAF,
            random_state=0,
        )
        tree.fit(prop.values[train], dataset.labels[train])
        predicted[test] = tree.predict(prop.values[test])

    rows = np.flatnonzero(predicted >= 0)
    labels, guesses = dataset.labels[rows], predicted[rows]
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    recall = np.bincount(labels[labels == guesses], minlength=classes) / counts
    accuracy = float(recall.mean())

    # Images of a group are not independent: the groups of a class count instead of its images.
    sizes = counts if dataset.groups is None else _groups_per_class(dataset, rows)
    half = 1.96 * float(np.sqrt((recall * (1 - recall) / sizes).sum())) / classes
    interval = (max(0.0, accuracy - half), min(1.0, accuracy + half))
    return PropertyBaseline(
        name=prop.name,
        accuracy=accuracy,
        interval=interval,
        p_value=_guessing_p_value(accuracy, guesses, sizes),
        is_shortcut=False,
        recall=recall,
        detail="" if prop.texts is None else _example(prop.texts, dataset, recall),
    )


def _groups_per_class(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    assert dataset.groups is not None
    pairs = np.unique(np.stack([dataset.labels[rows], dataset.groups[rows]]), axis=1)
    return np.maximum(np.bincount(pairs[0], minlength=len(dataset.class_names)), 1)


def _guessing_p_value(
    accuracy: float, guesses: NDArray[np.int64], sizes: NDArray[np.int64]
) -> float:
    """Return the p-value of a balanced accuracy, if predictions are independent of the labels.

    Then the recall of a class is the share of all predictions that name it, plus binomial noise.
    """
    from scipy.stats import norm

    shares = np.bincount(guesses, minlength=len(sizes)) / len(guesses)
    deviation = float(np.sqrt((shares * (1 - shares) / sizes).sum())) / len(sizes)
    if deviation == 0:
        return 1.0
    return float(norm.sf((accuracy - 1 / len(sizes)) / deviation))


def _shuffled_p_value(accuracy: float, prop: Property, dataset: Dataset) -> float:
    """Return the p-value of a balanced accuracy, from accuracies with shuffled labels.

    The accuracies are about normal, so their mean and standard deviation suffice: Student's t gives
    smaller p-values than a rank among so few can.
    """
    from scipy.stats import t

    rng = np.random.default_rng(_SEED)
    accuracies = []
    for _ in range(_SHUFFLES):
        shuffled = replace(dataset, labels=_shuffle_labels(dataset, rng))
        folds = _draw_folds(shuffled)
        if folds is not None:
            accuracies.append(_measure(prop, shuffled, folds).accuracy)
    if len(accuracies) < 2:
        return 1.0
    deviation = float(np.std(accuracies, ddof=1)) * (1 + 1 / len(accuracies)) ** 0.5
    if deviation == 0:
        return 1.0
    return float(t.sf((accuracy - np.mean(accuracies)) / deviation, len(accuracies) - 1))


def _shuffle_labels(dataset: Dataset, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the labels in random order: those of whole groups, if each group has one class."""
    if dataset.groups is not None:
        _, first, group_of = np.unique(dataset.groups, return_index=True, return_inverse=True)
        of_group = dataset.labels[first]
        if np.array_equal(of_group[group_of], dataset.labels):
            return rng.permutation(of_group)[group_of]
    return rng.permutation(dataset.labels)


def _decide(
    baselines: list[PropertyBaseline], properties: list[Property], guessing: float
) -> list[PropertyBaseline]:
    """Decide which properties are reported: significant after Holm's correction, and skilled."""
    adjusted = holm([baseline.p_value for baseline in baselines])
    decided = []
    for baseline, prop, p_value in zip(baselines, properties, adjusted, strict=True):
        skill = (baseline.accuracy - guessing) / (1 - guessing)
        least = FILE_SKILL if prop.is_of_file else PIXEL_SKILL
        decided.append(replace(baseline, is_shortcut=p_value < _LEVEL and skill >= least))
    return decided


def _example(texts: Sequence[str], dataset: Dataset, recall: FloatArray) -> str:
    """Return the most frequent value of the class that is predicted best, and of all others."""
    label = int(np.argmax(recall))
    inside = Counter(text for text, own in zip(texts, dataset.labels, strict=True) if own == label)
    outside = Counter(text for text, own in zip(texts, dataset.labels, strict=True) if own != label)
    value, count = inside.most_common(1)[0]
    share = count / inside.total()
    other_share = outside[value] / max(1, outside.total())
    return (
        f"{value or 'none'}: {100 * share:.0f}% of '{dataset.class_names[label]}', "
        f"{100 * other_share:.0f}% of the others"
    )
