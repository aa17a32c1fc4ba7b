"""The manifest of a sealed folder, and the comparison of the folder with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from headstart.errors import InputError
from headstart.formatting import enumeration

MANIFEST = "manifest.json"

# The entry of one file: `bytes`, `sha256`, perhaps `used_by`, and while it is replaced `next`.
Entry = dict[str, Any]


@dataclass(frozen=True)
class FileProblem:
    """A file of a sealed folder that is not as it was when the folder was sealed.

    Attributes:
        file: Its path, relative to the folder.
        kind: "manifest" stands for a damaged manifest: nothing is known about the other files.
        reason: What is wrong, in words that follow the name of the file.
        used_by: What needs the file, as given to `seal`.
    """

    file: str
    kind: Literal["missing", "unreadable", "size", "content", "manifest"]
    reason: str
    used_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file} {self.reason}"


class DamagedFile(InputError):
    """A file of a sealed folder that was damaged, altered or removed since it was written.

    The message names it, and the hint says what can still be used.

    Args:
        folder: The sealed folder.
        problem: What is wrong with the file.
    """

    def __init__(self, folder: Path, problem: FileProblem) -> None:
        self.folder, self.problem = folder, problem
        super().__init__(
            f"{folder / problem.file} is damaged: it {problem.reason}.",
            f"{_describe_what_works(folder, problem)}Restore the file from a copy, or run the "
            "command again with another --out. Nothing was overwritten.",
        )

    def __reduce__(self) -> tuple[type[DamagedFile], tuple[Path, FileProblem]]:
        return type(self), (self.folder, self.problem)


def find_problems(folder: Path, use: str | None = None) -> tuple[FileProblem, ...]:
    """Compare the files of a sealed folder with its seal.

    Args:
        folder: The folder.
        use: Compare only the files that this use needs, as given to `seal`; None for all.

    Returns:
        One problem for each file that is missing or has changed; none if all are as they were
        sealed, or the folder has no seal (see `is_sealed`).
    """
    try:
        manifest = read_manifest(folder)
    except DamagedFile as error:
        return (error.problem,)
    problems: list[FileProblem] = []
    for name, entry in (manifest or {}).items():
        if use is not None and use not in entry.get("used_by", ()):
            continue
        problem = _check_file(folder, name, entry)
        if problem is not None:
            problems.append(problem)
        elif Path(name).name == MANIFEST:
            inner = Path(name).parent
            for nested in find_problems(folder / inner, use):
                problems.append(replace(nested, file=str(inner / nested.file)))
    return tuple(problems)


def make_entry(content: bytes, used_by: Collection[str]) -> Entry:
    """Return the entry of a file with this content."""
    entry: Entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {**entry, "used_by": list(used_by)} if used_by else entry


def read_manifest(folder: Path) -> dict[str, Entry] | None:
    """Return the manifest of a folder; None if it has none.

    Raises:
        DamagedFile: It cannot be read, or is not a manifest.
    """
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = FileProblem(MANIFEST, "manifest", f"cannot be read ({error.strerror})")
        raise DamagedFile(folder, problem) from error
    try:
        manifest: dict[str, Entry] = json.loads(text)
        if not manifest:
            raise ValueError("no file is listed")
        for name, entry in manifest.items():
            _require_entry(name, entry)
            if "next" in entry:
                _require_entry(name, entry["next"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        problem = FileProblem(MANIFEST, "manifest", "does not list files with their SHA-256")
        raise DamagedFile(folder, problem) from error
    return manifest


def _require_entry(name: str, entry: Entry) -> None:
    """Raise an exception unless an entry of a manifest has its values."""
    # Not with Path: a list of 1,000 runs reads 22,000 names.
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError("a manifest cannot point outside its folder")
    if not isinstance(entry["bytes"], int) or not isinstance(entry["sha256"], str):
        raise TypeError("invalid size or digest")
    if not all(isinstance(use, str) for use in entry.get("used_by", [])):
        raise TypeError("invalid uses")


def _check_file(folder: Path, name: str, entry: Entry) -> FileProblem | None:
    path = folder / name
    try:
        size = path.stat().st_size
        if size not in _accepted(entry, "bytes"):
            return _other_size(name, entry, size)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return unreadable(name, entry, error)
    return None if digest in _accepted(entry, "sha256") else _other_content(name, entry)


def check_content(name: str, entry: Entry, content: bytes) -> FileProblem | None:
    """Return what is wrong with the content of a file; None if it is as it was sealed."""
    if len(content) not in _accepted(entry, "bytes"):
        return _other_size(name, entry, len(content))
    digest = hashlib.sha256(content).hexdigest()
    return None if digest in _accepted(entry, "sha256") else _other_content(name, entry)


def _accepted(entry: Entry, key: str) -> tuple[object, ...]:
    """Return the values that a file may have: two while it is replaced."""
    return (entry[key], entry["next"][key]) if "next" in entry else (entry[key],)


def unreadable(name: str, entry: Entry, error: OSError) -> FileProblem:
    """Return the problem of a file that is missing or cannot be read."""
    used_by = tuple(entry.get("used_by", ()))
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileProblem(name, "missing", "is missing", used_by)
    return FileProblem(name, "unreadable", f"cannot be read ({error.strerror})", used_by)


def _other_size(name: str, entry: Entry, size: int) -> FileProblem:
    reason = f"has {size:,} bytes, not {entry['bytes']:,}"
    return FileProblem(name, "size", reason, tuple(entry.get("used_by", ())))


def _other_content(name: str, entry: Entry) -> FileProblem:
    reason = "has changed since it was written (SHA-256)"
    return FileProblem(name, "content", reason, tuple(entry.get("used_by", ())))


def _describe_what_works(folder: Path, problem: FileProblem) -> str:
    """Return a sentence about what the intact files of a folder still serve; "" if unknown."""
    if problem.kind == "manifest":
        return ""
    lost: set[str] = set()
    for damaged in find_problems(folder):
        lost.update(damaged.used_by)
    kept: dict[str, None] = {}  # in the order of the manifest
    for entry in (read_manifest(folder) or {}).values():
        kept.update(dict.fromkeys(use for use in entry.get("used_by", ()) if use not in lost))
    return f"Its {enumeration(list(kept))} still work. " if kept else ""
