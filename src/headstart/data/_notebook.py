"""A dataset as HTML for notebooks: what it is, and an image of each class."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from headstart.data._memory_maps import take
from headstart.data._thumbnails import data_uri

if TYPE_CHECKING:
    from headstart.data._types import Dataset

_CLASSES, _SIDE_PX = 10, 48


def dataset_html(dataset: Dataset) -> str:
    """One line of facts; below, the first image of each of the first ten classes with its name and number of images."""
    height, width, channels = dataset.image_shape
    counts = np.bincount(dataset.labels, minlength=len(dataset.class_names))
    facts = (
        f"<b>{html.escape(dataset.name)}</b>: {len(dataset):,} images, {width}x{height} {'grey' if channels == 1 else 'RGB'}, "
        f"{len(counts)} classes"
    )
    shown = range(min(_CLASSES, len(counts)))
    cells = [_cell(dataset, number, int(counts[number])) for number in shown if counts[number]]
    more = (
        f"<div>… and {len(counts) - _CLASSES} more classes</div>" if len(counts) > _CLASSES else ""
    )
    return f"<div>{facts}</div><div style='display: flex; gap: 0.5em; flex-wrap: wrap'>{''.join(cells)}</div>{more}"


def _cell(dataset: Dataset, label: int, count: int) -> str:
    name = html.escape(dataset.class_names[label])
    (image,) = take(dataset.images, np.flatnonzero(dataset.labels == label)[:1])
    return (
        f"<figure style='margin: 0; text-align: center; font-size: small'><img src='{data_uri(image, _SIDE_PX)}' alt='{name}' "
        f"height='{_SIDE_PX}' style='image-rendering: pixelated'><figcaption>{name}<br>{count:,}</figcaption></figure>"
    )
