"""Suspect labels, how many of them are wrong, and the effect of leaks, as results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.audit._as_results import ImageNames
from headstart.audit._duplicates import Duplicates
from headstart.audit._evidence import gather_evidence
from headstart.audit._label_issues import FEW_IMAGES, LabelIssues, find_label_issues
from headstart.audit._leak_free_accuracy import accuracy_without_leaks
from headstart.audit._out_of_fold import OutOfFoldRidge
from headstart.audit._renamed_classes import RenamedClass
from headstart.audit._suspect_report import SuspectReport
from headstart.data import SplitDataset
from headstart.formatting import counted, shorten
from headstart.results import ExpectedWrong, ImagePart, LeakEffect, Suspect

# Fewer images cannot calibrate an estimate of wrong labels.
LEAST_IMAGES = 50
_SEED = 0
_PENALTY = 1.0  # relative to the mean eigenvalue of the features' covariance
_NAMED_CLASSES = 5
# A larger cluster is probably none, but images that merely look alike. In one fold it would hide a
# large part of its class from the other folds.
_LARGEST_CLUSTER_SHARE = 0.02
# So many of the most suspicious images are listed also where each is probably right.
_MOST_DOUBTFUL = 50

Features = NDArray[np.float16]
Indices = NDArray[np.int64]


def suspect_report(
    data: SplitDataset, duplicates: Duplicates, clusters: Indices, images: ImageNames
) -> SuspectReport:
    """Search wrong labels, and measure the effect of the leaks.

    Args:
        data: The dataset and its split.
        duplicates: Its duplicates.
        clusters: Int64 array of shape (N,): images with the same number are related.
        images: Names of the images.
    """
    dataset = data.dataset
    if len(dataset) < LEAST_IMAGES:
        note = f"Labels were not examined: that needs at least {LEAST_IMAGES} images."
        return SuspectReport(notes=(note,))

    evidence = gather_evidence(dataset, _SEED)
    largest = int(np.bincount(clusters).max())
    usable = clusters if largest <= _LARGEST_CLUSTER_SHARE * len(dataset) else None
    issues = find_label_issues(dataset, clusters=usable, evidence=evidence, seed=_SEED)
    count = _count_listed(data, issues)
    return SuspectReport(
        suspects=_suspects(data, issues, count, images),
        expected_wrong=_expected_wrong(issues, count),
        leak_effect=_leak_effect(data, duplicates, evidence),
        notes=_notes(data, issues),
    )


def _count_listed(data: SplitDataset, issues: LabelIssues) -> int:
    """Return how many of the ranked images are listed: the suspects, and a few doubtful ones.

    Doubtful are images for which the out-of-fold prediction is another class.
    """
    if not issues.is_better_than_chance:
        return 0
    predicted = issues.class_probabilities.argmax(axis=1)
    doubtful = int((predicted != data.dataset.labels).sum())
    return max(issues.count, min(doubtful, _MOST_DOUBTFUL))


def _suspects(
    data: SplitDataset, issues: LabelIssues, count: int, images: ImageNames
) -> tuple[Suspect, ...]:
    suspects = []
    for index in issues.ranked[:count].tolist():
        suggested, probabilities = issues.suggested[index], issues.class_probabilities[index]
        suspects.append(
            Suspect(
                **images[index].model_dump(),
                suggested=data.class_names[suggested],
                probability=float(np.clip(probabilities[suggested], 0, 1)),
                label_probability=float(np.clip(probabilities[data.dataset.labels[index]], 0, 1)),
                wrong_probability=float(np.clip(issues.probabilities[index], 0, 1)),
            )
        )
    return tuple(suspects)


def _expected_wrong(issues: LabelIssues, count: int) -> ExpectedWrong:
    calibration = issues.calibration
    if calibration is None:
        return ExpectedWrong(
            number=None, interval=None, suspects=count, copies=0, sentence=issues.describe()
        )
    wrong = issues.expected_wrong(count)
    return ExpectedWrong(
        number=wrong.number,
        interval=(float(wrong.low), float(wrong.high)),
        suspects=wrong.suspects,
        copies=len(calibration.deviations),
        sentence=issues.describe(count),
    )


def _notes(data: SplitDataset, issues: LabelIssues) -> tuple[str, ...]:
    notes = []
    if issues.renamed:
        notes.append(_renamed_sentence(data, issues.renamed))
    if issues.few:
        names = _enumerate([shorten(data.class_names[label]) for label in issues.few])
        classes = counted(len(issues.few), "class", "classes")
        notes.append(
            f"{classes} with fewer than {FEW_IMAGES} images can hardly be examined: {names}."
        )
    return tuple(notes)


def _renamed_sentence(data: SplitDataset, renamed: Sequence[RenamedClass]) -> str:
    names = [
        f"{shorten(data.class_names[item.label])} (in {item.part}, "
        f"{100 * item.share:.0f}% look like {shorten(data.class_names[item.looks_like])})"
        for item in renamed
    ]
    classes = counted(len(renamed), "class looks", "classes look")
    return (
        f"{classes} like another class in one part only: {_enumerate(names)}. "
        "Check whether this part numbers or names its classes in another way."
    )


def _enumerate(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED_CLASSES])
    return f"{shown}, …" if len(names) > _NAMED_CLASSES else shown


def _leak_effect(
    data: SplitDataset, duplicates: Duplicates, evidence: dict[str, Features]
) -> LeakEffect | None:
    """Return the accuracy of a ridge classifier of the training images, with and without leaks.

    Returns:
        The accuracies; None if no evaluation image leaked.
    """
    split = data.split
    part: ImagePart = "test" if len(split.test) else "validation"
    evaluated = split.test if part == "test" else split.validation
    if not np.isin(evaluated, duplicates.leaked).any():
        return None

    rows = np.concatenate([evaluated, split.train])
    # The first fold is predicted by a classifier of the second one.
    fold_of = (np.arange(len(rows)) >= len(evaluated)).astype(np.int64)
    labels = data.dataset.labels[rows]
    targets = np.eye(len(data.class_names), dtype=np.float32)[labels]
    scores = np.zeros_like(targets)
    for features in evidence.values():
        ridge = OutOfFoldRidge(features[rows], fold_of)
        ridge.set_penalty(_PENALTY)
        scores += ridge.scores(targets)

    correct = (scores.argmax(axis=1) == labels)[: len(evaluated)]
    result = accuracy_without_leaks(correct, evaluated, duplicates.leaked)
    return LeakEffect(
        part=part,
        n=result.images,
        accuracy=result.accuracy,
        interval=result.interval,
        n_without_leaks=result.clean_images,
        accuracy_without_leaks=result.clean_accuracy,
        interval_without_leaks=result.clean_interval,
        accuracy_of_leaks=result.leaked_accuracy,
    )
