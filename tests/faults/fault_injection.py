"""Faults at write boundaries, which an audit hook sees: nothing in Headstart is changed.

A boundary is an open for writing, a rename, a new or removed file or folder, or an fsync below one
folder. The k-th one kills the process or fails. SQLite tests its writes in the same way.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 99
_ERRORS = {"enospc": errno.ENOSPC, "eio": errno.EIO}
MODES = ("kill", "enospc", "eio", "enospc-forever", "eio-forever")
_REMOVALS = ("os.remove", "os.rmdir")
_CHANGES = ("os.rename", "os.mkdir", "os.truncate", *_REMOVALS)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Boundaries:
    """Counts the write boundaries of this process below a folder, for as long as it lives.

    Args:
        root: The folder.
        before: Called before each boundary, with its number from 1 on and its description.
    """

    def __init__(self, root: Path, before: Callable[[int, str], None]) -> None:
        self.count = 0
        self._root, self._before = str(root), before
        self._is_inside = False
        self._fsync = os.fsync
        sys.addaudithook(self._audit)
        setattr(os, "fsync", self._sync)  # noqa: B010  # mypy forbids the plain assignment

    def _hit(self, what: str) -> None:
        if self._is_inside:  # the callback itself may write
            return
        self.count += 1
        self._is_inside = True
        try:
            self._before(self.count, what)
        finally:
            self._is_inside = False

    def _sync(self, handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink())
        if path.startswith(self._root):
            self._hit(f"fsync {path}")
        self._fsync(handle)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            is_written = isinstance(mode, str) and any(letter in mode for letter in "wax+")
            if self._is_below(path) and (is_written or flags & _WRITES):
                self._hit(f"open {path}")
        elif (event in _CHANGES and self._is_below(arguments[0])) or (
            event in _REMOVALS and arguments[1] != -1
        ):
            self._hit(f"{event} {arguments[0]}")

    def _is_changed(self, event: str, arguments: tuple[Any, ...]) -> bool:
        # A removal may be relative to an open folder.
        is_relative = event in _REMOVALS and arguments[1] != -1
        return is_relative or self._is_below(arguments[0])

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._root)


def inject(root: Path, mode: str, boundary: int) -> None:
    """Let the k-th write boundary of this process fail.

    Args:
        root: The folder whose boundaries count.
        mode: One of `MODES`. With "-forever", all later ones fail too.
        boundary: k, from 1 on.
    """
    kind, _, duration = mode.partition("-")

    def fail(number: int, what: str) -> None:
        if number < boundary or (number > boundary and not duration):
            return
        if kind == "kill":
            os._exit(KILLED)
        raise OSError(_ERRORS[kind], os.strerror(_ERRORS[kind]), what)

    Boundaries(root, fail)
