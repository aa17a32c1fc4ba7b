"""Folders that several starts of a program may fill, one process at a time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from headstart.errors import ResourceError
from headstart.store._files import ensure_folder
from headstart.store._folders import publish, remove_folder
from headstart.store._locks import LOCK_FILE, LocksUnsupported, claim
from headstart.store._temporary import clear_debris, temporary_folder
from headstart.store._write_errors import translate_disk_full, translate_os_errors

_UNFINISHED_DAYS = 7  # Work that nobody resumed for so long is removed.


@contextmanager
def unfinished_folder(
    folder: Path, *, is_worth_keeping: Callable[[Path], bool], on_wait: Callable[[], None]
) -> Iterator[Path]:
    """Hold a folder that is filled over several starts, until `publish_folder` moves it.

    Another process that fills the same folder is waited for. On a file system without locks each
    process has a folder of its own, which it does not keep.

    Args:
        folder: The folder. It is created if necessary.
        is_worth_keeping: Whether the folder is kept if the block raises an exception. It is asked
            with the path of the folder. Otherwise the folder is removed.
        on_wait: Called once if another process holds the folder.

    Yields:
        The folder to fill.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    ensure_folder(folder.parent)
    clear_debris(folder.parent)
    _remove_abandoned(folder)
    try:
        with claim(folder, wait=True, on_wait=on_wait):
            own = folder.stat()
            try:
                with translate_disk_full(folder):
                    yield folder
            except BaseException:
                if not is_worth_keeping(folder):
                    _remove_same(folder, own)
                raise
            _remove_same(folder, own)
    except LocksUnsupported:
        with ExitStack() as stack:
            with translate_os_errors(folder):
                private = stack.enter_context(temporary_folder(folder))
                private.chmod(0o755)
            with translate_disk_full(folder):
                yield private


def publish_folder(filled: Path, path: Path, *, replace: bool = False) -> None:
    """Sync a filled folder and move it to `path`, in one step.

    Args:
        filled: The folder, on the same file system as `path`.
        path: Its name from now on. If it exists, because another process was faster, it stays.
        replace: Whether an existing folder is replaced instead. Processes that have its files open
            keep them.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    ensure_folder(path.parent)
    with translate_os_errors(path):
        if replace and path.exists():
            remove_folder(path)
        publish(filled, path)
        # Not before: a process that finds the folder without its lock would claim it, and lose it.
        (path / LOCK_FILE).unlink(missing_ok=True)


def _remove_same(folder: Path, own: os.stat_result) -> None:
    """Remove a folder, unless it was moved and another process has begun one of its name."""
    with suppress(FileNotFoundError):
        if os.path.samestat(folder.stat(), own):
            remove_folder(folder)


def _remove_abandoned(folder: Path) -> None:
    """Remove folders beside this one that nobody has worked on for a week, and nobody holds."""
    for other in folder.parent.iterdir():
        with suppress(OSError, ResourceError):
            newest = max(path.stat().st_mtime for path in (other, *other.iterdir()))
            if other == folder or time.time() - newest <= _UNFINISHED_DAYS * 24 * 3600:
                continue
            with claim(other):  # a clock may jump while another process fills it
                shutil.rmtree(other, ignore_errors=True)
