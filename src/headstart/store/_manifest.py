"""Sealed folders: a manifest of what was written, so that damage is found before anything is used."""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import suppress
from pathlib import Path

from headstart.errors import InputError
from headstart.store._files import read_json, write_json

MANIFEST = "manifest.json"
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")  # the names that `tempfile` makes from our prefixes


def seal(folder: Path) -> None:
    """Write `manifest.json`: size in bytes and SHA-256 of every file in `folder`. The last thing before it is published."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    write_json(
        folder / MANIFEST,
        {path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)} for path in files},
    )


def find_damage(folder: Path) -> str | None:
    """What is wrong with a sealed folder, in a few words; None if every file is as it was sealed."""
    try:
        manifest = read_json(folder / MANIFEST)
    except InputError:
        return f"{MANIFEST} is missing or damaged"
    if not isinstance(manifest, dict) or not manifest:
        return f"{MANIFEST} is damaged"
    for name, facts in manifest.items():
        path = folder / Path(name).name
        try:
            if path.stat().st_size != facts["bytes"]:
                return f"{name} has {path.stat().st_size:,} bytes, not {facts['bytes']:,}"
            if _sha256(path) != facts["sha256"]:
                return f"{name} is not what was written (SHA-256)"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        except (KeyError, TypeError):
            return f"{MANIFEST} is damaged"
    return None


def clear_debris(folder: Path) -> None:
    """Remove what a killed process left half-written in `folder`. Only for the process that has claimed it."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
