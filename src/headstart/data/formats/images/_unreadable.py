"""The errors of images that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.errors import InputError
from headstart.formatting import counted, listing

# What differs between images of one kind: first bytes, numbers, and parts of their text.
_DETAIL = re.compile(r"\b[0-9a-f]{2}( [0-9a-f]{2})+|\([^)]*\)|'[^']*'|\d[\d,.]*%?")
_MOST_IN_FULL = 3  # images of one kind, with the reason of each
_MOST_NAMED = 5  # images of a larger kind


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
    failures: Sequence[tuple[str, str]],
    count: int,
    images: str = "images",
    hint: str = "Repair these images, or leave them out.",
) -> InputError:
    """Return the error about images that cannot be read. See `list_failures`.

    Args:
        failures: Name and reason of each, such as ("cat.jpg", "is empty (0 bytes)").
        count: Number of all images.
        images: Noun for them, with the place if that is not obvious.
        hint: What the user can do.
    """
    return InputError(
        f"{len(failures):,} of {count:,} {images} cannot be used:{list_failures(failures)}", hint
    )


def list_failures(failures: Sequence[tuple[str, str]]) -> str:
    """Return the images that cannot be read as lines, with one reason per kind of failure.

    Args:
        failures: Name and reason of each image.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, reason in failures:
        kinds.setdefault(_DETAIL.sub("", reason), []).append((name, reason))

    lines: list[str] = []
    for members in kinds.values():
        in_full = members if len(members) <= _MOST_IN_FULL else members[:1]
        lines += [f"{name} {reason}" for name, reason in in_full]
        others = [name for name, _ in members[len(in_full) :]]
        if others:
            names = ", ".join(others[: _MOST_NAMED - 1])
            names += ", …" if len(others) >= _MOST_NAMED else ""
            lines.append(f"  and {counted(len(others), 'more image')} of this kind: {names}")
    return listing(lines)
