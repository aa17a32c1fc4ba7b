"""The place of the cache, which is a folder of the user."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return the path of the cache: `$XDG_CACHE_HOME/headstart`, or `~/.cache/headstart`.

    A container may run as a user without a home that can be written. The cache is then a folder of
    this user among the temporary files. The folder is not created.

    References:
        XDG Base Directory Specification.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base:
        return Path(base) / "headstart"
    try:
        folder = Path.home() / ".cache" / "headstart"
    except RuntimeError:  # Neither HOME nor the table of users names a home.
        return temporary_cache()
    return folder if _may_be_created(folder) else temporary_cache()


def is_cache_temporary() -> bool:
    """Return whether the cache is among the temporary files, for want of a home."""
    return cache_folder() == temporary_cache()


def temporary_cache() -> Path:
    """Return the folder of this user among the temporary files, for a cache without a home."""
    return Path(tempfile.gettempdir()) / f"headstart-cache-{os.getuid()}"


def _may_be_created(folder: Path) -> bool:
    """Return whether a folder exists or can be created, and can be written, as far as is known."""
    parent = existing_parent(folder)
    return parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)


def existing_parent(path: Path) -> Path:
    """Return the nearest folder above a path, or the path itself, that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
