"""Notes of what is converted or guessed while images are read, printed as one line per kind."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple

from headstart import progress

_NAMED = 3


class NoteKind(NamedTuple):
    """One kind of note about an image. The text follows the names of the images.

    Attributes:
        of_one: Text about one image.
        of_many: Text about several images.
    """

    of_one: str
    of_many: str


SEVERAL_FRAMES = NoteKind(
    "has several frames or pages; the first is read",
    "have several frames or pages; the first of each is read",
)
HIDDEN_BY_ALPHA = NoteKind(
    "is transparent everywhere; its transparency is ignored",
    "are transparent everywhere; their transparency is ignored",
)
COLOUR_PROFILE = NoteKind(
    "has a colour profile other than sRGB; its colours were converted to sRGB",
    "have colour profiles other than sRGB; their colours were converted to sRGB",
)
REDUCED_SCALE = NoteKind(
    "has more pixels than the limit; it was decoded at a reduced scale",
    "have more pixels than the limit; they were decoded at a reduced scale",
)
UNREADABLE_METADATA = NoteKind(
    "has oversized or damaged metadata, which are ignored",
    "have oversized or damaged metadata, which are ignored",
)
BRIGHTER_THAN_SCALE = NoteKind(
    "has pixels above pixel_max; these became white",
    "have pixels above pixel_max; these became white",
)
WIDE_PIXELS = NoteKind(
    "has 16 bits or more per channel; they are scaled to 8",
    "have 16 bits or more per channel; they are scaled to 8",
)
VERY_LONG = NoteKind(
    "is more than 20 times as long as wide, so little of it is left; cut it into pieces, or try "
    "--resize squish",
    "are more than 20 times as long as wide, so little of them is left; cut them into pieces, or "
    "try --resize squish",
)
DARK_WIDE_PIXELS = NoteKind(
    "uses less than a sixteenth of its 16 bits per channel, so it is nearly black; nothing states "
    "another scale for it",
    "use less than a sixteenth of their 16 bits per channel, so they are nearly black; nothing "
    "states another scale for them",
)


def other_suffix(file_format: str) -> NoteKind:
    """Return the kind of images whose suffix belongs to another format."""
    return NoteKind(
        f"holds {file_format}, not what its suffix says; it is read as {file_format}",
        f"hold {file_format}, not what their suffixes say; they are read as {file_format}",
    )


class ReadingNotes:
    """Collects notes of the images that are read, in any thread."""

    def __init__(self) -> None:
        self._names: dict[NoteKind, set[str]] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> ImageNotes:
        """Return what takes the notes of the image with this name."""
        return ImageNotes(self, name)

    def add(self, kind: NoteKind, name: str) -> None:
        """Note one thing of one image. To note it again changes nothing."""
        with self._lock:
            self._names.setdefault(kind, set()).add(name)

    def say(self) -> None:
        """Print one line per kind of note."""
        for kind in sorted(self._names):
            progress.say(_line(kind, sorted(self._names[kind])))


@dataclass(frozen=True)
class ImageNotes:
    """Takes the notes of one image.

    Attributes:
        notes: The notes of all images.
        name: Name of the image, with its suffix.
    """

    notes: ReadingNotes
    name: str

    def add(self, kind: NoteKind) -> None:
        """Note one thing of the image."""
        self.notes.add(kind, self.name)


def _line(kind: NoteKind, names: list[str]) -> str:
    first, *others = names
    if not others:
        return f"{first} {kind.of_one}"
    examples = ", ".join(others[: _NAMED - 1])
    if len(others) >= _NAMED:
        examples += ", …"
    return f"{first} and {len(others):,} more ({examples}) {kind.of_many}"
