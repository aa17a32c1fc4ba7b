"""Images to be judged: found, and opened to the very pixels that training would have seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from headstart.data import (
    LARGEST_FILE_BYTES,
    ImageSource,
    UnreadableImage,
    list_images,
    read_images,
)
from headstart.deploy._model import Model
from headstart.errors import InputError

NAMED_FAILURES = 5


def named_sources(given: Sequence[str | ImageSource]) -> tuple[list[str], list[ImageSource]]:
    """The images that a user means, with a name for each.

    Args:
        given: paths of images; folders, which stand for every image in them at any depth; "-" for an image on standard input; or
            the bytes of images, or open files.

    Raises:
        InputError: nothing given, a path that does not exist, a folder without images, or what is none of these.
    """
    names: list[str] = []
    sources: list[ImageSource] = []
    for number, one in enumerate(given, 1):
        if not isinstance(one, str | Path):
            names.append(str(getattr(one, "name", None) or f"image {number}"))
            sources.append(_content(one, number))
        elif str(one) == "-":
            names.append("standard input")
            sources.append(sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1))
        else:
            found: list[Path] = list_images(Path(one)) if Path(one).is_dir() else [_file(Path(one))]
            names += map(str, found)
            sources += found
    if not sources:
        raise InputError(
            "no images given.",
            "Give image files, folders of them, or - for an image on standard input.",
        )
    return names, sources


def _content(one: bytes | IO[bytes], number: int) -> bytes:
    if isinstance(one, bytes):
        return one
    if not hasattr(one, "read"):
        raise InputError(
            f"image {number} is of type {type(one).__name__}, but wanted is a path, the bytes of an image file, or an open file.",
            "Give arrays as one, numpy.stack(images); an opened picture as numpy.asarray(picture).",
        )
    return one.read(LARGEST_FILE_BYTES + 1)


def _file(path: Path) -> Path:
    if not path.exists():
        raise InputError(
            f"{path} does not exist.",
            "Give image files, folders of them, or - for an image on standard input.",
        )
    return path


def open_images(
    sources: Sequence[ImageSource], names: Sequence[str], model: Model
) -> NDArray[np.uint8]:
    """The pixels of images of any size as the model takes them: to the last bit those that its training would have seen.

    Args:
        sources: paths, contents, or open files. Only the formats of a dataset are opened, the first frame of each; files up to
            268 MB and images up to Pillow's limit of 89 million pixels.
        names: what to call them where they cannot be used.

    Returns:
        `(N, H, W, C)` uint8 of the model's `image_shape`.

    Raises:
        InputError: images that cannot be read: how many, and up to five of them with the reason.
    """
    images, failed = open_readable(sources, names, model)
    if failed:
        raise unreadable(failed, len(sources))
    return images


def open_readable(
    sources: Sequence[ImageSource], names: Sequence[str], model: Model
) -> tuple[NDArray[np.uint8], list[str]]:
    """As `open_images`, but of those that can be read; and of the others, name and reason."""
    found = read_images(sources, model.image_shape, model.preprocessing.resize)
    failed = [
        f"{name} {one}"
        for name, one in zip(names, found, strict=True)
        if isinstance(one, UnreadableImage)
    ]
    opened = [one for one in found if not isinstance(one, UnreadableImage)]
    return np.stack(opened) if opened else np.empty((0, *model.image_shape), np.uint8), failed


def unreadable(failed: list[str], count: int) -> InputError:
    """The error about images that give no pixels."""
    if count == 1:
        return InputError(
            f"{failed[0]}.",
            "Give an image in one of the formats JPEG, PNG, BMP, GIF, WebP, TIFF, PPM.",
        )
    lines = failed[:NAMED_FAILURES] + (
        [f"and {len(failed) - NAMED_FAILURES:,} more"] if len(failed) > NAMED_FAILURES else []
    )
    listed = "\n    ".join(lines)
    return InputError(
        f"{len(failed):,} of {count:,} images cannot be used:\n    {listed}",
        "Repair or leave them out.",
    )
