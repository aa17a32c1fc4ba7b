"""Locks on folders: one writing process per folder.

The operating system holds a lock for a living process and releases it when the process ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from headstart.errors import ResourceError
from headstart.store._files import ensure_folder, translate_os_errors


@contextmanager
def claim(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the write lock of a folder while the block runs. Reading stays possible.

    The lock is an flock, not a marker file. A killed owner leaves no lock behind, and a paused
    owner keeps its lock.

    Args:
        folder: The folder to lock. It is created if necessary.
        wait: Whether to wait until another process releases the lock.

    Raises:
        ResourceError: Another process holds the lock. The message names its pid, host and start.
    """
    ensure_folder(folder)
    path = folder / ".lock"
    with translate_os_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    try:
        _lock(folder, handle, wait)
        _write_owner(handle)
        yield
    finally:
        os.close(handle)


def _lock(folder: Path, handle: int, wait: bool) -> None:
    mode = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
    try:
        fcntl.flock(handle, mode)
    except BlockingIOError:
        owner = os.read(handle, 4096).decode("utf-8", "replace").strip() or "unknown"
        raise ResourceError(
            f"{folder} is in use by another process: {owner}.",
            "Wait for it to end, or choose another --out.",
        ) from None
    except OSError as error:
        raise ResourceError(
            f"cannot lock {folder}: {error.strerror}.", "Choose an --out on a local disk."
        ) from error


def _write_owner(handle: int) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.write(handle, json.dumps(owner).encode())
