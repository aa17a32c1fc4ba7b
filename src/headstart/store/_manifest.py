"""Sealed folders, whose manifest reveals damage before a file is used."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from headstart.errors import InputError
from headstart.store._files import read_json, write_json

MANIFEST = "manifest.json"
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")  # names that `tempfile` makes from our prefixes


def seal(folder: Path) -> None:
    """Write `manifest.json` with the size in bytes and the SHA-256 of every file in a folder.

    Sealing is the last step before a folder is published.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file())
    manifest = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files
    }
    write_json(folder / MANIFEST, manifest)


def find_damage(folder: Path) -> str | None:
    """Describe the first damage of a sealed folder in a few words.

    Returns:
        The description, or None when every file is as it was sealed.
    """
    try:
        manifest = read_json(folder / MANIFEST)
    except InputError:
        return f"{MANIFEST} is missing or damaged"
    if not isinstance(manifest, dict) or not manifest:
        return f"{MANIFEST} is damaged"

    for name, entry in manifest.items():
        # Only the last part of the name counts: a manifest cannot point outside its folder.
        damage = _damage_of_file(folder / Path(name).name, name, entry)
        if damage is not None:
            return damage

    return None


def _damage_of_file(path: Path, name: str, entry: dict[str, Any]) -> str | None:
    try:
        size = path.stat().st_size
        if size != entry["bytes"]:
            return f"{name} has {size:,} bytes, not {entry['bytes']:,}"
        if _sha256(path) != entry["sha256"]:
            return f"{name} has changed since it was written (SHA-256)"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    except (KeyError, TypeError):
        return f"{MANIFEST} is damaged"

    return None


def clear_debris(folder: Path) -> None:
    """Remove the unfinished files and folders that a killed process left in a folder.

    Only the process that has claimed the folder may call this.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if not _TEMPORARY.fullmatch(path.name):
            continue
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
