"""Images as arrays: IDX folder, .npz, a pair in memory."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data._cache import Decoded
from headstart.data._class_names import (
    INTEGER,
    encode_labels,
    need_distinct_classes,
    need_training_classes,
)
from headstart.data._memory_maps import blocks
from headstart.data._types import PART_NAMES, TEST, TRAIN
from headstart.data.formats._idx import read_idx
from headstart.data.formats._pixel_csv import full_scale
from headstart.errors import InputError

NPZ_KEYS = "x_train, y_train[, x_validation, y_validation][, x_test, y_test] or images, labels[, class_names]"
NPZ_PAIRS = (
    ("x_train", "y_train"),
    ("x_validation", "y_validation"),
    ("x_test", "y_test"),
    ("images", "labels"),
)
_PARTED = {key for pair in NPZ_PAIRS[:-1] for key in pair}
IDX_PARTS = (("train", TRAIN), ("t10k", TEST))


def read_idx_folder(folder: Path) -> Decoded:
    """Read `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and, where they exist, `t10k-…` (gzipped or not).

    Raises:
        InputError: labels without images or the reverse, counts that differ, damaged files.
    """
    pairs = [(part, _pair_in(folder, prefix)) for prefix, part in IDX_PARTS]
    arrays = [
        (part, read_idx(pair[0]), read_idx(pair[1])) for part, pair in pairs if pair is not None
    ]
    if TRAIN not in [part for part, *_ in arrays]:
        raise InputError(
            f"{folder} has no train-images-idx3-ubyte.",
            "Images of an IDX folder are named train-… and t10k-….",
        )
    return _decoded([(part, images, labels) for part, images, labels in arrays], None, str(folder))


def idx_files(folder: Path) -> list[Path]:
    """The IDX files of a folder, sorted by name; [] if it is no IDX folder."""
    files = (
        [path for path in folder.iterdir() if _idx_kind(path.name) is not None]
        if folder.is_dir()
        else []
    )
    return sorted(files) if any(_idx_kind(path.name) == 3 for path in files) else []


def read_npz(path: Path, pixel_max: float | None = None) -> Decoded:
    """Read an `.npz` with the keys of `NPZ_KEYS`.

    Images are as in `read_arrays`. With class_names the labels are indices into it.

    Raises:
        InputError: other keys, Python objects, and what `read_arrays` raises.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as .npz: {error}.",
            "Save plain number arrays with numpy.savez; arrays of Python objects are never opened.",
        ) from error
    known = _PARTED if "x_train" in found else {"images", "labels", "class_names"}
    needed = {"x_train", "y_train"} if "x_train" in found else {"images", "labels"}
    for pair in NPZ_PAIRS:
        here = set(pair) & set(found)
        if len(here) == 1 and not set(found) - {*_PARTED, "images", "labels", "class_names"}:
            raise InputError(
                f"{path} has {here.pop()}, but no {(set(pair) - set(found)).pop()}.",
                "Images and their labels come in pairs.",
            )
    if set(found) - known or needed - set(found):
        raise InputError(
            f"{path} has the keys {', '.join(sorted(found)) or 'none'}; wanted are {NPZ_KEYS}.",
            "Rename the arrays, or load them in Python and give them as a pair.",
        )
    if "images" in found:
        return _decoded(
            [(TRAIN, found["images"], found["labels"])],
            pixel_max,
            str(path),
            found.get("class_names"),
        )
    parts = [(TRAIN, found["x_train"], found["y_train"])]
    others = {
        part: name for part, name in PART_NAMES.items() if part != TRAIN and f"x_{name}" in found
    }
    parts += [(part, found[f"x_{name}"], found[f"y_{name}"]) for part, name in others.items()]
    return _decoded(parts, pixel_max, str(path))


def read_arrays(
    images: Any, labels: Any, pixel_max: float | None = None, class_names: Any = None
) -> Decoded:
    """Take a pair of arrays.

    Args:
        images: `(N, H, W)` or `(N, H, W, C)`, C = 1 or 3 (RGB). Whole numbers from 0 to 255, or real numbers from 0 to
            1 (scaled by 255); anything else needs `pixel_max`. uint8 up to 255 is taken as it is, a memory map too; all else
            becomes a uint8 array in memory.
        labels: `(N,)` or `(N, 1)` whole numbers or strings.
        pixel_max: the value that means full brightness.
        class_names: K names; the labels are then indices into them.

    Raises:
        InputError: other shapes, values outside the scale, counts that differ, one class.
    """
    names = None if class_names is None else np.asarray(class_names)
    return _decoded(
        [(TRAIN, np.asarray(images), np.asarray(labels))], pixel_max, "the pair of arrays", names
    )


def _idx_kind(name: str) -> int | None:
    """3 for a file of images, 1 for labels, by the name; None for any other file."""
    match = re.search(r"[-.]idx([13])-ubyte(\.gz)?$", name)
    return int(match.group(1)) if match else None


def _pair_in(folder: Path, prefix: str) -> tuple[Path, Path] | None:
    found = {
        kind: path
        for path in idx_files(folder)
        if path.name.startswith(prefix) and (kind := _idx_kind(path.name))
    }
    if not found:
        return None
    if len(found) < 2:
        have, lack = (
            ("labels", "images-idx3-ubyte") if 1 in found else ("images", "labels-idx1-ubyte")
        )
        raise InputError(
            f"{folder} has {have} of {prefix}, but no {prefix}-{lack}.",
            "Both files are needed, plain or .gz.",
        )
    return found[3], found[1]


def _decoded(
    parts: Sequence[tuple[int, NDArray[Any], NDArray[Any]]],
    pixel_max: float | None,
    where: str,
    class_names: NDArray[Any] | None = None,
) -> Decoded:
    """Check `(part, images, labels)` and join them; a lone training part leaves the split to be made."""
    pixels = [
        _pixels(images, pixel_max, f"the {PART_NAMES[part]} images of {where}")
        for part, images, _ in parts
    ]
    shapes = {array.shape[1:] for array in pixels}
    if len(shapes) > 1:
        raise InputError(
            f"training and test images of {where} differ in shape: {' and '.join(map(str, sorted(shapes)))}.",
            "All images need one height, width and number of channels.",
        )
    texts = [
        text
        for array, (*_, labels) in zip(pixels, parts, strict=True)
        for text in _label_texts(labels, len(array), where)
    ]
    numbers, names = (
        encode_labels(texts, where) if class_names is None else _numbered(texts, class_names, where)
    )
    if len(parts) == 1:
        return Decoded(pixels[0], numbers, names)
    assigned = np.repeat(
        np.array([part for part, *_ in parts], np.uint8), [len(array) for array in pixels]
    )
    need_training_classes(numbers, assigned, names, where)
    return Decoded(np.concatenate(pixels), numbers, names, assigned)


def _pixels(images: NDArray[Any], pixel_max: float | None, where: str) -> NDArray[np.uint8]:
    """`(N, H, W)` or `(N, H, W, C)` numbers as `(N, H, W, C)` uint8."""
    if images.dtype.kind not in "buif":
        raise InputError(
            f"{where} are of type {images.dtype}; wanted are numbers.", "Save them as uint8."
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        channels_first = images.ndim == 4 and images.shape[1] in (1, 3)
        raise InputError(
            f"{where} have the shape {images.shape}; wanted is (N, height, width) or (N, height, width, 1 or 3).",
            "Channels come last: use numpy.moveaxis(images, 1, -1)."
            if channels_first
            else "Reshape them first.",
        )
    if images.dtype == np.uint8 and pixel_max in (None, 255):
        return images
    top = _brightest(images, pixel_max, where)
    out = np.empty(images.shape, np.uint8)
    for start, block in blocks(images, "scaling pixels"):
        out[start : start + len(block)] = np.rint(block * (255 / top))
    return out


def _brightest(images: NDArray[Any], pixel_max: float | None, where: str) -> float:
    """The value that means full brightness, after checking that every value lies on that scale."""
    extremes = np.array(
        [(block.min(), block.max()) for _, block in blocks(images, "looking at pixel values")]
    )
    low, high = float(extremes.min()), float(extremes.max())
    if not math.isfinite(low) or not math.isfinite(high):
        count = sum(
            int((~np.isfinite(block)).any(axis=(1, 2, 3)).sum())
            for _, block in blocks(images, "counting images")
        )
        raise InputError(
            f"{where} have values that are no finite numbers (NaN or infinity), in {count:,} of {len(images):,} images.",
            "Replace these values, or leave these images out.",
        )
    if pixel_max is not None:
        top, wanted = pixel_max, f"numbers from 0 to {pixel_max:g} (pixel_max)"
    elif images.dtype.kind in "bf":
        top, wanted = 1.0, "whole numbers from 0 to 255, or real numbers from 0 to 1"
    else:
        top, wanted = 255.0, "whole numbers from 0 to 255"
    if low < 0 or high > top:
        raise InputError(
            f"{where} have values from {low:g} to {high:g} ({images.dtype}), but pixels are {wanted}.",
            "Pixels are never negative: undo what was subtracted from them."
            if low < 0
            else _scale_hint(images.dtype, high),
        )
    return top


def _scale_hint(dtype: np.dtype[Any], high: float) -> str:
    scale = full_scale(65535 if dtype == np.uint16 else high)
    say = (
        f": --pixel-max {scale} (pixel_max={scale} in Python), if it is {scale}"
        if scale
        else " with --pixel-max"
    )
    return f"Give the value that means full brightness{say}."


def _label_texts(labels: NDArray[Any], count: int, where: str) -> list[str]:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1:
        raise InputError(
            f"the labels of {where} have the shape {labels.shape}; wanted is one label an image, ({count},).",
            "If they are one-hot, give labels.argmax(axis=1).",
        )
    if len(flat) != count:
        raise InputError(
            f"{where} has {count:,} images but {len(flat):,} labels.",
            "Every image needs one label, in the same order.",
        )
    texts = [str(label).strip() for label in flat.tolist()]
    bad = [
        text for text in texts if not text or (flat.dtype.kind == "f" and not INTEGER.match(text))
    ]
    if bad or flat.dtype.kind not in "buifUO":
        found = f"'{bad[0]}'" if bad else f"of type {flat.dtype}"
        raise InputError(
            f"a label of {where} is {found}; wanted are whole numbers or names.",
            "Correct the labels.",
        )
    return texts


def _numbered(
    texts: Sequence[str], class_names: NDArray[Any], where: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels that are indices into `class_names`."""
    names = tuple(str(name) for name in class_names.ravel().tolist())
    strange = min(set(texts) - {str(number) for number in range(len(names))}, default=None)
    if strange is not None:
        raise InputError(
            f"{where} has the label {strange}, but class_names has {len(names)} names, for labels 0 to {len(names) - 1}.",
            "Give every class a name, in the order of the labels.",
        )
    need_distinct_classes(names, where)
    return np.array(texts, np.int64), names
