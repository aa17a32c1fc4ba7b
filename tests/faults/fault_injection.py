"""Faults at write boundaries, which an audit hook sees: nothing in Headstart is changed.

A boundary is an open for writing, a rename, a new or removed file or folder, an fsync, or a call of
`os.write`, below one folder. The k-th one kills the process, fails, or is interrupted. SQLite tests
its writes in the same way.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KILLED = 99
_ERRORS = {"enospc": errno.ENOSPC, "eio": errno.EIO}
# With "-forever", all later boundaries fail too. With "-twice", the next one is interrupted too.
AT_BOUNDARIES = ("kill", "term", "term-twice", "enospc", "eio", "enospc-forever", "eio-forever")
SHORT_WRITE = "short-write"  # the k-th call of `os.write` writes half of what it is given
FILE_SIZE = "file-size"  # files may have so many bytes only: a short write, and then an error
MODES = (*AT_BOUNDARIES, SHORT_WRITE, FILE_SIZE)
_REMOVALS = ("os.remove", "os.rmdir")
_CHANGES = ("os.rename", "os.mkdir", "os.truncate", *_REMOVALS)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Boundaries:
    """Counts the write boundaries of this process below a folder, for as long as it lives.

    Args:
        root: The folder.
        before: Called before each boundary, with its number from 1 on, its kind and its path.

    Attributes:
        is_short: Whether the next `os.write` writes half of what it is given.
    """

    def __init__(self, root: Path, before: Callable[[int, str, str], None]) -> None:
        self.count = 0
        self.is_short = False
        self._root, self._before = str(root), before
        self._is_inside = False
        self._fsync, self._os_write = os.fsync, os.write
        sys.addaudithook(self._audit)
        setattr(os, "fsync", self._sync)  # noqa: B010  # mypy forbids the plain assignment
        setattr(os, "write", self._write)  # noqa: B010

    def _hit(self, kind: str, path: str) -> None:
        if self._is_inside:  # the callback itself may write
            return
        self.count += 1
        self._is_inside = True
        try:
            self._before(self.count, kind, path)
        finally:
            self._is_inside = False

    def _sync(self, handle: int) -> None:
        path = _path_of(handle)
        if self._is_below(path):
            self._hit("fsync", path)
        self._fsync(handle)

    def _write(self, handle: int, content: bytes) -> int:
        path = _path_of(handle)
        if self._is_below(path):
            self._hit("write", path)
        if self.is_short:
            self.is_short = False
            content = content[: (len(content) + 1) // 2]
        return self._os_write(handle, content)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            is_written = isinstance(mode, str) and any(letter in mode for letter in "wax+")
            if self._is_below(path) and (is_written or flags & _WRITES):
                self._hit("open", os.fspath(path))
        elif event in _CHANGES:
            path = arguments[0]
            if event in _REMOVALS and arguments[1] != -1:  # relative to an open folder
                path = f"{_path_of(arguments[1])}/{path}"
            if self._is_below(path):
                self._hit(event, os.fspath(path))

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._root)


def _path_of(handle: int) -> str:
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115  # as text, and quick


def inject(root: Path, mode: str, place: int) -> None:
    """Let a write of this process fail.

    Args:
        root: The folder whose boundaries count.
        mode: One of `MODES`.
        place: The number of the boundary from 1 on, or the largest size of a file in bytes.
    """
    if mode == FILE_SIZE:
        resource.setrlimit(resource.RLIMIT_FSIZE, (place, resource.RLIM_INFINITY))
        return
    kind, _, duration = mode.partition("-")
    last = {"forever": sys.maxsize, "twice": place + 1}.get(duration, place)

    def fail(number: int, _: str, path: str) -> None:
        if not place <= number <= last:
            return
        if kind == "kill":
            os._exit(KILLED)
        elif kind == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        elif mode == SHORT_WRITE:
            boundaries.is_short = True
        else:
            raise OSError(_ERRORS[kind], os.strerror(_ERRORS[kind]), path)

    boundaries = Boundaries(root, fail)
