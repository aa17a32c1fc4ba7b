"""Subgroups of the evaluated images by class, appearance, file and columns of their table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data import (
    Dataset,
    luminance,
    map_in_threads,
    read_file_facts,
    read_metadata_columns,
    take,
)
from headstart.evaluation import SMALLEST_SLICE, SliceMembers

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_CLASSES = 100  # the most frequent ones; each subgroup costs time and significance
_MOST_PIXEL_BYTES = 1_000_000_000  # Reading more would take longer than 2 s.
_MOST_FILES = 3000
_MOST_VALUES = 10  # of a camera, or of another word; more numbers than these are a quantity
_SAMPLED_PX = 32  # about as many pixels per side describe an image
_LAYOUT_PX = 4
_CLUSTERS = 6
_CLUSTER_ROUNDS = 20
_BATCH = 500


def image_slices(dataset: Dataset, rows: Indices) -> list[SliceMembers]:
    """Return the subgroups of some images by what is known about them without a model.

    Brightness, contrast and appearance are those of the images as the models receive them. They
    are left out if their pixels exceed 1 GB. Sizes and cameras come from the headers of up to
    3,000 image files. A table of image files adds its other columns.

    Args:
        dataset: The dataset.
        rows: Int64 indices of the evaluated images, in the order of their predictions.

    Returns:
        Overlapping subgroups, of any size.
    """
    slices = _class_slices(dataset, rows)
    pixel_bytes = len(rows) * int(np.prod(dataset.image_shape))
    if pixel_bytes <= _MOST_PIXEL_BYTES:
        slices += _pixel_slices(dataset, rows)
    if len(rows) <= _MOST_FILES:
        slices += _file_slices(dataset, rows)
    return slices + _table_slices(dataset, rows)


def _class_slices(dataset: Dataset, rows: Indices) -> list[SliceMembers]:
    labels = dataset.labels[rows]
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    frequent = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
    chosen = [number for number in sorted(frequent.tolist()) if counts[number] >= SMALLEST_SLICE]
    if len(dataset.class_names) == 2:
        chosen = chosen[:1]  # The other class is its complement.
    return [
        SliceMembers("class", dataset.class_names[number], labels == number) for number in chosen
    ]


def _pixel_slices(dataset: Dataset, rows: Indices) -> list[SliceMembers]:
    def measure(start: int) -> Floats:
        return _measure_pixels(take(dataset.images, rows[start : start + _BATCH]))

    starts = range(0, len(rows), _BATCH)
    measured = np.concatenate(
        list(map_in_threads(measure, starts, "measuring evaluated images", "blocks"))
    )
    brightness, contrast, layout = measured[:, 0], measured[:, 1], measured[:, 2:]
    slices = [
        *_fifths("brightness", brightness, ("darkest fifth", "brightest fifth")),
        *_fifths("contrast", contrast, ("lowest fifth", "highest fifth")),
    ]
    cluster = _cluster(layout)
    for number in range(int(cluster.max()) + 1):
        members = cluster == number
        name = f"{number + 1}: {_describe_cluster(layout[members], layout)}"
        slices.append(SliceMembers("similar appearance", name, members))
    return slices


def _measure_pixels(images: NDArray[np.uint8]) -> Floats:
    """Return brightness, contrast and coarse colours, float64 of shape (N, 2 + 16 C).

    All are fractions of full brightness. About 32 x 32 pixels of each image are used.
    """
    _, height, width, channels = images.shape
    sample = images[:, :: max(1, height // _SAMPLED_PX), :: max(1, width // _SAMPLED_PX)]
    grey = luminance(sample) / 255
    layout = np.empty((len(images), _LAYOUT_PX, _LAYOUT_PX, channels))
    for row, band in enumerate(np.array_split(sample, _LAYOUT_PX, axis=1)):
        for column, cell in enumerate(np.array_split(band, _LAYOUT_PX, axis=2)):
            layout[:, row, column] = cell.mean(axis=(1, 2)) / 255 if cell.size else 0.0
    flat = layout.reshape(len(images), -1)
    values = [grey.mean(axis=(1, 2))[:, None], grey.std(axis=(1, 2))[:, None], flat]
    return np.concatenate(values, axis=1).astype(np.float64)


def _fifths(kind: str, values: Floats, names: tuple[str, str]) -> list[SliceMembers]:
    """Return the images with the lowest and the highest values; none if all values are equal.

    Images whose value is NaN are in neither.
    """
    low, high = np.nanquantile(values, [0.2, 0.8])
    if low == high:
        return []
    return [
        SliceMembers(kind, names[0], values <= low),
        SliceMembers(kind, names[1], values >= high),
    ]


def _cluster(vectors: Floats) -> Indices:
    """Return the cluster of each vector by k-means, int64 of shape (N,).

    References:
        Lloyd (1982); initial centres as in k-means++: Arthur and Vassilvitskii (2007).
    """
    rng = np.random.default_rng(0)
    centres = vectors[rng.integers(len(vectors), size=1)]
    for _ in range(_CLUSTERS - 1):
        distances = _squared_distances(vectors, centres).min(axis=1)
        if distances.sum() <= 0:
            break
        chosen = rng.choice(len(vectors), p=distances / distances.sum())
        centres = np.concatenate([centres, vectors[[chosen]]])

    cluster = _squared_distances(vectors, centres).argmin(axis=1)
    for _ in range(_CLUSTER_ROUNDS):
        means = [
            vectors[cluster == number].mean(axis=0) if (cluster == number).any() else centre
            for number, centre in enumerate(centres)
        ]
        centres = np.stack(means)
        moved = _squared_distances(vectors, centres).argmin(axis=1)
        if np.array_equal(moved, cluster):
            break
        cluster = moved
    result: Indices = cluster.astype(np.int64)
    return result


def _squared_distances(vectors: Floats, centres: Floats) -> Floats:
    squares = (vectors**2).sum(axis=1)[:, None] - 2 * vectors @ centres.T
    distances: Floats = np.maximum(squares + (centres**2).sum(axis=1), 0)
    return distances


def _describe_cluster(members: Floats, everything: Floats) -> str:
    """Return how a cluster differs most from all images: in brightness, or where it is brighter."""
    if not len(members):
        return "empty"
    cells = _LAYOUT_PX * _LAYOUT_PX
    mean = members.mean(axis=0).reshape(_LAYOUT_PX, _LAYOUT_PX, -1)
    usual = everything.mean(axis=0).reshape(_LAYOUT_PX, _LAYOUT_PX, -1)
    change = (mean - usual).mean(axis=2)
    overall = change.sum() / cells
    half = _LAYOUT_PX // 2
    below = (change[half:].sum() - change[:half].sum()) / cells
    right = (change[:, half:].sum() - change[:, :half].sum()) / cells
    differences = {
        "brighter" if overall > 0 else "darker": abs(overall),
        "brighter below" if below > 0 else "brighter above": abs(below),
        "brighter on the right" if right > 0 else "brighter on the left": abs(right),
    }
    return max(differences, key=lambda word: differences[word])


def _file_slices(dataset: Dataset, rows: Indices) -> list[SliceMembers]:
    facts = read_file_facts(dataset, rows)
    if facts is None:
        return []
    pixels = np.sqrt(facts.width.astype(np.float64) * facts.height)
    slices = _fifths("size of the file's image", pixels, ("smallest fifth", "largest fifth"))
    return slices + _most_frequent("camera", facts.camera)


def _table_slices(dataset: Dataset, rows: Indices) -> list[SliceMembers]:
    """Return subgroups by the columns of the table: fifths of numbers, the most frequent words."""
    slices: list[SliceMembers] = []
    for name, texts in read_metadata_columns(dataset).items():
        values = [texts[row] for row in rows.tolist()]
        if _are_classes(values, dataset.labels[rows]):
            continue
        quantities = _as_quantities(values)
        kind = f"column {name}"
        if quantities is not None and len(np.unique(quantities)) > _MOST_VALUES + 1:
            slices += _fifths(kind, quantities, ("lowest fifth", "highest fifth"))
        else:
            slices += _most_frequent(kind, values)
    return slices


def _are_classes(values: Sequence[str], labels: Indices) -> bool:
    """Return whether values divide the images as the classes do, as those of the label column."""
    pairs = set(zip(values, labels.tolist(), strict=True))
    return len(pairs) == len(set(values)) == len(set(labels.tolist()))


def _as_quantities(values: Sequence[str]) -> Floats | None:
    """Return values as numbers, NaN where they are empty; None if another one is not a number."""
    try:
        quantities = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None
    return None if np.isinf(quantities).any() else quantities


def _most_frequent(kind: str, values: Sequence[str]) -> list[SliceMembers]:
    """Return the images with each of the most frequent values that are not empty."""
    array = np.array(values, dtype=object)
    counts = {value: int((array == value).sum()) for value in set(values) if value}
    frequent = sorted(counts, key=lambda value: (-counts[value], value))[:_MOST_VALUES]
    return [SliceMembers(kind, value, (array == value).astype(bool)) for value in frequent]
