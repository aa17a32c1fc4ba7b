"""The image files below a folder, in a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from headstart.data.formats._open_image import IMAGE_SUFFIXES
from headstart.data.formats._reading import translate_read_errors
from headstart.errors import InputError

# These are ignored, besides names that begin with a dot.
IGNORED_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
SUFFIXES_TEXT = ", ".join(sorted(IMAGE_SUFFIXES))


def list_images(folder: Path) -> list[Path]:
    """List the image files below a folder, at any depth, sorted by path.

    Names that begin with a dot are ignored.

    Raises:
        InputError: The folder holds no image, or a folder cannot be read.
    """
    images = [path for path in files_below(folder) if is_image(path)]
    if not images:
        raise InputError(
            f"{folder} holds no images: it has {describe_contents(folder)}.",
            f"Read as images: {SUFFIXES_TEXT}.",
        )
    return images


def is_image(path: Path) -> bool:
    """Return whether a file's name ends like that of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def visible_paths(folder: Path) -> list[Path]:
    """List the files and folders in a folder, sorted by name, without the ignored ones.

    Raises:
        InputError: The folder cannot be read.
    """
    with translate_read_errors(folder):
        paths = sorted(folder.iterdir())
    return [
        path
        for path in paths
        if not path.name.startswith(".") and path.name.lower() not in IGNORED_NAMES
    ]


def folders_in(folder: Path) -> list[Path]:
    """List the visible folders in a folder, sorted by name."""
    return [path for path in visible_paths(folder) if path.is_dir()]


def images_in(folder: Path) -> list[Path]:
    """List the image files directly in a folder, sorted by name."""
    return [path for path in visible_paths(folder) if is_image(path)]


def files_below(folder: Path, ancestors: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the visible files below a folder, at any depth.

    Links are followed, except a link to a folder that contains it.

    Args:
        folder: The folder.
        ancestors: Resolved paths of the folders above it that were entered.
    """
    resolved = folder.resolve()
    if resolved in ancestors:
        return
    for path in visible_paths(folder):
        if path.is_dir():
            yield from files_below(path, (*ancestors, resolved))
        else:
            yield path


def describe_contents(folder: Path) -> str:
    """Describe the files below a folder, such as "3 .txt files, 1 .pdf file"."""
    return describe_kinds(files_below(folder)) or "nothing"


def describe_kinds(paths: Iterable[Path]) -> str:
    """Count files by their suffix, and return the four most common, such as "3 .txt files"."""
    kinds = Counter(path.suffix.lower() or "nameless" for path in paths)
    return ", ".join(
        f"{count:,} {kind} file{'s' * (count > 1)}" for kind, count in kinds.most_common(4)
    )
