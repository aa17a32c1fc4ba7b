"""Checks as result models: indices become names, labels and parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.audit._duplicates import Duplicates
from headstart.audit._odd_images import OddImages
from headstart.audit._quality import QualityIssues
from headstart.audit._shortcuts import PropertyBaseline, Shortcuts
from headstart.data import PART_NAMES, Dataset, FileFacts, SplitDataset
from headstart.results import (
    AuditedImage,
    ClassCount,
    DuplicatePair,
    FileCounts,
    ImagePart,
    Leak,
    OddImage,
    PropertyScore,
    QualityIssue,
    ShortcutReport,
    UnreadableImage,
)

_MOST_KINDS = 20  # sizes or cameras that are listed; the others are counted together


class ImageNames:
    """The images of a dataset by index, with their names, labels and parts of the split.

    Args:
        data: The dataset and its split.
    """

    def __init__(self, data: SplitDataset) -> None:
        self._dataset = data.dataset
        self._parts: NDArray[np.object_] = np.full(len(data.dataset), "unused", object)
        for name, rows in (
            ("train", data.split.train),
            ("validation", data.split.validation),
            ("test", data.split.test),
        ):
            self._parts[rows] = name

    def __getitem__(self, index: int) -> AuditedImage:
        return AuditedImage(
            image=self._dataset.image_names[index],
            index=index,
            label=self._dataset.class_names[self._dataset.labels[index]],
            part=self.part(index),
        )

    def part(self, index: int) -> ImagePart:
        """Return the name of the part of an image."""
        part: ImagePart = self._parts[index]
        return part


def unreadable_images(dataset: Dataset) -> tuple[UnreadableImage, ...]:
    """Return the files that could not be decoded."""
    files: list[UnreadableImage] = []
    for file in dataset.unreadable:
        part: ImagePart = PART_NAMES.get(file.part, "unused")  # type: ignore[assignment]
        files.append(UnreadableImage(image=file.name, reason=file.reason, part=part))
    return tuple(files)


def duplicate_pairs(duplicates: Duplicates, images: ImageNames) -> tuple[DuplicatePair, ...]:
    """Return all pairs of images that show the same picture."""
    pairs = duplicates.pairs
    return tuple(
        DuplicatePair(images=(images[first], images[second]), relation=relation, distance=distance)
        for first, second, relation, distance in zip(
            pairs.first.tolist(),
            pairs.second.tolist(),
            pairs.relation,
            pairs.distance.tolist(),
            strict=True,
        )
    )


def leaks(duplicates: Duplicates, images: ImageNames) -> tuple[Leak, ...]:
    """Return the validation and test images with a copy in an earlier part, most alike first."""
    relations = {}
    pairs = duplicates.pairs
    for first, second, relation in zip(
        pairs.first.tolist(), pairs.second.tolist(), pairs.relation, strict=True
    ):
        relations[first, second] = relation

    found_leaks = []
    order = np.argsort(duplicates.leak_distance, kind="stable").tolist()
    for place in order:
        image, partner = int(duplicates.leaked[place]), int(duplicates.leak_partner[place])
        relation = relations.get((min(image, partner), max(image, partner)), "same")
        found_leaks.append(
            Leak(
                image=images[image],
                copy_of=images[partner],
                relation=relation,
                distance=float(duplicates.leak_distance[place]),
            )
        )
    return tuple(found_leaks)


def odd_images(odd: OddImages, images: ImageNames) -> tuple[OddImage, ...]:
    """Return the images that probably have no class."""
    return tuple(
        OddImage(**images[index].model_dump(), reason=reason, detail=detail, score=score)
        for index, reason, detail, score in zip(
            odd.indices.tolist(), odd.reason, odd.detail, odd.score.tolist(), strict=True
        )
    )


def quality_issues(issues: QualityIssues, images: ImageNames) -> tuple[QualityIssue, ...]:
    """Return the images of poor quality, the worst of each problem first."""
    return tuple(
        QualityIssue(
            **images[index].model_dump(), problem=problem, value=value, threshold=threshold
        )
        for index, problem, value, threshold in zip(
            issues.indices.tolist(),
            issues.problem,
            issues.value.tolist(),
            issues.threshold.tolist(),
            strict=True,
        )
    )


def shortcut_report(shortcuts: Shortcuts) -> ShortcutReport:
    """Return how well properties of files predict the class."""
    joint = shortcuts.joint
    return ShortcutReport(
        guessing=shortcuts.guessing,
        properties=tuple(_property_score(baseline) for baseline in shortcuts.properties),
        joint=None if joint is None else _property_score(joint),
        skipped=shortcuts.skipped,
    )


def _property_score(baseline: PropertyBaseline) -> PropertyScore:
    return PropertyScore(
        name=baseline.name,
        accuracy=baseline.accuracy,
        interval=baseline.interval,
        p_value=baseline.p_value,
        is_shortcut=baseline.is_shortcut,
        detail=baseline.detail,
    )


def class_counts(data: SplitDataset, suspect_labels: Sequence[str]) -> tuple[ClassCount, ...]:
    """Return the number of images of each class, in all parts and in each."""
    classes = len(data.class_names)
    of_part = {
        "images": np.bincount(data.dataset.labels, minlength=classes),
        "train": np.bincount(data.train_labels, minlength=classes),
        "validation": np.bincount(data.validation_labels, minlength=classes),
        "test": np.bincount(data.test_labels, minlength=classes),
    }
    counts = []
    for number, name in enumerate(data.class_names):
        count_of = {part: int(values[number]) for part, values in of_part.items()}
        counts.append(ClassCount(name=name, **count_of, suspects=suspect_labels.count(name)))
    return tuple(counts)


def class_imbalance(counts: Sequence[ClassCount]) -> float:
    """Return the number of images of the largest class per image of the smallest, at least 1."""
    images = [count.images for count in counts]
    return max(images) / max(1, min(images))


def file_counts(facts: FileFacts | None) -> FileCounts | None:
    """Return the most frequent sizes, modes, formats and cameras; None without files.

    Args:
        facts: Headers of the files of a dataset.
    """
    if not facts:
        return None
    sizes = zip(facts.width, facts.height, strict=True)
    return FileCounts(
        sizes=_most_frequent([f"{width}x{height}" for width, height in sizes]),
        modes=_most_frequent(facts.mode),
        formats=_most_frequent(facts.file_format),
        cameras=_most_frequent([camera or "unknown" for camera in facts.camera]),
    )


def _most_frequent(names: Sequence[str]) -> dict[str, int]:
    ranked = Counter(names).most_common()
    shown = dict(ranked[:_MOST_KINDS])
    others = sum(count for _, count in ranked[_MOST_KINDS:])
    return {**shown, "others": others} if others else shown
