"""HTML that a notebook shows for a dataset: its size and shape, and one image per class."""

from __future__ import annotations

import html

import numpy as np
from numpy.typing import NDArray

from headstart.data._memory_maps import take
from headstart.data._thumbnails import data_uri

_SHOWN_CLASSES = 10
_IMAGE_PX = 48


def dataset_html(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
) -> str:
    """Return HTML with one line of facts and the first image of each of the first ten classes.

    The parameters have the meaning of the attributes of `Dataset`. A class without images is left
    out of the pictures.
    """
    _, height, width, channels = images.shape
    colour = "grey" if channels == 1 else "RGB"
    counts = np.bincount(labels, minlength=len(class_names)).tolist()
    facts = (
        f"<b>{html.escape(name)}</b>: {len(images):,} images, {width}x{height} {colour}, "
        f"{len(counts):,} classes"
    )

    figures = []
    for label, count in enumerate(counts[:_SHOWN_CLASSES]):
        if count:
            (image,) = take(images, np.flatnonzero(labels == label)[:1])
            figures.append(_figure(image, class_names[label], count))

    hidden = len(counts) - _SHOWN_CLASSES
    more = f"<div>… and {hidden:,} more classes</div>" if hidden > 0 else ""
    return (
        f"<div>{facts}</div>"
        f"<div style='display: flex; gap: 0.5em; flex-wrap: wrap'>{''.join(figures)}</div>{more}"
    )


def _figure(image: NDArray[np.uint8], class_name: str, count: int) -> str:
    name = html.escape(class_name)
    return (
        "<figure style='margin: 0; text-align: center; font-size: small'>"
        f"<img src='{data_uri(image, _IMAGE_PX)}' alt='{name}' height='{_IMAGE_PX}' "
        "style='image-rendering: pixelated'>"
        f"<figcaption>{name}<br>{count:,}</figcaption></figure>"
    )
