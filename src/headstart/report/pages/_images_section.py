"""The section of the images behind the errors, which cells of a confusion matrix open."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data import pack_sheet, sheet_columns
from headstart.formatting import cut_middle, cut_names, isolate_parts, one_line
from headstart.report._image_pool import ImagePool, PooledImage, PooledPrediction, read_image_pool
from headstart.report._study import Entries
from headstart.report.pages._confusion_section import ConfusionMatrix

if TYPE_CHECKING:
    from markupsafe import Markup

# A page stays below 5 MB, and base64 adds a third. Photographs take about 1 kB each at the first
# quality. Images of noise need the last ones.
_SHEET_BYTES = 1_800_000
_QUALITIES = (85, 70, 50, 30, 10)
_LONGEST_NAME = 60
_PIXELATED_PX = 32  # tiles up to this size are enlarged without smoothing


@dataclass(frozen=True)
class ImagesSection:
    """The images behind the errors.

    Attributes:
        entries: The entries that evaluated them.
        count: Number of images.
        sheet: The thumbnails as one JPEG in a data URI.
        data: What the script of the page needs, as JSON.
    """

    entries: Entries
    count: int
    sheet: str
    data: Markup


def images_section(
    matrices: Sequence[ConfusionMatrix], part: str, class_names: Sequence[str]
) -> tuple[ImagesSection | None, Mapping[Path, frozenset[int]]]:
    """Return the images behind the errors, and the rows of predictions that they rest on.

    Args:
        matrices: The confusion matrices of the page.
        part: Part of the split that evaluates them.
        class_names: Names of the classes.

    Returns:
        The section, None if no run kept such images; and their dataset indices by run folder.
    """
    entries = [matrix.entry for matrix in matrices]
    pool = read_image_pool(entries, part, class_names)
    if pool is None:
        return None, {}
    section = ImagesSection(
        entries, len(pool.images), _sheet_uri(pool), _as_json(pool, matrices, class_names)
    )
    return section, pool.rows


def _sheet_uri(pool: ImagePool) -> str:
    largest = max(pool.tiles.shape[1:3])
    for quality in _QUALITIES:
        content, _ = pack_sheet(pool.tiles, largest, quality)
        if len(content) <= _SHEET_BYTES:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def _as_json(
    pool: ImagePool, matrices: Sequence[ConfusionMatrix], class_names: Sequence[str]
) -> Markup:
    """Return classes, entries, cells and images as JSON that cannot end its element."""
    from markupsafe import Markup

    height, width = pool.tiles.shape[1:3]
    short = cut_names(class_names, _LONGEST_NAME)
    content = {
        "classes": [short[name] for name in class_names],
        "entries": [
            {
                "name": one_line(matrix.entry.name),
                "place": matrix.entry.place,
                "cells": _cell_counts(matrix),
            }
            for matrix in matrices
        ],
        "tile": {
            "width": width,
            "height": height,
            "columns": sheet_columns(len(pool.images)),
            "pixelated": max(width, height) <= _PIXELATED_PX,
        },
        "images": [_image_values(image) for image in pool.images],
    }
    text = json.dumps(content, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _cell_counts(matrix: ConfusionMatrix) -> list[list[int]]:
    """Return the cells with images as true class, predicted class and number of images."""
    counts = matrix.counts
    return [
        [int(true), int(predicted), int(counts[true, predicted])]
        for true, predicted in zip(*counts.nonzero(), strict=True)
    ]


def _image_values(image: PooledImage) -> list[object]:
    return [
        isolate_parts(cut_middle(image.name, _LONGEST_NAME)),
        image.label,
        [_prediction_values(prediction) for prediction in image.predictions],
    ]


def _prediction_values(prediction: PooledPrediction | None) -> list[float] | None:
    if prediction is None:
        return None
    # Not rounded: the script rounds to whole percent, and rounding twice makes 50% of 49.46%.
    return [prediction.predicted, prediction.probability, prediction.true_probability]
