"""Files that are complete or absent: written beside their place, synced, renamed."""

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
DEBRIS_AGE_SECONDS = 24 * 3600  # no folder takes longer to fill


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into what the user can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(_existing_parent(path)).free
            raise ResourceError(
                f"no space left while writing {path}: {free / 1e6:,.0f} MB are free there.",
                "Free some space, or name another place with --out or XDG_CACHE_HOME; then run again.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise ResourceError(
                f"no permission to write {path}.",
                "Choose a folder you own with --out (results) or XDG_CACHE_HOME (cache).",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise InputError(
                f"cannot write {path}: a file stands where a folder is needed, or the reverse.",
                "Choose another --out.",
            ) from error
        raise ResourceError(f"cannot write {path}: {error.strerror or error}.") from error


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


_is_volatile = False


@contextmanager
def without_sync() -> Iterator[None]:
    """What is written while the block runs need not outlive a crash of the machine: nothing is synced."""
    global _is_volatile
    _is_volatile = True
    try:
        yield
    finally:
        _is_volatile = False


def _sync(handle: int) -> None:
    if not _is_volatile:
        os.fsync(handle)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sync(handle)
    finally:
        os.close(handle)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/headstart`, or `~/.cache/headstart` (XDG Base Directory Specification). Not created here."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "headstart"


def ensure_folder(path: Path) -> Path:
    """Make `path` and its parents if they are missing.

    Raises:
        ResourceError: no permission or no space; InputError: a file is in the way.
    """
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def require_space(path: Path, size_bytes: int) -> None:
    """Check that `size_bytes` and a margin of 64 MiB fit where `path` will be.

    Raises:
        ResourceError: they do not; the message says how much is needed and free.
    """
    free = shutil.disk_usage(_existing_parent(path)).free
    if free < size_bytes + SPACE_MARGIN_BYTES:
        raise ResourceError(
            f"{path} needs {size_bytes / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free there.",
            "Free some space, or name another place with --out or XDG_CACHE_HOME.",
        )


def allocate(path: Path) -> None:
    """Give a sparse file its space on disk now: writing to a memory map on a full disk would kill the process.

    Raises:
        ResourceError: no space.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with _explained(path), path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole: readers see the old content or the new, never a part, also after a crash.

    Raises:
        ResourceError: no permission or no space; nothing half-written stays.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                _sync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def anonymous_file(content: bytes | memoryview = b"") -> FileIO:
    """A temporary file without a name: it is gone when the last process that has it open ends, however it ends.

    Raises:
        ResourceError: no space or no permission where temporary files go.
    """
    place = Path(tempfile.gettempdir())
    require_space(place, len(content))
    with _explained(place):
        file = tempfile.TemporaryFile(buffering=0, dir=place)  # noqa: SIM115  # the caller's
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
        except BaseException:
            file.close()
            raise
    return file


def write_text(path: Path, content: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """`write_bytes` of indented JSON. NaN and infinity are refused: they are not JSON."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file that Headstart wrote.

    Raises:
        InputError: the file is missing, or is no JSON.
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
            "It may be damaged; move the folder away and run again.",
        ) from error


def read_json_or(path: Path, otherwise: Any) -> Any:
    """As `read_json`; `otherwise` where the file is missing or damaged. For what can be made again."""
    try:
        return read_json(path)
    except InputError:
        return otherwise


def remove_file(path: Path) -> None:
    """Remove a file, if it is there."""
    with _explained(path):
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder of the cache: it disappears under its name first, so that nobody finds half of it."""
    with _explained(path):
        gone = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        path.rename(gone / "gone")
    shutil.rmtree(gone, ignore_errors=True)


def rename_folder(old: Path, new: Path) -> None:
    """Give a folder another name beside its own, in one step that outlives a crash."""
    with _explained(new):
        old.rename(new)
        _sync_folder(new.parent)


def _sweep(path: Path) -> None:
    """Remove what a killed process left while it filled `path`."""
    for debris in path.parent.glob(f".{glob.escape(path.name)}.*"):
        with suppress(OSError):
            if time.time() - debris.stat().st_mtime > DEBRIS_AGE_SECONDS:
                shutil.rmtree(debris, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends well.

    Yields a temporary folder beside `path`; it is synced and renamed at the end, and removed if the block raises.
    When `path` exists by then (another process was faster), that one stays and ours is removed.
    """
    ensure_folder(path.parent)
    _sweep(path)
    with _explained(path):
        building = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        building.chmod(0o755)
    try:
        try:
            yield building
        except OSError as error:
            if error.errno in (
                errno.ENOSPC,
                errno.EDQUOT,
            ):  # others are the block's own: a file it could not read, say
                with _explained(path):
                    raise
            raise
        with _explained(path):
            _settle(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def copy_folder(old: Path, new: Path) -> None:
    """Make `new` a copy of a folder, complete or absent; locks and other hidden files stay where they are."""
    with new_folder(new) as building:
        shutil.copytree(old, building, ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)


def _settle(building: Path, path: Path) -> None:
    for file in building.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                _sync(handle.fileno())
    _sync_folder(building)
    if not path.exists():
        building.rename(path)
        _sync_folder(path.parent)
