"""Folders that are either complete or absent.

They are filled under a temporary name in the same folder, synced to disk and renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from headstart.store._cache_folder import cache_folder
from headstart.store._files import ensure_folder, sync_folder, sync_handle
from headstart.store._temporary import clear_debris, temporary_folder
from headstart.store._write_errors import translate_disk_full, translate_os_errors


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Create a folder that appears under its name only when the block succeeds.

    If `path` exists by then, because another process was faster, that folder stays.

    Yields:
        A temporary folder to fill. It is synced and renamed at the end. It is removed if the block
        raises an exception.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    ensure_folder(path.parent)
    clear_debris(path.parent)
    with ExitStack() as stack:
        with translate_os_errors(path):
            building = stack.enter_context(temporary_folder(path))
            building.chmod(0o755)
        with translate_disk_full(path):
            yield building
        with translate_os_errors(path):
            publish(building, path)


def clear_cache_debris() -> None:
    """Remove the temporary files and folders that killed processes left in the cache."""
    cache = cache_folder()
    if cache.is_dir():
        for folder in (cache, *cache.iterdir()):
            clear_debris(folder)


def publish(building: Path, path: Path) -> None:
    """Sync a folder to disk and rename it, unless `path` exists by then.

    It may have been filled by a process that was killed, whose temporary files are left out.
    """
    clear_debris(building)
    for file in building.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                sync_handle(handle.fileno())
    sync_folder(building)
    if not path.exists():
        building.rename(path)
        sync_folder(path.parent)


def link_folder(link: Path, folder: Path) -> Path:
    """Create a link to a folder, unless it exists.

    Returns:
        The link, or the folder itself on a file system without links.
    """
    ensure_folder(link.parent)
    try:
        link.symlink_to(os.path.relpath(folder, link.parent))
    except FileExistsError:
        return link
    except OSError:
        return folder
    return link


def copy_folder(old: Path, new: Path) -> None:
    """Copy a folder to `new`, which is complete or absent. Hidden files are not copied."""
    with new_folder(new) as building:
        shutil.copytree(old, building, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder.

    The folder is renamed first, so other processes never find a part of it under its name. The new
    name is synced before the content is removed, so a power loss does not leave a part either.
    """
    with translate_os_errors(path), temporary_folder(path) as hidden:
        path.rename(hidden / "removed")
        sync_folder(path.parent)


def replace_folder(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of `path`, within their parent, and remove the earlier one.

    Only two renames, one after the other, lie between the earlier folder and the new one.
    """
    with translate_os_errors(path), temporary_folder(path) as hidden:
        if path.exists():
            path.rename(hidden / "removed")
        new.rename(path)
        sync_folder(path.parent)


def rename(old: Path, new: Path) -> None:
    """Rename a file or folder within its parent, in one step that survives a crash."""
    with translate_os_errors(new):
        old.rename(new)
        sync_folder(new.parent)
