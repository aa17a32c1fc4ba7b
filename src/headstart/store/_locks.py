"""One writer a folder, held by the living process: the system releases it when the process ends, however it ends."""

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
from headstart.store._files import _explained, ensure_folder


@contextmanager
def claim(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold `folder` for writing while the block runs; reading stays free to all.

    An flock, not a marker file: a killed owner leaves nothing behind, and a paused owner is never robbed.

    Args:
        wait: until another process that holds it lets it go.

    Raises:
        ResourceError: another process holds it; the message names its pid, host and start.
    """
    ensure_folder(folder)
    path = folder / ".lock"
    with _explained(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(handle, 4096).decode("utf-8", "replace").strip() or "unknown"
            raise ResourceError(
                f"{folder} is in use by another process: {holder}.",
                "Wait for it to end, or choose another --out.",
            ) from None
        except OSError as error:
            raise ResourceError(
                f"{folder} cannot be locked: {error.strerror}.", "Choose an --out on a local disk."
            ) from error
        os.ftruncate(handle, 0)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.write(handle, json.dumps(owner).encode())
        yield
    finally:
        os.close(handle)
