"""Sealed folders: a file that was damaged or altered is refused before it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from headstart import progress
from headstart.store._files import remove_file, write_bytes, write_json
from headstart.store._limits import LARGEST_TABLE_BYTES, read_file
from headstart.store._manifest import (
    MANIFEST,
    DamagedFile,
    Entry,
    check_content,
    find_problems,
    make_entry,
    read_manifest,
    unreadable,
)


def seal(
    folder: Path,
    used_by: Mapping[str, Collection[str]] | None = None,
    *,
    final: tuple[str, bytes] | None = None,
) -> None:
    """Write `manifest.json` with the size in bytes and the SHA-256 of files in a folder.

    Call it once, after everything else was written. From then on `read_json`, `read_verified` and
    `verified_content` refuse a file of the folder that has changed, and `find_problems` lists all
    of them. Whoever changes a sealed file uses `replace_sealed` or `remove_sealed`.

    A folder of folders, such as an ensemble or a study, is sealed from the inside out: the seal of
    the outer folder lists the manifests of the inner ones, such as `members/0/manifest.json`.
    `find_problems` then looks into them as well.

    Args:
        folder: The folder.
        used_by: The files, as paths relative to the folder, and what needs each of them: plural
            nouns such as "predictions". Messages about damage say with these words what still
            works. Files that do not exist are left out. None for all files directly in the folder.
        final: Name and content of the file whose presence says that the folder is complete. It is
            part of the seal, and written after it. So a folder that looks complete is sealed,
            whenever the process was killed.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    if used_by is None:
        used_by = {path.name: () for path in folder.iterdir() if path.is_file()}
    manifest: dict[str, Entry] = {}
    for name in sorted(used_by):
        if final is not None and name == final[0]:
            manifest[name] = make_entry(final[1], used_by[name])
        elif name != MANIFEST and (folder / name).is_file():
            manifest[name] = make_entry((folder / name).read_bytes(), used_by[name])
    if final is not None and final[0] not in manifest:
        manifest[final[0]] = make_entry(final[1], ())

    write_json(folder / MANIFEST, manifest)
    if final is not None:
        write_bytes(folder / final[0], final[1])


def unseal(folder: Path) -> None:
    """Remove the seal of a folder that is about to be filled again, such as an unfinished run."""
    remove_file(folder / MANIFEST)


def is_sealed(folder: Path) -> bool:
    """Return whether a folder has a seal, intact or not. Folders of earlier versions have none."""
    return (folder / MANIFEST).exists()


def replace_sealed(path: Path, content: bytes) -> None:
    """Replace a file, and keep the seal of its folder true whenever the process is killed.

    Raises:
        InputError: The manifest is damaged.
        ResourceError: The disk is full, or writing is not permitted.
    """
    manifest = read_manifest(path.parent)
    if manifest is None or path.name not in manifest:
        write_bytes(path, content)
        return
    used_by = manifest[path.name].get("used_by", ())
    new = make_entry(content, used_by)
    manifest[path.name]["next"] = new  # until the file is replaced, both contents are right
    write_json(path.parent / MANIFEST, manifest)
    write_bytes(path, content)
    manifest[path.name] = new
    write_json(path.parent / MANIFEST, manifest)


def remove_sealed(folder: Path, names: Collection[str]) -> None:
    """Remove files from a folder, and from its seal if it has one.

    Raises:
        InputError: The manifest is damaged.
        ResourceError: Writing is not permitted.
    """
    manifest = read_manifest(folder)
    if manifest is not None and not manifest.keys().isdisjoint(names):
        kept = {name: entry for name, entry in manifest.items() if name not in names}
        write_json(folder / MANIFEST, kept)
    for name in names:
        remove_file(folder / name)


def find_damage(folder: Path) -> str | None:
    """Describe the first damage of a folder that must have a seal, in a few words.

    Returns:
        The description, or None when every file is as it was sealed.
    """
    if not is_sealed(folder):
        return f"{MANIFEST} is missing"
    problems = find_problems(folder)
    return str(problems[0]) if problems else None


def require_intact(folder: Path, use: str | None = None) -> None:
    """Raise an error about the first file of a sealed folder that has changed or is missing.

    Args:
        folder: The folder. Without a seal, nothing is checked.
        use: Check only the files that this use needs, as given to `seal`; None for all.

    Raises:
        DamagedFile: There is such a file.
    """
    problems = find_problems(folder, use)
    if problems:
        raise DamagedFile(folder, problems[0])


def note_if_unsealed(folder: Path) -> None:
    """Print a line about a finished folder of an earlier version, which has no seal."""
    if not is_sealed(folder):
        progress.say(
            f"{folder} has no seal, as it was written by an earlier version of Headstart: damage "
            "to its files cannot be detected."
        )


def read_verified(path: Path, limit: int = LARGEST_TABLE_BYTES) -> bytes:
    """Return the content of a file, verified if its folder is sealed.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Raises:
        DamagedFile: The file is not as it was sealed, or it is missing.
        OSError: A file without a seal cannot be read.
    """
    manifest = read_manifest(path.parent)
    if manifest is None or path.name not in manifest:
        return read_file(path, limit)
    try:
        content = read_file(path, limit)
    except OSError as error:
        raise DamagedFile(path.parent, unreadable(path.name, manifest[path.name], error)) from None
    problem = check_content(path.name, manifest[path.name], content)
    if problem is not None:
        raise DamagedFile(path.parent, problem)
    return content


@contextmanager
def verified_content(path: Path, limit: int = LARGEST_TABLE_BYTES) -> Iterator[bytes]:
    """Read a large file, and verify it while the block uses its content.

    Nothing that the block has made may be used if it ends with an exception.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Yields:
        The content of the file.

    Raises:
        DamagedFile: The file is not as it was sealed, or it is missing. It replaces an exception of
            the block.
        OSError: A file without a seal cannot be read.
    """
    manifest = read_manifest(path.parent)
    if manifest is None or path.name not in manifest:
        yield read_file(path, limit)
        return
    try:
        content = read_file(path, limit)
    except OSError as error:
        raise DamagedFile(path.parent, unreadable(path.name, manifest[path.name], error)) from None
    with ThreadPoolExecutor(1) as hashing:
        check = hashing.submit(check_content, path.name, manifest[path.name], content)
        try:
            yield content
        finally:
            problem = check.result()
            if problem is not None:
                raise DamagedFile(path.parent, problem)
