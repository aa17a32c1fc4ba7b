"""The option `skip_bad`: leave out the images that cannot be read, and say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._class_names import require_training_classes
from headstart.data._decode_journal import JOURNAL_FILE
from headstart.data._memory_maps import compact
from headstart.data._types import UNASSIGNED, DecodedImages, UnreadableFile
from headstart.data.formats.images._unreadable import (
    FileNotReadable,
    UnreadableImage,
    unreadable_images,
)
from headstart.errors import InputError, ResourceError
from headstart.formatting import counted


def without_unreadable(
    decoded: DecodedImages,
    errors: Mapping[int, UnreadableImage],
    building: Path,
    source: str,
    *,
    skip_bad: bool,
) -> DecodedImages:
    """Leave out the images that cannot be read. No other image takes their place.

    Args:
        decoded: All images, in a map of `create_map`. The map must not be used afterwards.
        errors: The reason by row.
        building: Folder of the map.
        source: Name of the source for messages.
        skip_bad: Whether images may be left out.

    Raises:
        InputError: Images cannot be read and may not be left out. Or a class has no readable image,
            or none to train on.
        ResourceError: The system could not read a file, which says nothing about the image in it.
    """
    if not errors:
        return decoded
    count = len(decoded.labels)
    names = decoded.image_names or tuple(str(row) for row in range(count))
    if not skip_bad:
        raise unreadable_images(
            [(names[row], str(error)) for row, error in errors.items()],
            count,
            f"images in {source}",
            "Repair these images, or leave them out with --skip-bad.",
        )
    require_readable_files(errors, names, f" in {source}")
    parts = decoded.parts
    if parts is None:
        parts = np.full(count, UNASSIGNED, np.uint8)
    unreadable = tuple(
        UnreadableFile(names[row], str(error), int(parts[row])) for row, error in errors.items()
    )

    is_kept = np.ones(count, bool)
    is_kept[list(errors)] = False
    kept = np.flatnonzero(is_kept)
    labels = decoded.labels[kept]
    _require_every_class(labels, decoded, unreadable, source)
    if decoded.parts is not None:
        require_training_classes(labels, parts[kept], decoded.class_names, source)

    # From here on the rows of the map are not where the journal says.
    store.remove_file(building / JOURNAL_FILE)
    return replace(
        decoded,
        images=compact(building, decoded.images, kept),
        labels=labels,
        parts=None if decoded.parts is None else decoded.parts[kept],
        image_names=tuple(names[row] for row in kept.tolist()),
        groups=None if decoded.groups is None else decoded.groups[kept],
        hashes=None if decoded.hashes is None else decoded.hashes[kept],
        unreadable=unreadable,
    )


def _require_every_class(
    labels: NDArray[np.int64],
    decoded: DecodedImages,
    unreadable: tuple[UnreadableFile, ...],
    source: str,
) -> None:
    """Raise an error if a class has no readable image.

    Args:
        labels: Labels of the readable images.
        decoded: All images.
        unreadable: The files that cannot be read.
        source: Name of the source for the message.
    """
    counts = np.bincount(labels, minlength=len(decoded.class_names))
    if counts.all():
        return
    name = decoded.class_names[int(np.argmin(counts))]
    raise InputError(
        f"no image of the class '{name}' in {source} can be read. "
        f"For example, {_example(decoded, unreadable, name)}.",
        "Repair its images, or remove the class.",
    )


def require_readable_files(
    errors: Mapping[int, UnreadableImage], names: Sequence[str], place: str = ""
) -> None:
    """Raise an error if the system could not read a file, which is then not left out.

    Args:
        errors: The reason by row.
        names: Names of all rows.
        place: Where the files are, such as " in photos", for the message.

    Raises:
        ResourceError: A file was not read, which says nothing about the image in it.
    """
    unread = [row for row, error in errors.items() if isinstance(error, FileNotReadable)]
    if unread:
        others = len(unread) - 1
        more = f" The same holds for {counted(others, 'other file')}." if others else ""
        raise ResourceError(
            f"{names[unread[0]]}{place} {errors[unread[0]]}.{more} --skip-bad leaves out "
            "damaged images only.",
            "Repeat the command, or correct the permissions, or move these files away.",
        )


def _example(
    decoded: DecodedImages, unreadable: tuple[UnreadableFile, ...], class_name: str
) -> str:
    label = decoded.class_names.index(class_name)
    names = decoded.image_names or ()
    label_of = {name: int(number) for name, number in zip(names, decoded.labels, strict=True)}
    file = next(file for file in unreadable if label_of[file.name] == label)
    return f"{file.name} {file.reason}"
