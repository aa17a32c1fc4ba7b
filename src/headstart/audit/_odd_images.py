"""Images that belong to no class: placeholders, blank and near-constant images, text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.audit._duplicates import Duplicates
from headstart.audit._pixel_statistics import PixelStatistics, measure_pixels
from headstart.data import Dataset

OddReason = Literal["placeholder", "blank", "near-constant", "text"]

# A picture counts as a placeholder from so many copies on, or from so many classes that share it.
# Many copies in one class may be a series of photographs: CIFAR-10 has one car 21 times. They count
# only if the picture looks drawn.
PLACEHOLDER_COPIES, PLACEHOLDER_CLASSES = 5, 3
BLANK_CONTRAST, NEAR_CONSTANT_CONTRAST = 0.5 / 255, 4 / 255
# A drawing or text: this share of exactly flat pixels, with few colours, one of which dominates.
TEXT_FLAT_SHARE, TEXT_DOMINANT_SHARE, TEXT_COLOURS = 0.6, 0.5, 24
# If more than this share of the images look so, it is the nature of the dataset.
LARGEST_SHARE = 0.02


@dataclass(frozen=True)
class OddImages:
    """Images that probably show nothing of any class, most certain first.

    Attributes:
        indices: Int64 array of shape (M,). No image is listed twice.
        score: Float64 array of shape (M,), in (0, 1]; descending. It only ranks.
        reason: M words: "placeholder" (one picture repeated under many names), "blank" (one
            colour), "near-constant" (hardly any contrast) or "text" (text or a drawing on a plain
            ground).
        detail: M short texts with the evidence, such as "the same picture as 40 others".
    """

    indices: NDArray[np.int64]
    score: NDArray[np.float64]
    reason: tuple[OddReason, ...]
    detail: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)


class _Evidence(NamedTuple):
    """The evidence that an image belongs to no class.

    Attributes:
        score: Rank among all odd images, in (0, 1].
        reason: The kind of image.
        detail: The evidence in words.
    """

    score: float
    reason: OddReason
    detail: str


def find_odd_images(
    dataset: Dataset,
    duplicates: Duplicates | None = None,
    statistics: PixelStatistics | None = None,
) -> OddImages:
    """Find images that probably belong to no class.

    A kind that more than 2% of the images have is the nature of the dataset, and is not listed.
    Placeholders are: their copies are evidence enough.

    Args:
        dataset: The dataset.
        duplicates: Its duplicates, in which placeholders are looked for. None looks for none.
        statistics: Statistics of its pixels. None measures them.

    Returns:
        The images, each with a reason and its evidence, the most certain first.
    """
    if statistics is None:
        statistics = measure_pixels(dataset)
    kinds = [_blank_images(statistics), _text_images(statistics)]
    if duplicates is not None:
        kinds.append(_placeholders(dataset, duplicates, statistics))

    strongest: dict[int, _Evidence] = {}
    for kind in kinds:
        for row, evidence in kind.items():
            if row not in strongest or evidence.score > strongest[row].score:
                strongest[row] = evidence

    rows = sorted(strongest, key=lambda row: (-strongest[row].score, row))
    return OddImages(
        indices=np.array(rows, np.int64),
        score=np.array([strongest[row].score for row in rows], np.float64),
        reason=tuple(strongest[row].reason for row in rows),
        detail=tuple(strongest[row].detail for row in rows),
    )


def _blank_images(statistics: PixelStatistics) -> dict[int, _Evidence]:
    contrast = statistics.contrast
    is_blank = contrast < BLANK_CONTRAST
    is_near_constant = ~is_blank & (contrast < NEAR_CONSTANT_CONTRAST)
    evidence: dict[int, _Evidence] = {}
    for row in np.flatnonzero(is_blank):
        level = 255 * statistics.brightness[row]
        evidence[int(row)] = _Evidence(1.0, "blank", f"one colour, brightness {level:.0f} of 255")
    if is_near_constant.mean() <= LARGEST_SHARE:
        for row in np.flatnonzero(is_near_constant):
            deviation = 255 * contrast[row]
            score = 0.9 - 0.2 * contrast[row] / NEAR_CONSTANT_CONTRAST
            detail = f"brightness varies by {deviation:.1f} of 255 only"
            evidence[int(row)] = _Evidence(float(score), "near-constant", detail)
    return evidence


def _text_images(statistics: PixelStatistics) -> dict[int, _Evidence]:
    is_text = (
        _looks_drawn(statistics)
        & (statistics.colours <= TEXT_COLOURS)
        & (statistics.contrast >= NEAR_CONSTANT_CONTRAST)
    )
    if is_text.mean() > LARGEST_SHARE:
        return {}
    evidence: dict[int, _Evidence] = {}
    for row in np.flatnonzero(is_text):
        share, colours = statistics.dominant_share[row], int(statistics.colours[row])
        score = 0.4 + 0.2 * share + 0.2 * (1 - colours / TEXT_COLOURS)
        detail = f"{colours} colours, one of which covers {100 * share:.0f}%"
        evidence[int(row)] = _Evidence(float(score), "text", detail)
    return evidence


def _looks_drawn(statistics: PixelStatistics) -> NDArray[np.bool_]:
    """Return which images have a plain ground, with exactly equal pixels. Photographs have noise.

    Shape (N,).
    """
    return (statistics.flat_share >= TEXT_FLAT_SHARE) & (
        statistics.dominant_share >= TEXT_DOMINANT_SHARE
    )


def _placeholders(
    dataset: Dataset, duplicates: Duplicates, statistics: PixelStatistics
) -> dict[int, _Evidence]:
    """Return the images of each picture that is in several classes, or is drawn and occurs often.

    Where single images look drawn as well, that is the nature of the dataset, and says nothing.
    """
    clusters = duplicates.clusters()
    is_drawn = _looks_drawn(statistics)
    is_single = np.ones(len(dataset), bool)
    for members in clusters:
        is_single[members] = False
    if is_single.any() and is_drawn[is_single].mean() > LARGEST_SHARE:
        is_drawn[:] = False

    evidence: dict[int, _Evidence] = {}
    for members in clusters:
        classes = len(np.unique(dataset.labels[members]))
        is_frequent = len(members) >= PLACEHOLDER_COPIES
        is_drawing = is_drawn[members].mean() > 0.5
        if classes < PLACEHOLDER_CLASSES and not (is_frequent and (classes > 1 or is_drawing)):
            continue
        score = 1 - 0.5 / classes - 0.5 / len(members)
        others = len(members) - 1
        detail = f"the same picture as {others:,} others, in {classes:,} class"
        detail += "es" if classes > 1 else ""
        for row in members.tolist():
            evidence[row] = _Evidence(float(score), "placeholder", detail)
    return evidence
