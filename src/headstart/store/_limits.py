"""Limits on what is read: regular files only, and no more bytes than a file can honestly hold."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.errors import InputError

# How far a compressed file may expand. Images and tables are compressed 2 to 30 times. Files that
# are made to fill memory or a disk are compressed 1,000 times.
LARGEST_RATIO = 100
ALWAYS_ALLOWED_BYTES = 256 << 20  # whatever the ratio; digits in BMP files compress well
LARGEST_TEXT_BYTES = 64 << 20  # of a JSON file or another text that is read as a whole
LARGEST_TABLE_BYTES = 2 << 30  # of the predictions of a run, or the images of its report

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def expansion_limit(compressed: int) -> int:
    """Return the most bytes that a compressed file may expand to.

    Args:
        compressed: Size of the file in bytes.
    """
    return max(ALWAYS_ALLOWED_BYTES, LARGEST_RATIO * compressed)


def special_kind(path: Path) -> str | None:
    """Return what a path is if it is a FIFO, a socket or a device, or a link to one. Else None.

    The path is not opened: a FIFO would wait for a writer, and some devices never end.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return None  # Whoever opens it reports the error.
    return _KINDS.get(stat.S_IFMT(mode))


def require_regular(path: Path) -> None:
    """Raise an error about a FIFO, a socket or a device, without opening it.

    Raises:
        InputError: The path is one of them, or a link to one.
    """
    kind = special_kind(path)
    if kind is not None:
        raise InputError(
            f"{path} is {kind}, which is never read.", "Save its content to a file, and pass that."
        )


@contextmanager
def name_damage(path: Path) -> Iterator[None]:
    """Replace errors of the block, which reads a file that Headstart wrote, by one that names it.

    Raises:
        InputError: The file cannot be read, or is not what Headstart writes under that name.
    """
    require_regular(path)
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, StopIteration, csv.Error) as error:
        reason = (getattr(error, "strerror", None) or str(error) or "it ends too early").rstrip(".")
        raise InputError(
            f"{path} is damaged: {reason}.",
            "See what still works, and what to do: headstart doctor " + str(path.parent),
        ) from error


def read_file(path: Path, limit: int = LARGEST_TEXT_BYTES) -> bytes:
    """Return the content of a regular file.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Raises:
        InputError: The path is not a regular file, or the file is larger than the limit.
        OSError: The file is missing or cannot be read.
    """
    require_regular(path)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= limit:
            return file.read()
    raise InputError(
        f"{path} is too large: expected at most {limit / 1e6:,.0f} MB, got {size / 1e6:,.0f} MB.",
        "It may be damaged, or another file. Restore it.",
    )
