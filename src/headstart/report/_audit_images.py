"""The images that the page of an audit shows, as thumbnails in a file of the audit's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart import progress, store
from headstart.data import Dataset, data_uri, take
from headstart.report.pages._thumbnail import MAX_PNG_PX, Thumbnail
from headstart.results import AuditReport, DuplicatePair, JsonObject, QualityIssue

IMAGES_FILE = "thumbnails.json"


@dataclass(frozen=True)
class Limits:
    """How many findings of each kind a page shows.

    Attributes:
        suspects: Suspects.
        pairs: Pairs of images, for leaks, conflicts and copies each.
        odd: Images of no class.
        quality: Images per problem of quality.
        classes: Classes of which examples are shown.
        examples: Examples per class.
        bytes: Most bytes of all images together. Larger images are reduced further.
    """

    suspects: int
    pairs: int
    odd: int
    quality: int
    classes: int
    examples: int
    bytes: int


# A thumbnail of a photograph takes 5 kB in the page, so 400 of them take 2 MB.
PAGE_LIMITS = Limits(
    suspects=96, pairs=24, odd=36, quality=6, classes=20, examples=3, bytes=4_000_000
)
REVIEW_LIMITS = Limits(
    suspects=2000, pairs=500, odd=500, quality=6, classes=20, examples=3, bytes=100_000_000
)
_SIZES_PX, _JPEG_QUALITY = (128, 96, 64, 48, 32), 75


@dataclass(frozen=True)
class AuditImages:
    """The images of a page.

    Attributes:
        thumbnails: Images by their index in the dataset.
        examples: Indices of some images of each class, by its name.
    """

    thumbnails: Mapping[int, Thumbnail]
    examples: Mapping[str, tuple[int, ...]]

    def as_json(self) -> JsonObject:
        """Return the content of `thumbnails.json`."""
        return {
            "images": {str(index): image.uri for index, image in self.thumbnails.items()},
            "tiny": [index for index, image in self.thumbnails.items() if image.is_tiny],
            "examples": {name: list(indices) for name, indices in self.examples.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> AuditImages:
        """Return the images of the content of `thumbnails.json`."""
        tiny = set(content["tiny"])
        thumbnails = {
            int(index): Thumbnail(uri, int(index) in tiny)
            for index, uri in content["images"].items()
        }
        examples = {name: tuple(indices) for name, indices in content["examples"].items()}
        return cls(thumbnails, examples)


def make_audit_images(
    report: AuditReport, dataset: Dataset, limits: Limits = PAGE_LIMITS
) -> AuditImages:
    """Return thumbnails of all images that the page of a report shows.

    Args:
        report: The report of the audit.
        dataset: The dataset that was audited.
        limits: How many findings of each kind are shown.
    """
    examples = _examples(report, dataset, limits)
    uses = Counter(_shown_indices(report, limits))
    for rows in examples.values():
        uses.update(rows)

    for size in _SIZES_PX:
        thumbnails = _reduce(dataset, sorted(uses), size)
        total = sum(count * len(thumbnails[index].uri) for index, count in uses.items())
        if total <= limits.bytes:
            break
    return AuditImages(thumbnails, examples)


def _reduce(dataset: Dataset, indices: Sequence[int], size: int) -> dict[int, Thumbnail]:
    """Return images as thumbnails of at most `size` pixels; small ones keep their pixels."""
    is_tiny = max(dataset.image_shape[:2]) <= min(size, MAX_PNG_PX)
    thumbnails: dict[int, Thumbnail] = {}
    with progress.task("making thumbnails", len(indices), "images") as task:
        for index in indices:
            (pixels,) = take(dataset.images, np.array([index]))
            uri = data_uri(pixels) if is_tiny else data_uri(pixels, size, _JPEG_QUALITY)
            thumbnails[index] = Thumbnail(uri, is_tiny)
            task.advance()
    return thumbnails


def write_audit_images(folder: Path, images: AuditImages) -> None:
    """Write `thumbnails.json` into the folder of an audit.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    store.write_json(folder / IMAGES_FILE, images.as_json())


def has_audit_images(folder: Path) -> bool:
    """Return whether the folder of an audit holds its thumbnails."""
    return (folder / IMAGES_FILE).exists()


def is_repeated_copy(pair: DuplicatePair) -> bool:
    """Return whether both images have the same label and are in the same part."""
    first, second = pair.images
    return first.label == second.label and first.part == second.part


def quality_shown(report: AuditReport, limits: Limits) -> list[QualityIssue]:
    """Return the first images of each problem of quality."""
    shown: list[QualityIssue] = []
    counts: Counter[str] = Counter()
    for issue in report.quality:
        counts[issue.problem] += 1
        if counts[issue.problem] <= limits.quality:
            shown.append(issue)
    return sorted(shown, key=lambda issue: issue.problem)


def _shown_indices(report: AuditReport, limits: Limits) -> Iterable[int]:
    for suspect in report.suspects[: limits.suspects]:
        yield suspect.index
    for odd in report.no_class[: limits.odd]:
        yield odd.index
    for issue in quality_shown(report, limits):
        yield issue.index
    for leak in report.leaks[: limits.pairs]:
        yield from (leak.image.index, leak.copy_of.index)

    copies = [pair for pair in report.duplicates if is_repeated_copy(pair)]
    for pair in (*report.label_conflicts[: limits.pairs], *copies[: limits.pairs]):
        yield from (image.index for image in pair.images)


def _examples(report: AuditReport, dataset: Dataset, limits: Limits) -> dict[str, tuple[int, ...]]:
    """Return the first images of each class that the audit does not question."""
    questioned = {suspect.index for suspect in report.suspects}
    questioned |= {odd.index for odd in report.no_class}
    examples: dict[str, tuple[int, ...]] = {}
    for label, name in enumerate(dataset.class_names[: limits.classes]):
        rows = np.flatnonzero(dataset.labels == label).tolist()
        usual = [row for row in rows[: len(questioned) + limits.examples] if row not in questioned]
        examples[name] = tuple(usual[: limits.examples])
    return examples
