"""Images and labels as arrays: checks, scaling to eight bits, class names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._class_names import (
    INTEGER,
    encode_labels,
    require_distinct_classes,
    require_training_classes,
)
from headstart.data._memory_maps import blocks
from headstart.data._types import PART_NAMES, TRAIN, DecodedImages
from headstart.data.formats._pixel_scales import smallest_scale
from headstart.errors import InputError


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
        images: Array of shape (N, H, W) or (N, H, W, C), with C = 1 or 3 (RGB). Integers from 0 to
            255, or real numbers from 0 to 1, which are multiplied by 255. Anything else needs
            `pixel_max`. A uint8 array up to 255 is used without a copy, even a memory map. All
            others become a uint8 array in memory.
        labels: Array of shape (N,) or (N, 1), of integers or strings.
        pixel_max: Value of full brightness.
        class_names: K names. The labels are then indices into them.

    Raises:
        InputError: The shapes or numbers differ, values are outside the scale, or there is only
            one class.
    """
    part = ArrayPart(TRAIN, np.asarray(images), np.asarray(labels))
    names = None if class_names is None else np.asarray(class_names)
    return decode_arrays([part], "the pair of arrays", pixel_max, names)


def decode_arrays(
    parts: Sequence[ArrayPart],
    source: str,
    pixel_max: float | None = None,
    class_names: NDArray[Any] | None = None,
) -> DecodedImages:
    """Check the arrays of each part, convert them and join them. See `read_arrays`.

    Args:
        parts: Images and labels. A single training part leaves the split open.
        source: Where the arrays come from, for error messages.
        pixel_max: Value of full brightness.
        class_names: K names. The labels are then indices into them.

    Raises:
        InputError: As in `read_arrays`. Or the parts differ in shape.
    """
    pixels = [
        _to_uint8(part.images, pixel_max, f"the {PART_NAMES[part.code]} images of {source}")
        for part in parts
    ]
    shapes = sorted({array.shape[1:] for array in pixels})
    if len(shapes) > 1:
        raise InputError(
            f"training and test images of {source} differ in shape: "
            f"{' and '.join(map(str, shapes))}.",
            "Give all images one height, width and number of channels.",
        )

    texts: list[str] = []
    for array, part in zip(pixels, parts, strict=True):
        texts += _label_texts(part.labels, len(array), source)
    if class_names is None:
        labels, names = encode_labels(texts, source)
    else:
        labels, names = _use_class_names(texts, class_names, source)

    if len(parts) == 1:
        return DecodedImages(pixels[0], labels, names)
    codes = np.array([part.code for part in parts], np.uint8)
    assigned = np.repeat(codes, [len(array) for array in pixels])
    require_training_classes(labels, assigned, names, source)
    return DecodedImages(np.concatenate(pixels), labels, names, assigned)


def _to_uint8(images: NDArray[Any], pixel_max: float | None, source: str) -> NDArray[np.uint8]:
    """Check images of shape (N, H, W) or (N, H, W, C), and convert them to uint8 (N, H, W, C)."""
    if images.dtype.kind not in "buif":
        raise InputError(
            f"invalid type of {source}: expected numbers, got {images.dtype}.",
            "Save them as uint8.",
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        hint = "Reshape them first."
        if images.ndim == 4 and images.shape[1] in (1, 3):
            hint = "Move the channels to the end: numpy.moveaxis(images, 1, -1)."
        raise InputError(
            f"invalid shape of {source}: expected (N, height, width) or "
            f"(N, height, width, 1 or 3), got {images.shape}.",
            hint,
        )

    if images.dtype == np.uint8 and pixel_max in (None, 255):
        return images
    full_brightness = _check_scale(images, pixel_max, source)
    pixels = np.empty(images.shape, np.uint8)
    for start, block in blocks(images, "scaling pixels"):
        pixels[start : start + len(block)] = np.rint(block * (255 / full_brightness))
    return pixels


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
        return "Give the value of full brightness with --pixel-max."
    return (
        "Give the value of full brightness. "
        f"If it is {scale}: --pixel-max {scale} (pixel_max={scale} in Python)."
    )


def _label_texts(labels: NDArray[Any], count: int, source: str) -> list[str]:
    """Check the labels of `count` images, and return them as text."""
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if column.ndim != 1:
        raise InputError(
            f"invalid shape of the labels of {source}: expected one label per image, ({count},), "
            f"got {labels.shape}.",
            "If they are one-hot, give labels.argmax(axis=1).",
        )
    if len(column) != count:
        raise InputError(
            f"{source} has {count:,} images but {len(column):,} labels.",
            "Give one label per image, in the same order.",
        )

    texts = [str(label).strip() for label in column.tolist()]
    kind = column.dtype.kind
    invalid = [text for text in texts if not text or (kind == "f" and not INTEGER.match(text))]
    if invalid or kind not in "buifUO":
        actual = f"'{invalid[0]}'" if invalid else f"type {column.dtype}"
        raise InputError(
            f"invalid label of {source}: expected integers or names, got {actual}.",
            "Correct the labels.",
        )
    return texts


def _use_class_names(
    texts: Sequence[str], class_names: NDArray[Any], source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Check that the labels are indices into `class_names`, and return both."""
    names = tuple(str(name) for name in class_names.ravel().tolist())
    known = {str(number) for number in range(len(names))}
    unknown = sorted(set(texts) - known)
    if unknown:
        raise InputError(
            f"{source} has the label {unknown[0]}, but class_names has {len(names)} names, for "
            f"labels 0 to {len(names) - 1}.",
            "Give every class a name, in the order of the labels.",
        )
    require_distinct_classes(names, source)
    return np.array(texts, np.int64), names
