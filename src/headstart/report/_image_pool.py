"""The images behind the cells of confusion matrices: `gallery.npz` with `predictions.csv`.

Each run kept thumbnails of its worst images. The contenders of a page share one pool of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import unpack_sheet
from headstart.report._study import Entries, Entry, RunFolder
from headstart.results import PredictionRow, read_predictions_file

_MAX_POOLED = 2000  # images on one page


@dataclass(frozen=True)
class PooledPrediction:
    """The prediction of one entry for an image.

    Attributes:
        predicted: Number of the predicted class.
        probability: Its probability.
        true_probability: The probability of the true class.
    """

    predicted: int
    probability: float
    true_probability: float


@dataclass(frozen=True)
class PooledImage:
    """An image with the prediction of each entry; None for one that did not evaluate it."""

    name: str
    label: int
    predictions: tuple[PooledPrediction | None, ...]


@dataclass(frozen=True)
class ImagePool:
    """The worst images of the entries of a page.

    Attributes:
        entries: The entries, in the order of the predictions of an image.
        images: The images.
        tiles: Their thumbnails, uint8 of shape (N, H, W, C).
        rows: Dataset indices of the images, for each run folder whose predictions they need.
    """

    entries: Entries
    images: tuple[PooledImage, ...]
    tiles: NDArray[np.uint8]
    rows: Mapping[Path, frozenset[int]]


def read_image_pool(entries: Entries, part: str, class_names: Sequence[str]) -> ImagePool | None:
    """Read the worst images of all entries, and their predictions by each.

    The entries take turns, so that each has about as many images if there are more than 2,000.

    Args:
        entries: The entries.
        part: Part of the split that evaluates them.
        class_names: Names of the classes.

    Returns:
        The pool; None if no run kept such images.
    """
    runs = {entry.name: _evaluated_runs(entry) for entry in entries}
    all_runs = list(chain.from_iterable(runs.values()))
    tiles = _choose_tiles(all_runs)
    if not tiles:
        return None

    indices = frozenset(tiles)
    rows: dict[str, dict[int, PredictionRow]] = {}
    for entry in entries:
        rows[entry.name] = {}
        for run in runs[entry.name]:
            rows[entry.name] |= _read_rows(run.path / "predictions.csv", part, indices)

    class_numbers = {name: number for number, name in enumerate(class_names)}
    images: list[PooledImage] = []
    shown: list[NDArray[np.uint8]] = []
    for index, tile in tiles.items():
        image_rows = [rows[entry.name].get(index) for entry in entries]
        with store.name_damage(Path("predictions.csv")):
            image = _pooled_image(image_rows, class_numbers)
        if image is not None:
            images.append(image)
            shown.append(tile)
    if not images:
        return None
    kept = {run.path: indices for run in all_runs}
    return ImagePool(entries, tuple(images), np.stack(shown), kept)


def _evaluated_runs(entry: Entry[object]) -> tuple[RunFolder, ...]:
    """Return the runs whose confusion matrices are on the page."""
    if entry.fold_runs:
        return entry.fold_runs
    return () if entry.representative is None else (entry.representative,)


def _choose_tiles(runs: Iterable[RunFolder]) -> dict[int, NDArray[np.uint8]]:
    """Return thumbnails by the index of their image, the first of each run before the second."""
    kept = [_read_worst(run.path) for run in runs]
    chosen: dict[int, NDArray[np.uint8]] = {}
    for turn in zip_longest(*kept):
        for item in turn:
            if item is None or len(chosen) == _MAX_POOLED:
                continue
            index, tile = item
            first = next(iter(chosen.values()), tile)
            if tile.shape == first.shape:
                chosen.setdefault(index, tile)
    return chosen


def _read_worst(run: Path) -> list[tuple[int, NDArray[np.uint8]]]:
    path = run / "gallery.npz"
    if not path.is_file() or not (run / "predictions.csv").is_file():
        return []
    with store.open_npz(path, store.read_verified(path)) as arrays:
        if "sheet" not in arrays.names:
            return []  # an earlier version wrote it
        worst, sheet, shape = (arrays[name] for name in ("worst", "sheet", "tile_shape"))
    with store.name_damage(path):
        height, width, channels = (int(size) for size in shape)
        tile_shape = (height, width, channels)
        if len(sheet):
            tiles = unpack_sheet(sheet.tobytes(), len(worst), tile_shape)
        else:  # the data inside a report have no pixels
            tiles = np.zeros((len(worst), *tile_shape), np.uint8)
        return [(int(index), tile) for index, tile in zip(worst, tiles, strict=True)]


def _read_rows(path: Path, part: str, indices: frozenset[int]) -> dict[int, PredictionRow]:
    if not path.is_file():
        return {}
    rows = read_predictions_file(path).rows
    return {row.index: row for row in rows if row.part == part and row.index in indices}


def _pooled_image(
    rows: Sequence[PredictionRow | None], class_numbers: Mapping[str, int]
) -> PooledImage | None:
    """Return an image with its predictions, or None if no entry evaluated it."""
    name: str | None = None
    true_class = 0
    predictions: list[PooledPrediction | None] = []
    for row in rows:
        if row is None:
            predictions.append(None)
            continue
        name, texts = row.image, row.probabilities
        true_class, predicted_class = class_numbers[row.label], class_numbers[row.predicted]
        probability, true_probability = float(texts[predicted_class]), float(texts[true_class])
        predictions.append(PooledPrediction(predicted_class, probability, true_probability))
    return None if name is None else PooledImage(name, true_class, tuple(predictions))
