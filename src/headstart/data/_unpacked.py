"""Archives, unpacked once into the cache, and the paths of what is in them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from headstart import progress, store
from headstart.data._file_identity import identify_files
from headstart.data._fingerprints import content_key
from headstart.data.formats._archive_members import (
    BY_HAND,
    Member,
    damaged_archive,
    read_tar,
    read_zip,
    translate_archive_errors,
    zip_size,
)
from headstart.data.formats._unsupported_files import (
    ARCHIVE_NAME,
    ZIP,
    archive_kind,
    refuse_named_archive,
    refuse_office_document,
)
from headstart.data.formats.folders._file_tree import describe_contents, files_below, is_image
from headstart.errors import InputError

# A bound against archives that are made to fill a disk. ImageNet's 1.3 million files are beyond it.
# Its 138 GB are within `store.expansion_limit`.
MOST_MEMBERS = 500_000
_NAMES_VERSION = 2  # Raise this when members get other names.
_CHUNK_BYTES = 1 << 20
_SPACE_CHECK_BYTES = 256 << 20


class Located(NamedTuple):
    """A path that the user named, and where its content is.

    Attributes:
        named: The absolute path that the user named. It may lead into an archive.
        place: The file or folder that is read.
        archive: The archive, or None if there is none.
        unpacked: The folder that holds its members, or None.
    """

    named: Path
    place: Path
    archive: Path | None = None
    unpacked: Path | None = None


def locate(path: Path) -> Located | None:
    """Find what a path names: a file, a folder, an archive, or something inside an archive.

    An archive is unpacked into the cache, unless it was before.

    Returns:
        Where the content is. None if the path does not exist.

    Raises:
        InputError: The archive is damaged, encrypted, unsafe or too large, or holds no such path.
        ResourceError: The cache cannot be written.
    """
    if path.exists():
        if path.is_dir():
            return Located(path, path)
        if archive_kind(path) is None:
            refuse_named_archive(path)
            return Located(path, path)
        refuse_office_document(path)
        folder = unpack(path)
        return Located(path, _only_file_or_folder(folder, path), path, folder)

    for archive in path.parents:
        if archive.is_file() and archive_kind(archive) is not None:
            return _locate_inside(path, archive)
    return None


@contextmanager
def name_archive_in_errors(located: Located) -> Iterator[None]:
    """Replace the folder of the cache by the archive in errors and printed lines of the block."""
    try:
        if located.archive is None or located.unpacked is None:
            yield
            return
        with progress.renamed(str(located.unpacked), str(located.archive)):
            yield
    except InputError as error:
        if located.archive is None or located.unpacked is None:
            raise
        folder, archive = str(located.unpacked), str(located.archive)
        raise type(error)(
            error.message.replace(folder, archive), error.hint.replace(folder, archive)
        ) from error


def unpack(path: Path) -> Path:
    """Unpack an archive into the cache, and return the folder of its members.

    The members are found by the content of the archive, and appear completely or not at all. The
    folder that is returned leads to them and has the archive's name, so archives of equal content
    share their members.

    Raises:
        InputError: The archive is damaged, encrypted, unsafe or too large.
        ResourceError: The cache cannot be written.
    """
    target = store.cache_folder() / "unpacked" / f"{_content_key(path)}-{_NAMES_VERSION}"
    members = target / "members"

    if target.exists() and not _is_complete(target):
        progress.say(f"{target} is incomplete; unpacking {path.name} again")
        store.remove_folder(target)
    if not target.exists():
        with store.without_sync(), store.new_folder(target) as building:
            store.ensure_folder(building / members.name)
            count, size = _write_members(path, building / members.name)
            store.write_json(building / "members.json", {"files": count, "bytes": size})
        progress.say(f"{path.name}: unpacked {count:,} files, {size / 1e6:,.1f} MB, to the cache")

    name = ARCHIVE_NAME.sub("", path.name).strip(".") or path.name
    return store.link_folder(target / "named" / name, members)


def _content_key(path: Path) -> str:
    """Return the digest of an archive's content. It is read only if it may have changed."""
    identities = identify_files(path.parent, [path.name])
    index = store.cache_folder() / "archives" / f"{content_key(str(path))}.json"
    entry = store.read_json_or(index, {})
    is_known = entry.get("signature") == identities.signature
    if is_known and not identities.unreliable_file_system:
        return str(entry["key"])

    key = _hash_file(path, identities.sizes[0])
    if identities.are_reliable:
        entry = {"archive": str(path), "signature": identities.signature, "key": key}
        store.write_json(index, entry)
    return key


def _hash_file(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with progress.task(f"hashing {path.name}", size / 1e6, "MB") as task, path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
            task.advance(len(chunk) / 1e6)


def _is_complete(target: Path) -> bool:
    """Return whether all members still lie where they were unpacked."""
    expected = store.read_json_or(target / "members.json", None)
    sizes = [file.stat().st_size for file in (target / "members").rglob("*") if file.is_file()]
    return bool(expected == {"files": len(sizes), "bytes": sum(sizes)})


def _locate_inside(path: Path, archive: Path) -> Located:
    folder = unpack(archive)
    inside = folder / path.relative_to(archive)
    nested = locate(inside)
    if nested is None:
        raise InputError(
            f"{archive} holds no '{path.relative_to(archive)}': it has "
            f"{describe_contents(folder)}.",
            f"List its members: {_list_command(archive)}",
        )
    return Located(path, nested.place, archive, folder)


def _list_command(archive: Path) -> str:
    return f"unzip -l {archive}" if archive_kind(archive) == ZIP else f"tar -tf {archive}"


def _only_file_or_folder(folder: Path, archive: Path) -> Path:
    """Return the only file of an archive, such as the CSV in train.csv.zip, or else its folder."""
    files = []
    for file in files_below(folder):
        files.append(file)
        if len(files) > 1:
            break
    if not files:
        raise InputError(f"{archive} holds no files.", "Download it again.")

    only = files[0]
    if len(files) > 1 or is_image(only):
        return folder
    if archive_kind(only) is not None:
        raise InputError(
            f"{archive} holds nothing but another archive, {only.relative_to(folder)}.",
            f"Name that one: {archive / only.relative_to(folder)}",
        )
    progress.say(f"{archive.name}: reading its only file, {only.relative_to(folder)}")
    return only


def _write_members(path: Path, folder: Path) -> tuple[int, int]:
    """Write the members of an archive, and return their number and their bytes."""
    allowed = store.expansion_limit(path.stat().st_size)
    title = f"unpacking {path.name}"
    if archive_kind(path) == ZIP:
        count, size = zip_size(path)
        _require_bounds(path, count, size, allowed)
        store.require_space(folder, size)
        with progress.task(title, size / 1e6, "MB") as task, translate_archive_errors(path):
            writer = _Writer(path, folder, allowed, task)
            return writer.write_all(read_zip(path))

    with (
        progress.task(title, path.stat().st_size / 1e6, "MB") as task,
        path.open("rb") as raw,
        translate_archive_errors(path),
    ):
        writer = _Writer(path, folder, allowed, task, raw)
        return writer.write_all(read_tar(path, raw))


class _Writer:
    """Writes members below a folder, within bounds.

    Args:
        path: The archive.
        folder: An empty folder.
        allowed: The most bytes that the members may have.
        task: The progress of the work, in MB.
        raw: The open archive whose position is the progress. None to count the bytes written.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        allowed: int,
        task: progress.Task,
        raw: IO[bytes] | None = None,
    ) -> None:
        self._path, self._folder, self._allowed = path, folder, allowed
        self._task, self._raw = task, raw
        self._members, self._files, self._bytes, self._position = 0, 0, 0, 0

    def write_all(self, members: Iterator[Member]) -> tuple[int, int]:
        """Write the members, and return the number of files and of bytes."""
        for member in members:
            self._members += 1
            _require_bounds(self._path, self._members, self._bytes, self._allowed)
            if not member.parts:
                continue
            try:
                self._write(member)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise InputError(
                    f"{self._path} holds two members that would be one file here: "
                    f"'{'/'.join(member.parts)}' exists already, perhaps in another case.",
                    "Rename one of them, or unpack the archive yourself, and pass the folder.",
                ) from None
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                raise InputError(
                    f"{self._path} holds a name that is too long: "
                    f"'{'/'.join(member.parts)[:60]}…'.",
                    BY_HAND,
                ) from None
        return self._files, self._bytes

    def _write(self, member: Member) -> None:
        target = self._folder.joinpath(*member.parts)
        if member.content is None:
            target.mkdir(parents=True, exist_ok=True)
            return

        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with target.open("xb") as file:
            while True:
                chunk = member.content.read(_CHUNK_BYTES)
                if not chunk:
                    break
                self._count(len(chunk))
                written += len(chunk)
                file.write(chunk)
        if written != member.size:
            reason = f"'{'/'.join(member.parts)}' has {written:,} of {member.size:,} bytes"
            raise damaged_archive(self._path, reason)
        self._files += 1

    def _count(self, size: int) -> None:
        """Count bytes before they are written, and check the bounds and the free space."""
        before = self._bytes
        self._bytes += size
        _require_bounds(self._path, self._members, self._bytes, self._allowed)
        if before // _SPACE_CHECK_BYTES != self._bytes // _SPACE_CHECK_BYTES:
            store.require_space(self._folder, _SPACE_CHECK_BYTES)

        position = self._bytes if self._raw is None else self._raw.tell()
        self._task.advance((position - self._position) / 1e6)
        self._position = position


def _require_bounds(path: Path, count: int, size: int, allowed: int) -> None:
    if count > MOST_MEMBERS:
        raise InputError(
            f"{path} has too many members: expected at most {MOST_MEMBERS:,}, got "
            f"{count:,} or more.",
            BY_HAND,
        )
    if size > allowed:
        raise InputError(
            f"{path} expands to more than {allowed / 1e6:,.0f} MB, "
            f"{store.LARGEST_RATIO} times its own size, as do archives made to fill a disk.",
            BY_HAND,
        )
