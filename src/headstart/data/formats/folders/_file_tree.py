"""The files below a folder, listed in one pass and in a fixed order."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from headstart import store
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.folders._clutter import (
    LeftOut,
    is_clutter,
    is_tool_output,
    some_names,
)
from headstart.data.formats.images._open_image import IMAGE_SUFFIXES
from headstart.errors import InputError
from headstart.formatting import counted

SUFFIXES_TEXT = ", ".join(sorted(IMAGE_SUFFIXES))
_SUFFIXES = tuple(sorted(IMAGE_SUFFIXES))


class UnreadableFolder(InputError):
    """A folder cannot be listed."""


@dataclass(eq=False)
class Folder:
    """A folder and everything below it, without what is never data.

    Attributes:
        path: The folder.
        prefix: Its path below the folder where the walk began, such as "train/cats/". Empty for
            that folder.
        folders: The folders in it, sorted by name.
        images: Names of the image files directly in it, sorted.
        others: Names of the other files directly in it, sorted.
        image_count: Number of images at any depth.
    """

    path: Path
    prefix: str
    folders: list[Folder] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    image_count: int = 0

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    def walk_images(self) -> Iterator[str]:
        """Yield the images at any depth, with `prefix`. Files and folders are sorted together."""
        entries: list[tuple[str, Folder | None]] = [(name, None) for name in self.images]
        entries += [(folder.name, folder) for folder in self.folders]
        entries.sort(key=lambda entry: entry[0])
        for name, folder in entries:
            if folder is None:
                yield self.prefix + name
            else:
                yield from folder.walk_images()

    def walk_others(self) -> Iterator[str]:
        """Yield the files at any depth that are not images, with `prefix`."""
        for name in self.others:
            yield self.prefix + name
        for folder in self.folders:
            yield from folder.walk_others()

    def describe(self) -> str:
        """Describe the files at any depth, such as "3 .txt files, 1 .pdf file"."""
        return describe_kinds([*self.walk_images(), *self.walk_others()]) or "nothing"


def scan_folder(path: Path, *, skip_bad: bool = False) -> Folder:
    """List everything below a folder, and print what was left out.

    Links are followed, except a link to a folder that contains it. Hidden and system files, and
    folders that Headstart or an experiment tracker wrote, are left out.

    Args:
        path: The folder.
        skip_bad: Whether links to nothing are left out instead of raising an error.

    Raises:
        InputError: A folder cannot be read, is itself written by Headstart, or an image is a link
            to nothing.
    """
    left_out = LeftOut()
    with translate_read_errors(path):
        root = _scan(path, "", frozenset(), left_out)

    if store.is_own_folder(root.others):
        raise InputError(
            f"{path} is a run or a study of Headstart, not data.",
            "Pass the data that it was made from.",
        )
    _require_readable(path, left_out, skip_bad)
    left_out.say(str(path))
    return root


def _scan(
    path: Path, prefix: str, ancestors: frozenset[tuple[int, int]], left_out: LeftOut
) -> Folder:
    """List a folder and those below it.

    Args:
        path: The folder.
        prefix: Its path below the first folder, with a slash at the end.
        ancestors: Device and inode of the folders above it.
        left_out: What was left out is added here.
    """
    stat = path.stat()
    ancestors |= {(stat.st_dev, stat.st_ino)}
    folder = Folder(path, prefix)
    own_before, tools_before = len(left_out.own), len(left_out.tools)

    with os.scandir(path) as entries:
        sorted_entries = sorted(entries, key=lambda entry: entry.name)
    for entry in sorted_entries:
        name = entry.name
        if _is_folder(entry):
            if is_clutter(name):
                left_out.hidden_folders[name] += 1
                continue
            child = _scan_child(path / name, f"{prefix}{name}/", ancestors, left_out)
            if child is not None:
                folder.folders.append(child)
                folder.image_count += child.image_count
        elif is_clutter(name):
            left_out.hidden_files[name] += 1
        else:
            _add_file(folder, entry, left_out)

    folder.image_count += len(folder.images)
    if prefix and folder.image_count == 0:  # It may hold outputs only, as `runs` does.
        for paths, before in ((left_out.own, own_before), (left_out.tools, tools_before)):
            if len(paths) > before:
                paths[before:] = [prefix.rstrip("/")]
    return folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle, or a folder that may not be entered
        return False


def _scan_child(
    path: Path, prefix: str, ancestors: frozenset[tuple[int, int]], left_out: LeftOut
) -> Folder | None:
    """List a folder in another one, or return None if it is left out."""
    name = prefix.rstrip("/")
    own_before, tools_before = len(left_out.own), len(left_out.tools)
    try:
        stat = path.stat()
        if (stat.st_dev, stat.st_ino) in ancestors:
            left_out.loops.append(name)
            return None
        folder = _scan(path, prefix, ancestors, left_out)
    except OSError as error:
        left_out.unreadable.append(f"{name} ({error.strerror or error})")
        return None

    if name in left_out.own[own_before:] or name in left_out.tools[tools_before:]:
        return None
    contents = [*folder.others, *(child.name for child in folder.folders)]
    if store.is_own_folder(folder.others):
        del left_out.own[own_before:]
        left_out.own.append(name)
        return None
    if is_tool_output(folder.name, contents, bool(folder.images)):
        left_out.tools.append(name)
        return None
    return folder


def _add_file(folder: Folder, entry: os.DirEntry[str], left_out: LeftOut) -> None:
    """Add a file to its folder, if it is one."""
    is_image_name = is_image(entry.name)
    try:
        is_file = entry.is_file()
    except OSError:
        is_file = False
    if is_file:
        names = folder.images if is_image_name else folder.others
        names.append(entry.name)
    elif not entry.is_symlink() or store.special_kind(folder.path / entry.name):
        left_out.special.append(folder.prefix + entry.name)
    elif is_image_name:
        left_out.broken_links.append(folder.prefix + entry.name)
    else:
        left_out.other_broken_links.append(folder.prefix + entry.name)


def _require_readable(path: Path, left_out: LeftOut, skip_bad: bool) -> None:
    if left_out.unreadable:
        raise InputError(
            f"{counted(len(left_out.unreadable), 'folder')} in {path} cannot be read: "
            f"{some_names(left_out.unreadable)}.",
            "Restore the permission to read them, or move them elsewhere.",
        )
    if left_out.broken_links and not skip_bad:
        raise InputError(
            f"{counted(len(left_out.broken_links), 'image')} in {path} cannot be used, because "
            f"the target of the link is missing: {some_names(left_out.broken_links)}.",
            "Restore the targets, or remove the links.",
        )


def visible_paths(folder: Path) -> list[Path]:
    """List the files and folders directly in a folder, sorted by name, without hidden ones.

    Raises:
        UnreadableFolder: The folder cannot be listed.
    """
    try:
        with translate_read_errors(folder):
            names = sorted(os.listdir(folder))  # noqa: PTH208  # sorting paths takes three times as long
    except InputError as error:
        raise UnreadableFolder(error.message, error.hint) from error
    return [folder / name for name in names if not is_clutter(name)]


def folders_in(folder: Path) -> list[Path]:
    """List the visible folders directly in a folder, sorted by name."""
    return [path for path in visible_paths(folder) if path.is_dir()]


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the visible files below a folder, at any depth. Links to folders are not followed."""
    for path in visible_paths(folder):
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path)
        elif path.is_file():
            yield path


def describe_contents(folder: Path) -> str:
    """Describe the visible files below a folder, such as "3 .txt files, 1 .pdf file"."""
    return describe_kinds(files_below(folder)) or "nothing"


def list_images(folder: Path) -> list[Path]:
    """List the image files below a folder, at any depth, sorted by path.

    Hidden and system files, and folders that Headstart wrote, are left out. See `scan_folder`.

    Args:
        folder: The folder.

    Raises:
        InputError: The folder holds no image, or a folder cannot be read.
    """
    tree = scan_folder(folder)
    if not tree.image_count:
        raise InputError(
            f"{folder} holds no images: it has {tree.describe()}.",
            f"Read as images: {SUFFIXES_TEXT}.",
        )
    return [folder / name for name in tree.walk_images()]


def is_image(name: str | PurePath) -> bool:
    """Return whether a file's name ends like that of an image."""
    return str(name).lower().endswith(_SUFFIXES)


def describe_kinds(paths: Iterable[str | PurePath]) -> str:
    """Count files by their suffix, and return the four most common, such as "3 .txt files"."""
    suffixes = (PurePath(path).suffix.lower() for path in paths)
    kinds = Counter(suffix or "nameless" for suffix in suffixes)
    return ", ".join(
        f"{count:,} {kind} file{'s' * (count > 1)}" for kind, count in kinds.most_common(4)
    )
