"""The process that holds the lock of a folder, and the request that it stops."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import InputError, ResourceError
from headstart.store._locks import LOCK_FILE, lock_owner

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class LockHolder:
    """The process that holds the write lock of a folder.

    Attributes:
        pid: Its process number; 0 if the lock does not say.
        host: Its machine.
        since: The time at which it took the lock, in ISO 8601.
    """

    pid: int
    host: str
    since: str

    @property
    def is_local(self) -> bool:
        """True if the process runs on this machine."""
        return self.host == socket.gethostname()


def lock_holder(folder: Path) -> LockHolder | None:
    """Return the process that holds the write lock of a folder; None if nobody does."""
    text = lock_owner(folder)
    if text is None:
        return None
    content: Any = None
    with suppress(ValueError):
        content = json.loads(text)
    if not isinstance(content, dict):
        return LockHolder(0, "", "")
    pid = content.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool) or pid < 0:
        pid = 0
    return LockHolder(pid, str(content.get("host", "")), str(content.get("since", "")))


def may_stop(folder: Path, holder: LockHolder) -> bool:
    """Return whether `stop_holder` can ask the holder of a lock to stop."""
    return holder.is_local and _has_open(holder.pid, folder / LOCK_FILE)


def stop_holder(folder: Path) -> LockHolder:
    """Send SIGTERM to the process that holds the write lock of a folder.

    The process number in the lock is not trusted. The process must run on this machine, belong to
    this user, and have the lock file open. On Linux a descriptor of the process is opened before
    these checks, so that a process that takes the number meanwhile receives nothing.

    Args:
        folder: The run or study folder.

    Returns:
        The process that received the signal. It saves its work, and ends some time later.

    Raises:
        InputError: Nobody holds the lock.
        ResourceError: The process is on another machine, or cannot be verified.
    """
    holder = lock_holder(folder)
    if holder is None:
        raise InputError(f"{folder} is not in use, so there is nothing to stop.")
    if not holder.is_local:
        raise ResourceError(
            f"{folder} is in use on {holder.host or 'an unknown machine'}, not on this machine.",
            f"Stop it there: kill -TERM {holder.pid}",
        )
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        raise _unverified(folder, holder)

    try:
        handle = os.pidfd_open(holder.pid)
    except OSError as error:
        raise _unverified(folder, holder) from error
    try:
        if not _has_open(holder.pid, folder / LOCK_FILE):
            raise _unverified(folder, holder)
        signal.pidfd_send_signal(handle, signal.SIGTERM)
    except PermissionError as error:
        raise _unverified(folder, holder) from error
    except ProcessLookupError:
        pass  # It ended by itself.
    finally:
        os.close(handle)
    return holder


def _unverified(folder: Path, holder: LockHolder) -> ResourceError:
    return ResourceError(
        f"process {holder.pid} cannot be verified as the one that uses {folder}.",
        f"Look at it first, and stop it in a terminal: kill -TERM {holder.pid}",
    )


def _has_open(pid: int, path: Path) -> bool:
    """Return whether a process of this user has a file open, as far as this system tells."""
    process = _PROCESSES / str(pid)
    try:
        if pid <= 0 or process.stat().st_uid != os.getuid():
            return False
        status = path.stat()
        handles = list((process / "fd").iterdir())
    except OSError:  # The process has ended, or the system has no /proc.
        return False
    for handle in handles:
        with suppress(OSError):
            if os.path.samestat(handle.stat(), status):
                return True
    return False
