"""Files and folders that are either complete or absent.

They are written under a temporary name in the same folder, synced to disk and renamed.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from headstart.errors import InputError, ResourceError

SPACE_MARGIN_BYTES = 64 << 20
DEBRIS_AGE_SECONDS = 24 * 3600  # Filling a folder never takes longer.
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_FILE_OR_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Replace each OSError of the block, which writes `path`, by an error with a next step.

    Raises:
        ResourceError: The disk is full, or writing is not permitted, or writing failed otherwise.
        InputError: A file has the name of a folder, or the reverse.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_IS_FULL:
            free = shutil.disk_usage(_existing_parent(path)).free
            raise ResourceError(
                f"no space left while writing {path}: {free / 1e6:,.0f} MB are free there.",
                "Free some space, or name another place with --out or XDG_CACHE_HOME. "
                "Then run the command again.",
            ) from error
        if error.errno in _NO_PERMISSION:
            raise ResourceError(
                f"no permission to write {path}.",
                "Choose a folder you own with --out (results) or XDG_CACHE_HOME (cache).",
            ) from error
        if error.errno in _FILE_OR_FOLDER:
            raise InputError(
                f"cannot write {path}: a file exists where a folder is needed, or the reverse.",
                "Choose another --out.",
            ) from error
        raise ResourceError(f"cannot write {path}: {error.strerror or error}.") from error


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


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


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_handle(handle)
    finally:
        os.close(handle)


def cache_folder() -> Path:
    """Return the path of the cache: `$XDG_CACHE_HOME/headstart`, or `~/.cache/headstart`.

    The folder is not created.

    References:
        XDG Base Directory Specification.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "headstart"


def ensure_folder(path: Path) -> Path:
    """Create a folder and its parents if they are missing, and return its path.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
        InputError: A file has the name of the folder.
    """
    with translate_os_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def require_space(path: Path, size_bytes: int) -> None:
    """Raise an error unless `size_bytes` and a margin of 64 MiB fit on the disk of `path`.

    Args:
        path: A file or folder, which need not exist yet.
        size_bytes: The space needed.

    Raises:
        ResourceError: The space is not free. The message says how much is needed and free.
    """
    free = shutil.disk_usage(_existing_parent(path)).free
    if free < size_bytes + SPACE_MARGIN_BYTES:
        raise ResourceError(
            f"{path} needs {size_bytes / 1e6:,.0f} MB, "
            f"but only {free / 1e6:,.0f} MB are free there.",
            "Free some space, or name another place with --out or XDG_CACHE_HOME.",
        )


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new, even after a crash.

    Raises:
        ResourceError: The disk is full, or writing is not permitted. No partial file remains.
    """
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                sync_handle(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


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
    """Write UTF-8 text atomically. See `write_bytes`."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write indented JSON atomically. See `write_bytes`.

    Raises:
        ValueError: The content includes NaN or infinity, which JSON does not have.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that Headstart wrote.

    Raises:
        InputError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist.", f"Is {path.parent} a folder that Headstart made?"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON: {error}.",
            "It may be damaged. Move the folder away and run the command again.",
        ) from error


def read_json_or(path: Path, default: Any) -> Any:
    """Return the content of a JSON file, or `default` if the file is missing or damaged.

    It suits files that can be recreated.
    """
    try:
        return read_json(path)
    except InputError:
        return default


def remove_file(path: Path) -> None:
    """Remove a file if it exists."""
    with translate_os_errors(path):
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder of the cache.

    The folder is renamed first, so other processes never find a part of it under its name.
    """
    with translate_os_errors(path):
        hidden = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        path.rename(hidden / "removed")
    shutil.rmtree(hidden, ignore_errors=True)


def rename_folder(old: Path, new: Path) -> None:
    """Rename a folder within its parent, in one step that survives a crash."""
    with translate_os_errors(new):
        old.rename(new)
        _sync_folder(new.parent)


def _remove_old_debris(path: Path) -> None:
    """Remove what killed processes left while they filled `path`."""
    for debris in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with suppress(OSError):
            if time.time() - debris.stat().st_mtime > DEBRIS_AGE_SECONDS:
                shutil.rmtree(debris, ignore_errors=True)


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
    _remove_old_debris(path)
    with translate_os_errors(path):
        building = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        building.chmod(0o755)

    try:
        try:
            yield building
        except OSError as error:
            # Other errors belong to the block itself, such as a file that it could not read.
            if error.errno in _DISK_IS_FULL:
                with translate_os_errors(path):
                    raise
            raise
        with translate_os_errors(path):
            _publish(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def copy_folder(old: Path, new: Path) -> None:
    """Copy a folder to `new`, which is complete or absent. Hidden files are not copied."""
    with new_folder(new) as building:
        shutil.copytree(old, building, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)


def _publish(building: Path, path: Path) -> None:
    for file in building.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                sync_handle(handle.fileno())
    _sync_folder(building)
    if not path.exists():
        building.rename(path)
        _sync_folder(path.parent)
