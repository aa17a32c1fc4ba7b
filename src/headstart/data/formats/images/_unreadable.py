"""The errors of images that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.errors import InputError
from headstart.formatting import listing


class UnreadableImage(Exception):
    """An image file that cannot be decoded.

    The text is the reason, and fits after the name of the file: "is empty (0 bytes)".
    """


class UnreadableMetadata(UnreadableImage):
    """A PNG whose texts or profile cannot be read. Without them, its pixels may be readable."""


class FileNotReadable(UnreadableImage):
    """The system could not read a file: no permission, a disk or network error. It may pass."""


class ScaleNeeded(UnreadableImage):
    """An image has more than eight bits per channel, and its dataset has no scale yet."""


def unreadable_images(
    failures: Sequence[str],
    count: int,
    images: str = "images",
    hint: str = "Repair these images, or leave them out.",
) -> InputError:
    """Return the error about images that cannot be read. It names up to twenty of them.

    Args:
        failures: Name and reason of each, such as "cat.jpg is empty (0 bytes)".
        count: Number of all images.
        images: Noun for them, with the place if that is not obvious.
        hint: What the user can do.
    """
    return InputError(
        f"{len(failures):,} of {count:,} {images} cannot be used:{listing(failures)}", hint
    )
