"""Images for prediction: collecting them, and opening them with the same pixels as in training."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import (
    LARGEST_FILE_BYTES,
    ImageSource,
    ReadingNotes,
    UnreadableImage,
    list_images,
    read_images,
    refuse_url,
    unreadable_images,
)
from headstart.deploy._model import Model
from headstart.errors import InputError

_WHAT_TO_GIVE = "Pass image files, folders of images, or - for an image on standard input."

_PATTERN = re.compile(r"[*?\[]")
_TABLE = re.compile(r"\.(csv|tsv|txt|parquet)(\.gz)?$", re.IGNORECASE)


def named_sources(given: Sequence[str | ImageSource]) -> tuple[list[str], list[ImageSource]]:
    """List the images that a user names, each with a name for messages.

    Args:
        given: Paths of images, folders, "-" for an image on standard input, contents of image
            files, or open files. A folder stands for every image in it, at any depth.

    Returns:
        The names, and the sources in the same order.

    Raises:
        InputError: Nothing is given, a path does not exist, a folder holds no images, or an item
            has another type.
    """
    names: list[str] = []
    sources: list[ImageSource] = []
    for number, item in enumerate(given, 1):
        if not isinstance(item, str | Path):
            names.append(str(getattr(item, "name", None) or f"image {number}"))
            sources.append(_content(item, number))
        elif str(item) == "-":
            names.append("standard input")
            sources.append(sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1))
        else:
            refuse_url(str(item))
            paths = _image_paths(Path(item))
            names += map(str, paths)
            sources += paths
    if not sources:
        raise InputError("no images given.", _WHAT_TO_GIVE)
    return names, sources


def _content(item: bytes | IO[bytes], number: int) -> bytes:
    if isinstance(item, bytes):
        return item
    if not hasattr(item, "read"):
        raise InputError(
            f"invalid image {number}: expected a path, the bytes of an image file, or an open "
            f"file, got {type(item).__name__}.",
            "Pass arrays as one array, numpy.stack(images), and an opened picture as "
            "numpy.asarray(picture).",
        )
    is_text = isinstance(item, io.TextIOBase)
    content: object = None if is_text else item.read(LARGEST_FILE_BYTES + 1)
    if not isinstance(content, bytes):
        raise InputError(
            f"invalid image {number}: expected a file that is open for bytes, got one that is "
            "open for text.",
            'Open it with open(path, "rb"), or pass the path itself.',
        )
    return content


def _image_paths(path: Path) -> list[Path]:
    if path.is_dir():
        return list_images(path)
    if not path.exists():
        if _PATTERN.search(path.name):
            raise InputError(
                f"{path} does not exist: it is a pattern, and patterns are not expanded here.",
                f"Remove the quotation marks, or pass the folder: {path.parent}",
            )
        raise InputError(f"{path} does not exist.", _WHAT_TO_GIVE)
    store.require_regular(path)
    if _TABLE.search(path.name):
        raise InputError(
            f"{path} is a table, not an image.",
            f"Predict the images that it lists with: headstart submit RUN {path}",
        )
    return [path]


def open_images(
    sources: Sequence[ImageSource], names: Sequence[str], model: Model
) -> NDArray[np.uint8]:
    """Open images of any size as the model accepts them.

    The pixels are bit-identical to those that training would have used. Only the formats of a
    dataset are opened, and of an animation the first frame. Files may have up to 268 MB. Images may
    have up to 89 million pixels, Pillow's limit. Larger JPEGs are decoded at a reduced scale.

    Args:
        sources: Paths, contents of files, or open files.
        names: Names of the images in messages.
        model: The model that will predict them.

    Returns:
        uint8 `(N, H, W, C)` of the model's `image_shape`.

    Raises:
        InputError: Some images cannot be read. The message counts them, and names up to five with
        the reason.
    """
    images, errors = open_readable(sources, names, model)
    if errors:
        raise unreadable(errors, names)
    return images


def open_readable(
    sources: Sequence[ImageSource],
    names: Sequence[str],
    model: Model,
    notes: ReadingNotes | None = None,
) -> tuple[NDArray[np.uint8], dict[int, UnreadableImage]]:
    """Open the images that can be read, and return the error of each other one by its row.

    Args:
        sources: Paths, contents of files, or open files.
        names: Names of the images in messages.
        model: The model that will predict them.
        notes: Takes what is converted or guessed. Without it, that is printed at once.
    """
    own_notes = notes or ReadingNotes()
    images: list[NDArray[np.uint8]] = []
    errors: dict[int, UnreadableImage] = {}
    how = model.preprocessing
    takers = [own_notes.of(name) for name in names]
    results = read_images(sources, model.image_shape, how.resize, how.pixel_max, takers)
    if notes is None:
        own_notes.say()
    for row, result in enumerate(results):
        if isinstance(result, UnreadableImage):
            errors[row] = result
        else:
            images.append(result)
    empty = np.empty((0, *model.image_shape), np.uint8)
    return np.stack(images) if images else empty, errors


def unreadable(
    errors: Mapping[int, UnreadableImage],
    names: Sequence[str],
    hint: str = "Repair these images, or leave them out.",
) -> InputError:
    """Return the error for images that cannot be read.

    Args:
        errors: The error of each by its row.
        names: Names of all images that were given.
        hint: What the user can do with one of several images.
    """
    failures = [(names[row], str(error)) for row, error in errors.items()]
    if len(names) == 1:
        return InputError(
            f"{names[0]} {errors[0]}.",
            "Pass an image in one of the formats JPEG, PNG, BMP, GIF, WebP, TIFF, PPM, AVIF or "
            "JPEG 2000.",
        )
    return unreadable_images(failures, len(names), hint=hint)
