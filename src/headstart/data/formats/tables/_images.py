"""The image files that a table names, as people write such names.

A name may lack its suffix or leading zeros, use the separators of Windows, differ from the file in
case or Unicode normal form, have %20 in place of blanks, begin with folders of another machine, or
name a file in a folder of images near the table.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

from headstart import progress
from headstart.data.formats._unsupported_files import ARCHIVE_NAME
from headstart.data.formats.folders._clutter import is_clutter
from headstart.data.formats.folders._file_tree import is_image, visible_paths
from headstart.data.formats.tables._problems import TableProblems
from headstart.formatting import first_names

_MISSING = "files are missing"
# Base64 of a PNG, JPEG or GIF, a data URL, and bytes as Python prints them.
_IMAGE_TEXT = re.compile(
    r"(iVBORw0KGgo|/9j/[A-Za-z0-9+/]{8}|R0lGOD[A-Za-z0-9+/]{8})|data:image/"
    r"|b['\"](\\x89PNG|\\xff\\xd8|GIF8)"
)
_EMBEDDED = (
    "expected the path of an image, got the image itself as text (base64 or bytes)",
    "Write each image to a file, and its path to the table.",
)
_MOST_FOLDERS = 10_000  # folders below that of the table that are searched
_NEAR_DEPTH = 2
_FAR_DEPTH = 4  # train/0/1/2/ of Google Landmarks, and one more
_ANCESTORS = 2
_IMAGE_WORD = re.compile(
    r"images?|imgs?|jpegimages|photos?|pictures?|pics?|jpe?gs?|pngs?|train(ing)?|test(ing)?"
    r"|val(id(ation)?)?|data(set)?|input|files|raw|all|set|part"
)
_FOLDER_WORD = re.compile(r"images?|imgs?|photos?|pictures?|jpe?gs?|pngs?|part")
# Ids whose zeros a spreadsheet or pandas removed, or which became real numbers.
_LONGEST_NUMBER = 30  # digits
_NUMBER = re.compile(rf"(\d{{1,{_LONGEST_NUMBER}}})(\.0)?")
_ROUNDED = re.compile(r"\d[.,]?\d*E\+\d+")
# What the name of a table says besides the folder that its images are in.
_TABLE_WORD = re.compile(
    r"labels?|meta(data)?|annotations?|lists?|data|info|classes|ground ?truth|csvs?|tables?|df"
    r"|index|images?|splits?|files?"
)


@dataclass(frozen=True)
class _Names:
    """The names in one folder, by their form without case.

    Attributes:
        files: Names of files by their folded name.
        stems: Names of image files by their folded name without the suffix.
        numbered: Names of image files by the number that they are, such as 7 for 0007.png.
        folders: Names of folders by their folded name.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)
    numbered: dict[int, list[str]] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Match:
    """The files that a name may stand for, and whether folders of the name were dropped."""

    files: tuple[Path, ...]
    is_shortened: bool = False


def find_images(
    finder: ImageFinder, names: Sequence[str], lines: Sequence[int], problems: TableProblems
) -> list[str]:
    """Find the image file of each name.

    A name that is a path from the folder of the table stays as it is. All others are looked up,
    and a line on stderr counts them. A missing file, and a name that matches several, is a problem.

    Args:
        finder: Look-ups near the table, whose folder names are relative to.
        names: N names as written, without blanks around them.
        lines: Line number of each.
        problems: Where problems are added.

    Returns:
        N paths with forward slashes, relative to the folder of the table where they lie near it.
    """
    table = finder.table
    missing_before = problems.count
    paths: list[str] = []
    first_name_of: dict[str, tuple[str, bool]] = {}
    looked_up: dict[str, str] = {}
    for line, name in zip(lines, names, strict=True):
        if holds_image(name):
            problems.add(line, *_EMBEDDED, _MISSING)
            paths.append(name)
            continue
        if (table.parent / name.removeprefix("file://")).is_file():
            paths.append(name.removeprefix("file://"))
            continue
        match = finder.find(name)
        if len(match.files) != 1:
            problems.add(line, *_problem(table, name, match, finder), _MISSING)
            paths.append(name)
            continue

        path = os.path.relpath(match.files[0], table.parent).replace(os.sep, "/")
        other, is_shortened = first_name_of.setdefault(path, (name, match.is_shortened))
        is_number = _NUMBER.fullmatch(name) is not None
        if other != name and (is_shortened or match.is_shortened or is_number):
            problems.add(
                line,
                f"'{name}' and '{other}' do not exist, and both would be {path}",
                _relative_hint(table),
                _MISSING,
            )
        looked_up.setdefault(name, path)
        paths.append(path)

    if looked_up and problems.count == missing_before:
        name, path = next(iter(looked_up.items()))
        images = "1 image was" if len(looked_up) == 1 else f"{len(looked_up):,} images were"
        progress.say(
            f"{table.name}: {images} found by another path than the written one; "
            f"for example, '{name}' is {path}"
        )
    return paths


def holds_image(text: str) -> bool:
    """Return whether a text is not the name of an image, but the image itself."""
    return _IMAGE_TEXT.match(text) is not None


class ImageFinder:
    """Look-ups in the folders near one table. Each folder is listed once.

    Args:
        table: The table.
    """

    def __init__(self, table: Path) -> None:
        self.table = table
        self._folder = table.parent
        self._key = _folder_key(re.sub(r"\..*$", "", table.name), _TABLE_WORD)
        self._names: dict[Path, _Names] = {}
        self._tiers: list[list[Path]] | None = None

    def finds(self, name: str) -> bool:
        """Return whether a name leads to an image file."""
        if holds_image(name):
            return True
        return (self._folder / name).is_file() or bool(self.find(name).files)

    def find(self, name: str) -> _Match:
        """Find the files that a name may stand for. The nearest place that has any decides."""
        match = self._find(name.removeprefix("file://"))
        if not match.files and "%" in name:
            return self._find(unquote(name.removeprefix("file://")))
        return match

    def _find(self, name: str) -> _Match:
        if "://" in name:
            return _Match(())
        parts = _parts_of(name)
        if not parts:
            return _Match(())

        places = [[self._folder]]
        if len(parts) > 1:
            places += [[parent] for parent in list(self._folder.parents)[:_ANCESTORS]]
        for folders in (*places, *self._near_folders()):
            files = self._matches(folders, parts)
            if files:
                return _Match(files)

        for start in range(1, len(parts)):
            if ".." not in parts and self._subfolders(self._folder, parts[:start]):
                break  # The written folder is here, so the file itself is missing.
            for folders in ([self._folder], *self._near_folders()):
                files = self._matches(folders, parts[start:])
                if files:
                    return _Match(files, is_shortened=True)
        return _Match(())

    def searched(self) -> list[str]:
        """Return the names of the folders of images that were searched besides the table's own."""
        folders = list(chain.from_iterable(self._near_folders()[:2]))
        return [os.path.relpath(folder, self._folder) for folder in folders]

    def _matches(self, folders: Sequence[Path], parts: Sequence[str]) -> tuple[Path, ...]:
        """Return the files with this path in any of the folders, in any case and suffix."""
        files: list[Path] = []
        for folder in folders:
            for parent in self._subfolders(folder, parts[:-1]):
                names = self._list(parent)
                files += [parent / name for name in _files_named(names, parts[-1])]
        return tuple(dict.fromkeys(files))

    def _subfolders(self, folder: Path, parts: Sequence[str]) -> list[Path]:
        folders = [folder]
        for part in parts:
            below: list[Path] = []
            for parent in folders:
                if part == "..":
                    below.append(parent.parent)
                else:
                    children = self._list(parent).folders.get(_fold(part), [])
                    below += [parent / child for child in _exact_first(children, part)]
            folders = below
        return folders

    def _near_folders(self) -> list[list[Path]]:
        """Return the folders near the table in tiers, the most likely first.

        These are folders that are named like the table, other folders with a usual name for images,
        those beside a folder such as annotations/, all other folders near the table, and at last
        those far below it.
        """
        if self._tiers is None:
            below = self._folders_below(self._folder, _NEAR_DEPTH)
            alike = [folder for folder in below if self._key and _key_of(folder) == self._key]
            usual = [folder for folder in below if _is_usual(folder) and folder not in alike]
            beside: list[Path] = []
            if not _folder_key(self._folder.name, _TABLE_WORD):
                siblings = self._folders_below(self._folder.parent, 1)
                beside = [folder for folder in siblings if _is_usual(folder)]
            others = sorted(set(below) - {*alike, *usual})
            far = sorted(set(self._folders_below(self._folder, _FAR_DEPTH)) - set(below))
            self._tiers = [tier for tier in (alike, usual, beside, others, far) if tier]
        return self._tiers

    def _folders_below(self, folder: Path, depth: int) -> list[Path]:
        folders: list[Path] = []
        level = [folder]
        for _ in range(depth):
            children: list[Path] = []
            for parent in level:
                if len(folders) + len(children) > _MOST_FOLDERS:
                    break
                for names in self._list(parent).folders.values():
                    children += [parent / name for name in names]
            folders += sorted(children)
            level = children
        return folders

    def _list(self, folder: Path) -> _Names:
        if folder not in self._names:
            self._names[folder] = _list_names(folder)
        return self._names[folder]


def _list_names(folder: Path) -> _Names:
    names = _Names()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return names
    for entry in entries:
        folded = _fold(entry.name)
        if is_clutter(entry.name):
            continue
        if entry.is_dir():
            names.folders.setdefault(folded, []).append(entry.name)
            continue
        names.files.setdefault(folded, []).append(entry.name)
        if is_image(entry.name):
            stem = Path(folded).stem
            names.stems.setdefault(stem, []).append(entry.name)
            if stem.isdecimal() and len(stem) <= _LONGEST_NUMBER:
                names.numbered.setdefault(int(stem), []).append(entry.name)
    return names


def _files_named(names: _Names, leaf: str) -> list[str]:
    """Return the files that a last part may stand for: as written, in another case or suffix."""
    folded = _fold(leaf)
    if folded in names.files:
        return _exact_first(names.files[folded], leaf)
    if is_image(leaf):
        folded = Path(folded).stem
    if folded in names.stems:
        return names.stems[folded]
    number = _NUMBER.fullmatch(folded)
    return [] if number is None else names.numbered.get(int(number[1]), [])


def _fold(name: str) -> str:
    """Return what spellings of one name share: macOS decomposes letters with accents."""
    return unicodedata.normalize("NFC", name).casefold()


def _exact_first(names: list[str], written: str) -> list[str]:
    """Return only the name as written if it exists, else all that differ from it in case."""
    return [written] if written in names else names


def _parts_of(name: str) -> list[str]:
    """Return the parts of a path with separators of any system, without a drive or root."""
    parts = re.split(r"[\\/]+", name)
    return [part for part in parts if part not in ("", ".") and not re.fullmatch("[A-Za-z]:", part)]


def _folder_key(name: str, words: re.Pattern[str]) -> str:
    """Return what is left of a name without numbers of parts, separators and certain words."""
    tokens = re.split(r"[^a-z0-9]+", name.lower())
    kept = [token for token in tokens if not words.fullmatch(token) and not token.isdigit()]
    return "".join(kept)


def _key_of(folder: Path) -> str:
    key = _folder_key(folder.name, _FOLDER_WORD)
    return re.sub(r"(images?|imgs?|photos?|pictures?)$", "", key)


def _is_usual(folder: Path) -> bool:
    tokens = re.split(r"[^a-z]+", folder.name.lower())
    return any(
        _IMAGE_WORD.fullmatch(token) or token.endswith(("images", "imgs", "photos"))
        for token in tokens
    )


def _problem(table: Path, name: str, match: _Match, finder: ImageFinder) -> tuple[str, str]:
    """Return what is wrong with a name, and what to do."""
    image = table.parent / name
    if match.files:
        files = [os.path.relpath(file, table.parent) for file in match.files]
        more = f" and {len(files) - 2:,} more" if len(files) > 2 else ""
        return (
            f"'{name}' matches {len(files):,} files: {files[0]} and {files[1]}{more}",
            "Write the path with its folder and suffix, or remove the other files.",
        )
    if "://" in name:
        return (
            f"{name} is a URL, and URLs are not downloaded",
            "Download the images first, and name their files.",
        )
    if image.is_dir():
        return (
            f"expected an image file, but {image} is a folder",
            "Write one line per image. Or pass the folder of the class folders instead of the CSV.",
        )
    if _ROUNDED.fullmatch(name):
        return (
            f"{name} does not exist: a spreadsheet rounded this id",
            "Export the table again, with the ids as text.",
        )
    return f"{image} does not exist", _relative_hint(table, finder.searched())


def _relative_hint(table: Path, searched: Sequence[str] = ()) -> str:
    hint = f"Paths are relative to the folder of the table, {table.parent}."
    if searched:
        names = ", ".join(searched[:4]) + (", …" if len(searched) > 4 else "")
        hint += f" These folders were searched as well: {names}."
    beside = sorted(path.name for path in visible_paths(table.parent))
    archives = [name for name in beside if ARCHIVE_NAME.search(name)]
    if archives:
        hint += f" If the images are in {first_names(archives, 2)}, unpack it there."
    return hint
