"""Temporary files and folders, which their process holds locked for as long as it lives.

The lock tells what a killed process left behind from what another process is filling. A clock does
not: it may jump, and a decode may take days.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path

_NAME = re.compile(r"\..+\.[a-z0-9_]{8}")  # names that `tempfile` makes from our prefixes


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create an empty folder for files that nobody needs after the block, and remove it then.

    Args:
        parent: The folder to create it in, such as one that is thrown away if the process is
            killed. None for that of the temporary files of the system.

    Raises:
        OSError: The folder cannot be created.
    """
    prefix = "files." if parent is not None else "headstart-"
    with tempfile.TemporaryDirectory(dir=parent, prefix=prefix) as folder:
        yield Path(folder)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Create an empty folder beside `path` for the block, and remove what is left of it.

    The block may rename the folder.
    """
    handle = None
    while handle is None:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        handle = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


@contextmanager
def temporary_file(path: Path) -> Iterator[tuple[BufferedWriter, Path]]:
    """Create an empty file beside `path` for the block, and remove it if it is still there.

    Files that killed processes have left in this way, for the same `path`, are removed too: nothing
    else looks into a folder of the user.

    Yields:
        The open file, and its path. The block may rename it.
    """
    _clear_debris_of(path)
    handle = None
    while handle is None:
        created, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary, handle = Path(name), _lock(Path(name))
        if handle is None:
            os.close(created)
    try:
        with os.fdopen(created, "wb") as file:
            yield file, temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def has_debris(folder: Path) -> bool:
    """Return whether a folder holds temporary files or folders, of living processes or not."""
    return folder.is_dir() and any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def list_debris(folder: Path) -> list[Path]:
    """List the temporary files and folders that killed processes left in a folder."""
    if not folder.is_dir():
        return []
    names = [path for path in sorted(folder.iterdir()) if _NAME.fullmatch(path.name)]
    return [path for path in names if not _is_locked(path)]


def _is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock of a file or folder, or nobody can know."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def clear_debris(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder.

    Those of living processes stay. On a file system without locks, all stay.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name):
            _remove_unlocked(path)


def _clear_debris_of(path: Path) -> None:
    """Remove the temporary files of one path that killed processes left beside it."""
    for name in os.listdir(path.parent):  # noqa: PTH208  # most folders hold many other files
        if name.startswith(f".{path.name}.") and _NAME.fullmatch(name):
            _remove_unlocked(path.with_name(name))


def _remove_unlocked(path: Path) -> None:
    """Remove a temporary file or folder unless a living process holds its lock."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(handle)


def _lock(path: Path) -> int | None:
    """Lock a new file or folder; None if another process took it for debris and removes it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.path.samestat(os.fstat(handle), path.stat())
    except (BlockingIOError, FileNotFoundError):
        is_ours = False
    except OSError:
        is_ours = True  # Without locks, nobody removes it.
    if is_ours:
        return handle
    os.close(handle)
    return None
