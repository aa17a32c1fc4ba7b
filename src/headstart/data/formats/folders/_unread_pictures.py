"""Pictures in class folders that are not read: refused where they are half of a class or more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from headstart.data.formats.folders._classes import ClassFolder
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._file_tree import describe_kinds
from headstart.data.formats.images._identify_file import identify_file
from headstart.data.formats.images._suffixes import USUAL_SUFFIXES, conversion_of
from headstart.errors import InputError

_FEWEST_UNREAD = 2  # One may be the draft of a drawing.


def require_most_pictures(root: Path, class_folders: Sequence[ClassFolder]) -> None:
    """Raise an error if at least half of the pictures of a class would not be read.

    Pictures are files of formats that are not read, and images with another suffix or without one.
    A file beside an image of the same name, such as a raw photo with its JPEG or a backup, is
    another form of that image.

    Args:
        root: The folder that the names of the files are relative to.
        class_folders: The classes, with their files.

    Raises:
        InputError: A class would lose half of its pictures or more.
    """
    for folder in class_folders:
        if len(folder.others) < max(_FEWEST_UNREAD, len(folder.images)):
            continue  # Their contents need not be read.
        stems = {PurePath(name).with_suffix("") for name in folder.images}
        stems.update(map(PurePath, folder.images))
        unread: list[str] = []
        advice = ""
        for name in folder.others:
            reading = None if PurePath(name).with_suffix("") in stems else _advise(root, name)
            if reading is not None:
                unread.append(name)
                advice = advice or reading
        if len(unread) >= max(_FEWEST_UNREAD, len(folder.images)):
            raise InputError(
                f"{len(unread):,} of {len(unread) + len(folder.images):,} pictures of the class "
                f"'{folder.class_name}' in {root} are not read: {describe_kinds(unread)} "
                f"({some_names(unread)}).",
                f"{advice} Or leave them out with --skip-bad.",
            )


def _advise(root: Path, name: str) -> str | None:
    """Return what to do with a picture that is not read, or None for any other file."""
    conversion = conversion_of(PurePath(name).suffix)
    if conversion is not None:
        return conversion
    kind = identify_file(root / name).name
    if kind not in USUAL_SUFFIXES:
        return None
    named = PurePath(name.partition("?")[0]).with_suffix(USUAL_SUFFIXES[kind]).name
    return f"Give each file its suffix: {PurePath(name).name} is {kind}, so name it {named}."
