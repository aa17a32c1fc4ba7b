"""Statistics of the pixels of each image, without the padding that `load` adds."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from headstart.data import Dataset, FileFacts, blocks, luminance, map_in_threads

FloatArray = NDArray[np.float64]
_BATCH = 500
_COLOUR_BITS = 4  # per channel
_LEAST_COLOUR_SHARE = 0.002  # Rarer colours are noise of the encoding.


@dataclass(frozen=True)
class PixelStatistics:
    """Statistics of N images. Each one but `border` is a float64 array of shape (N,).

    Attributes:
        brightness: Mean luminance, in [0, 1].
        contrast: Standard deviation of the luminance, in [0, 1].
        sharpness: Variance of the Laplacian of the luminance, which is in [0, 1].
        dominant_share: Share of the pixels that have the most frequent colour, in (0, 1].
        colours: Number of colours, of 16 levels per channel, with at least 0.2% of the pixels.
        flat_share: Share of the pixels that equal their right neighbour exactly, in [0, 1].
        border: Float64 array of shape (N, C), the mean colour of the outermost pixels, in [0, 1].
    """

    brightness: FloatArray
    contrast: FloatArray
    sharpness: FloatArray
    dominant_share: FloatArray
    colours: FloatArray
    flat_share: FloatArray
    border: FloatArray


def measure_pixels(dataset: Dataset, facts: FileFacts | None = None) -> PixelStatistics:
    """Measure the pixels of each image.

    Args:
        dataset: The dataset.
        facts: Headers of its files, which tell how much of an image is padding.

    Returns:
        Brightness, contrast, sharpness and other statistics, one value per image.
    """
    boxes = _content_boxes(dataset, facts)
    measured: list[PixelStatistics] = []
    for start, block in blocks(dataset.images, "measuring images"):
        measured += _measure_block(block, None if boxes is None else boxes[start:])
    return _joined(measured)


def _content_boxes(dataset: Dataset, facts: FileFacts | None) -> NDArray[np.int64] | None:
    """Return top, bottom, left and right of each image's content; None if nothing is padded."""
    if facts is None or dataset.options.get("resize", "pad") != "pad":
        return None
    size_height, size_width, _ = dataset.image_shape
    height, width = np.maximum(facts.height, 1), np.maximum(facts.width, 1)
    scale = np.minimum(size_height / height, size_width / width)
    content_height = np.clip(np.rint(height * scale), 1, size_height).astype(np.int64)
    content_width = np.clip(np.rint(width * scale), 1, size_width).astype(np.int64)
    if (content_height == size_height).all() and (content_width == size_width).all():
        return None
    top, left = (size_height - content_height) // 2, (size_width - content_width) // 2
    return np.stack([top, top + content_height, left, left + content_width], axis=1)


def _measure_block(
    block: NDArray[np.uint8], boxes: NDArray[np.int64] | None
) -> list[PixelStatistics]:
    """Measure images on all cores. The first of the boxes are those of the block."""

    def measure(start: int) -> PixelStatistics:
        batch = block[start : start + _BATCH]
        return _measure_batch(batch, None if boxes is None else boxes[start : start + len(batch)])

    return map_in_threads(measure, range(0, len(block), _BATCH), "measuring images", "blocks")


def _measure_batch(batch: NDArray[np.uint8], boxes: NDArray[np.int64] | None) -> PixelStatistics:
    if boxes is None:
        return _statistics(batch)
    singles = []
    for image, (top, bottom, left, right) in zip(batch, boxes.tolist(), strict=True):
        singles.append(_statistics(image[None, top:bottom, left:right]))
    return _joined(singles)


def _joined(parts: list[PixelStatistics]) -> PixelStatistics:
    columns = [field.name for field in fields(PixelStatistics)]
    return PixelStatistics(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    )


def _statistics(images: NDArray[np.uint8]) -> PixelStatistics:
    """Measure images of one shape, without padding."""
    light = luminance(images) / np.float32(255)
    share, colours = _colour_use(images)
    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    border = np.concatenate(edges, axis=1).mean(axis=1) / 255
    is_flat = (images[:, :, 1:] == images[:, :, :-1]).all(axis=3)
    return PixelStatistics(
        brightness=light.mean(axis=(1, 2), dtype=np.float64),
        contrast=light.std(axis=(1, 2), dtype=np.float64),
        sharpness=_laplacian_variance(light),
        dominant_share=share,
        colours=colours,
        flat_share=is_flat.mean(axis=(1, 2)) if is_flat.size else np.ones(len(images)),
        border=border,
    )


def _laplacian_variance(light: NDArray[np.float32]) -> FloatArray:
    if min(light.shape[1:]) < 3:
        return np.zeros(len(light))
    neighbours = light[:, :-2, 1:-1] + light[:, 2:, 1:-1] + light[:, 1:-1, :-2] + light[:, 1:-1, 2:]
    laplacian = neighbours - 4 * light[:, 1:-1, 1:-1]
    variance: FloatArray = laplacian.var(axis=(1, 2), dtype=np.float64)
    return variance


def _colour_use(images: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
    """Return the share of the most frequent colour, and the number of colours in use."""
    count, height, width, channels = images.shape
    code = np.zeros((count, height * width), np.int64)
    for channel in range(channels):
        level = images[..., channel].reshape(count, -1) >> (8 - _COLOUR_BITS)
        code = (code << _COLOUR_BITS) | level
    kinds = 1 << (_COLOUR_BITS * channels)
    shares = np.empty((2, count))
    for row in range(count):
        uses = np.bincount(code[row], minlength=kinds) / code.shape[1]
        shares[:, row] = uses.max(), np.count_nonzero(uses >= _LEAST_COLOUR_SHARE)
    return shares[0], shares[1]
