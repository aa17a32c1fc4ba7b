"""Locks on folders: one writing process per folder.

The operating system holds a lock for a living process and releases it when the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from headstart.errors import ResourceError
from headstart.store._files import ensure_folder
from headstart.store._write_errors import translate_os_errors

LOCK_FILE = ".lock"
# The system releases the locks of a killed process when its last thread has ended, and a worker
# ends up to 0.1 s after its parent. A command that is repeated at once would find its own folder
# in use.
_RELEASE_SECONDS = 2.0
_RETRY_SECONDS = 0.05


class LocksUnsupported(ResourceError):
    """A folder on a file system without locks, such as some network mounts."""


@contextmanager
def claim(
    folder: Path, *, wait: bool = False, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the write lock of a folder while the block runs. Reading stays possible.

    The lock is an flock, not a marker file. A killed owner leaves no lock behind, and a paused
    owner keeps its lock.

    Args:
        folder: The folder to lock. It is created if necessary.
        wait: Whether to wait until another process releases the lock.
        on_wait: Called once before waiting.

    Raises:
        ResourceError: Another process holds the lock and keeps it for two seconds. The message
            names its pid, host and start. Or the disk is full.
    """
    handle = _open_lock(folder)
    try:
        _lock(folder, handle, wait, on_wait)
        # The owner may have moved or removed the folder meanwhile, and the lock with it.
        while not _is_current(folder, handle):
            os.close(handle)
            handle = _open_lock(folder)
            _lock(folder, handle, wait, None)
        with translate_os_errors(folder / LOCK_FILE):
            _write_owner(handle)
        yield
    finally:
        os.close(handle)


def lock_owner(folder: Path) -> str | None:
    """Return who holds the write lock of a folder, as JSON text; None if nobody does.

    Nothing is written, and the lock is held for an instant only.
    """
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(handle, 4096, 0).decode("utf-8", "replace").strip() or "unknown"
    except OSError:
        return None  # a file system without locks
    finally:
        os.close(handle)
    return None


def _open_lock(folder: Path) -> int:
    # Another process may remove the folder between the two steps.
    path = folder / LOCK_FILE
    while True:
        ensure_folder(folder)
        with translate_os_errors(path), suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)


def _is_current(folder: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), (folder / LOCK_FILE).stat())
    except FileNotFoundError:
        return False


def _lock(folder: Path, handle: int, wait: bool, on_wait: Callable[[], None] | None) -> None:
    try:
        if _lock_within(handle, 0.0):
            return
        if wait:
            if on_wait is not None:
                on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
            return
        if _lock_within(handle, _RELEASE_SECONDS):
            return
    except OSError as error:
        raise LocksUnsupported(
            f"cannot lock {folder}: {error.strerror}.", "Choose an --out on a local disk."
        ) from error

    owner = os.pread(handle, 4096, 0).decode("utf-8", "replace").strip() or "unknown"
    raise ResourceError(
        f"{folder} is in use by another process: {owner}.",
        "Wait for it to end, or choose another --out.",
    )


def _lock_within(handle: int, seconds: float) -> bool:
    """Try to lock an open file for some seconds, and return whether it succeeded."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)
        else:
            return True


def _write_owner(handle: int) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(owner).encode())
