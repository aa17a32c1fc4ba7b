"""Images and labels as arrays: checks, scaling to eight bits, class names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._class_names import encode_labels, require_training_classes
from headstart.data._memory_maps import blocks, create_map, put
from headstart.data._types import PART_NAMES, TEST, TRAIN, VALIDATION, DecodedImages
from headstart.data.formats.arrays._labels import label_texts, use_class_names
from headstart.data.formats.arrays._shapes import channels_last
from headstart.data.formats.images._pixel_scales import smallest_scale
from headstart.errors import InputError

_PATHS_HINT = (
    "If they are paths, pass a data frame: pandas.DataFrame({'path': paths, 'label': labels})"
)
_PARTS_OF_PAIRS = {2: (TRAIN, TEST), 3: (TRAIN, VALIDATION, TEST)}


class ArrayPart(NamedTuple):
    """Images and labels of one part, not checked yet.

    Attributes:
        code: TRAIN, VALIDATION or TEST.
        images: Array of images. See `read_arrays`.
        labels: Array of labels. See `read_arrays`.
    """

    code: int
    images: NDArray[Any]
    labels: NDArray[Any]


def read_arrays(
    images: Any, labels: Any, pixel_max: float | None = None, class_names: Any = None
) -> DecodedImages:
    """Check arrays of images and labels, and convert them.

    Args:
        images: Array of shape (N, H, W), (N, H, W, C) or (N, C, H, W), with C = 1 or 3 (RGB), or
            (N, P) rows of the pixels of square grey images. Integers from 0 to 255, or real numbers
            from 0 to 1, which are multiplied by 255. Anything else needs `pixel_max`. A uint8 array
            up to 255 is used without a copy, even a memory map. All others become a uint8 array in
            memory.
        labels: Array of shape (N,) or (N, 1), of integers or strings. Or of shape (N, K), with a
            single 1 per row.
        pixel_max: Value of full brightness.
        class_names: K names. The labels are then indices into them.

    Raises:
        InputError: The shapes or numbers differ, values are outside the scale, or there is only
            one class.
    """
    source = "the pair of arrays"
    pair = _as_array(images, "images", source), _as_array(labels, "labels", source)
    names = None if class_names is None else _as_array(class_names, "class names", source)
    return decode_arrays([ArrayPart(TRAIN, *pair)], source, pixel_max, names)


def has_pairs(source: tuple[Any, ...]) -> bool:
    """Return whether a tuple holds pairs of images and labels, as Keras' `load_data` returns."""
    return len(source) in _PARTS_OF_PAIRS and all(map(_is_pair, source))


def read_pairs(pairs: Sequence[tuple[Any, Any]], pixel_max: float | None = None) -> DecodedImages:
    """Check pairs of arrays of images and labels, one for each part, and convert them.

    Args:
        pairs: Those of training and test images, or of training, validation and test images. See
            `read_arrays`.
        pixel_max: Value of full brightness.

    Raises:
        InputError: As in `read_arrays`. Or the parts differ in shape.
    """
    source = "the pairs of arrays"
    parts = [
        ArrayPart(code, _as_array(images, "images", source), _as_array(labels, "labels", source))
        for code, (images, labels) in zip(_PARTS_OF_PAIRS[len(pairs)], pairs, strict=True)
    ]
    return decode_arrays(parts, source, pixel_max)


def _is_pair(item: Any) -> bool:
    """Return whether an item is a tuple of an array of images and as many labels."""
    if not isinstance(item, tuple) or len(item) != 2:
        return False
    images, labels = item
    if not (hasattr(images, "shape") and hasattr(labels, "shape")):
        return False
    return len(images.shape) >= 2 and len(labels.shape) in (1, 2) and len(images) == len(labels)


def _as_array(values: Any, what: str, source: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:  # NumPy's words: "inhomogeneous shape"
        raise InputError(
            f"invalid {what} of {source}: expected one shape for all, got several.",
            "Make all images the same size and mode first, then stack them with numpy.stack.",
        ) from error


def decode_arrays(
    parts: Sequence[ArrayPart],
    source: str,
    pixel_max: float | None = None,
    class_names: NDArray[Any] | None = None,
    building: Path | None = None,
) -> DecodedImages:
    """Check the arrays of each part, convert them and join them. See `read_arrays`.

    Args:
        parts: Images and labels. A single training part leaves the split open.
        source: Where the arrays come from, for error messages.
        pixel_max: Value of full brightness.
        class_names: K names. The labels are then indices into them.
        building: Folder of a map of all images, which is written in bounded memory. With None they
            are in memory.

    Raises:
        InputError: As in `read_arrays`. Or the parts differ in shape.
    """
    pixels = [
        _check_pixels(part.images, pixel_max, f"the {PART_NAMES[part.code]} images of {source}")
        for part in parts
    ]
    shapes = sorted({part.images.shape[1:] for part in pixels})
    if len(shapes) > 1:
        raise InputError(
            f"training and test images of {source} differ in shape: "
            f"{' and '.join(map(str, shapes))}.",
            "Give all images one height, width and number of channels.",
        )

    texts: list[str] = []
    for checked, part in zip(pixels, parts, strict=True):
        texts += label_texts(part.labels, len(checked.images), source)
    if class_names is None:
        labels, names = encode_labels(texts, source)
    else:
        labels, names = use_class_names(texts, class_names, source)

    assigned = None
    if len(parts) > 1:
        codes = np.array([part.code for part in parts], np.uint8)
        assigned = np.repeat(codes, [len(part.images) for part in pixels])
        require_training_classes(labels, assigned, names, source)
    images = _join(pixels) if building is None else _join_in_map(pixels, building)
    return DecodedImages(images, labels, names, assigned)


def to_uint8(images: NDArray[Any], pixel_max: float | None, source: str) -> NDArray[np.uint8]:
    """Check images of shape (N, H, W) or (N, H, W, C), and convert them to uint8 (N, H, W, C)."""
    return _check_pixels(images, pixel_max, source).in_memory()


class _CheckedPixels(NamedTuple):
    """Images whose values are on a known scale.

    Attributes:
        images: Array of shape (N, H, W, C).
        full_brightness: Value of full brightness. None for uint8 values that stay as they are.
    """

    images: NDArray[Any]
    full_brightness: float | None

    def in_memory(self) -> NDArray[np.uint8]:
        """Return all images as uint8. They are not copied if they stay as they are."""
        if self.full_brightness is None:
            return self.images
        pixels = np.empty(self.images.shape, np.uint8)
        for start, block in self.blocks():
            pixels[start : start + len(block)] = block
        return pixels

    def blocks(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield the images as uint8, in blocks with the index of their first image."""
        for start, block in blocks(self.images, "scaling pixels"):
            if self.full_brightness is None:
                yield start, block
            else:
                yield start, np.rint(block * (255 / self.full_brightness)).astype(np.uint8)


def _join(pixels: Sequence[_CheckedPixels]) -> NDArray[np.uint8]:
    arrays = [part.in_memory() for part in pixels]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _join_in_map(pixels: Sequence[_CheckedPixels], building: Path) -> NDArray[np.uint8]:
    height, width, channels = pixels[0].images.shape[1:]
    count = sum(len(part.images) for part in pixels)
    images = create_map(building, count, (height, width, channels))
    first = 0
    for part in pixels:
        for start, block in part.blocks():
            put(images, slice(first + start, first + start + len(block)), block)
        first += len(part.images)
    return images


def _check_pixels(images: NDArray[Any], pixel_max: float | None, source: str) -> _CheckedPixels:
    """Check images of shape (N, H, W) or (N, H, W, C)."""
    if images.dtype.kind not in "buif":
        raise InputError(
            f"invalid type of {source}: expected numbers, got {images.dtype}.",
            _PATHS_HINT if images.dtype.kind in "US" else "Save them as uint8.",
        )
    images = channels_last(images, source)
    if images.dtype == np.uint8 and pixel_max in (None, 255):
        return _CheckedPixels(images, None)
    return _CheckedPixels(images, _check_scale(images, pixel_max, source))


def _check_scale(images: NDArray[Any], pixel_max: float | None, source: str) -> float:
    """Return the value of full brightness, after a check that all values are on that scale."""
    ranges = [(block.min(), block.max()) for _, block in blocks(images, "checking pixel values")]
    low, high = float(np.min(ranges)), float(np.max(ranges))
    if not math.isfinite(low) or not math.isfinite(high):
        raise InputError(
            f"{source} have values that are not finite (NaN or infinity), in "
            f"{_count_non_finite(images):,} of {len(images):,} images.",
            "Replace these values, or leave these images out.",
        )

    if pixel_max is not None:
        full_brightness, expected = pixel_max, f"numbers from 0 to {pixel_max:g} (pixel_max)"
    elif images.dtype.kind in "bf":
        full_brightness, expected = 1.0, "integers from 0 to 255, or real numbers from 0 to 1"
    else:
        full_brightness, expected = 255.0, "integers from 0 to 255"

    if low < 0 or high > full_brightness:
        hint = _scale_hint(images.dtype, high)
        if low < 0:
            hint = "Pixels are never negative. Undo the subtraction of a mean, for example."
        raise InputError(
            f"invalid values of {source}: expected {expected}, "
            f"got values from {low:g} to {high:g} ({images.dtype}).",
            hint,
        )
    return full_brightness


def _count_non_finite(images: NDArray[Any]) -> int:
    """Count the images with a value that is NaN or infinite."""
    count = 0
    for _, block in blocks(images, "counting invalid images"):
        count += int((~np.isfinite(block)).any(axis=(1, 2, 3)).sum())
    return count


def _scale_hint(dtype: np.dtype[Any], high: float) -> str:
    scale = smallest_scale(65535 if dtype == np.uint16 else high)
    if scale is None:
        return "Pass the value of full brightness with --pixel-max."
    return (
        "Pass the value of full brightness. "
        f"If it is {scale}: --pixel-max {scale} (pixel_max={scale} in Python)."
    )
