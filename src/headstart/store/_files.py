"""Files that are either complete or absent.

They are written under a temporary name in the same folder, synced to disk and renamed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from headstart.store._cache_folder import temporary_cache
from headstart.store._limits import special_kind
from headstart.store._temporary import temporary_file
from headstart.store._text import encode_text
from headstart.store._write_errors import require_space, translate_os_errors

_is_sync_disabled = False


@contextmanager
def without_sync() -> Iterator[None]:
    """Skip syncing to disk while the block runs.

    It suits files that need not survive a crash of the machine.
    """
    global _is_sync_disabled
    _is_sync_disabled = True
    try:
        yield
    finally:
        _is_sync_disabled = False


def sync_handle(handle: int) -> None:
    """Flush an open file to disk, unless syncing is disabled."""
    if not _is_sync_disabled:
        os.fsync(handle)


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to disk, unless syncing is disabled."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_handle(handle)
    finally:
        os.close(handle)


def ensure_folder(path: Path) -> Path:
    """Create a folder and its parents if they are missing, and return its path.

    The names of new folders are synced to disk: a power loss that keeps a finding must not lose the
    folders of its runs.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
        InputError: A file has the name of the folder.
    """
    with translate_os_errors(path):
        _create_folder(path)
    return path


def _create_folder(path: Path) -> None:
    if path.is_relative_to(temporary_cache()):
        _require_own(temporary_cache())
    parents, folder = [], path
    while not folder.exists():
        folder = folder.parent
        parents.append(folder)
    path.mkdir(parents=True, exist_ok=True)
    for parent in parents:
        with suppress(PermissionError):  # a folder that may be written, but not listed
            sync_folder(parent)


def _require_own(folder: Path) -> None:
    """Create a private folder, or raise an error if another user was faster."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(errno.EACCES, "belongs to another user", str(folder))


def allocate(path: Path) -> None:
    """Allocate the disk space of a sparse file.

    Without this, writing to a memory map on a full disk would kill the process.

    Raises:
        ResourceError: The disk is full.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with translate_os_errors(path), path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def is_stream(path: Path) -> bool:
    """Return whether a path is a device, a FIFO or a standard stream, not a file in a folder.

    A rename would put a file in its place, for all programs where the user may write to `/dev`, as
    in a container. `/dev/stdout` is a stream even if the shell has redirected it to a file.
    """
    folder = os.path.realpath(path.parent)
    return special_kind(path) is not None or folder == "/dev" or folder.startswith("/proc/")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new, even after a crash.

    A stream, such as `/dev/stdout` or a FIFO, is written to.

    Raises:
        ResourceError: The disk is full, or writing is not permitted. No partial file remains.
    """
    with translate_os_errors(path):
        if is_stream(path):
            _write_stream(path, content)
            return
        _create_folder(path.parent)
        with temporary_file(path) as (file, temporary):
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            sync_handle(file.fileno())
            temporary.replace(path)
        sync_folder(path.parent)


def _write_stream(path: Path, content: bytes) -> None:
    """Write to a stream. Those of this process keep their position: a shell may redirect them."""
    for handle in (1, 2):
        if os.path.samestat(path.stat(), os.fstat(handle)):
            sys.stdout.flush()
            _write_all(handle, content)
            return
    with path.open("ab") as stream:
        stream.write(content)


def write_at(path: Path, content: bytes, offset: int) -> None:
    """Write to a file from an offset on, cut off what follows, and sync it to disk.

    It suits files that only grow, whose reader can tell where the complete part ends.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    with translate_os_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.ftruncate(handle, offset)
            os.lseek(handle, offset, os.SEEK_SET)
            _write_all(handle, content)
            sync_handle(handle)
        finally:
            os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    """Write content to an open file. The system may accept only a part of it at a time."""
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(handle, remaining) :]


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file, as a whole, while other processes may append too.

    If a killed process has left the last line unfinished, the new line does not continue it.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    with translate_os_errors(path):
        _create_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            with suppress(OSError):  # Some network mounts have no locks.
                fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            is_cut_off = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            start = "\n" if is_cut_off else ""
            _write_all(handle, f"{start}{line}\n".encode())
            sync_handle(handle)
        finally:
            os.close(handle)


def anonymous_file(content: bytes | memoryview = b"") -> FileIO:
    """Create a temporary file without a name.

    The system removes it when the last process that has it open ends, for whatever reason.

    Args:
        content: The initial content. The file position is after it.

    Raises:
        ResourceError: The disk of temporary files is full, or writing is not permitted.
    """
    folder = Path(tempfile.gettempdir())
    require_space(folder, len(content))
    with translate_os_errors(folder):
        file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115  # the caller closes
        try:
            remaining = memoryview(content)
            while remaining:
                remaining = remaining[file.write(remaining) :]
        except BaseException:
            file.close()
            raise
    return file


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically. See `write_bytes`.

    Raises:
        InputError: The content includes the name of a file that is not UTF-8.
    """
    write_bytes(path, encode_text(content))


def write_json(path: Path, content: object) -> None:
    """Write indented JSON atomically. See `write_bytes`.

    Raises:
        ValueError: The content includes NaN or infinity, which JSON does not have.
    """
    write_bytes(path, json_bytes(content))


def json_bytes(content: object) -> bytes:
    """Return the bytes that `write_json` writes.

    Raises:
        InputError: The content includes the name of a file that is not UTF-8.
        ValueError: The content includes NaN or infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return encode_text(text)


def remove_file(path: Path) -> None:
    """Remove a file if it exists."""
    with translate_os_errors(path):
        path.unlink(missing_ok=True)
