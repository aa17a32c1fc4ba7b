"""Errors of writing, with a next step: no space, no permission, a file where a folder should be."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from headstart.errors import InputError, ResourceError
from headstart.store._cache_folder import cache_folder, existing_parent

SPACE_MARGIN_BYTES = 64 << 20
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_FILE_OR_FOLDER = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR)

_option_of_file: ContextVar[str] = ContextVar("option_of_file", default="")


@contextmanager
def named_by(option: str) -> Iterator[None]:
    """Say in the errors of the block's writes which option names the file.

    Without it, they propose another folder with --out.

    Args:
        option: The option, such as --figure.
    """
    token = _option_of_file.set(option)
    try:
        yield
    finally:
        _option_of_file.reset(token)


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
            free = shutil.disk_usage(existing_parent(path)).free
            raise ResourceError(
                f"no space left while writing {path}: {free / 1e6:,.0f} MB are free there.",
                f"Free some space, or {_place('name another place', path)}. Then run the command "
                "again.",
            ) from error
        if error.errno in _NO_PERMISSION:
            raise ResourceError(
                f"no permission to write {path}.",
                f"{_place('Choose a folder you own', path)}.",
            ) from error
        if error.errno in _FILE_OR_FOLDER:
            raise InputError(
                f"cannot write {path}: a file exists where a folder is needed, or the reverse.",
                f"{_place('Choose another path', path)}.",
            ) from error
        raise ResourceError(
            f"cannot write {path}: {error.strerror or error}.",
            f"{_place('Choose a folder on another disk', path)}.",
        ) from error


@contextmanager
def translate_disk_full(path: Path) -> Iterator[None]:
    """Replace an OSError of a full disk by an error with a next step.

    Other errors belong to the block itself, such as a file that it could not read.

    Raises:
        ResourceError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_IS_FULL:
            with translate_os_errors(path):
                raise
        raise


def require_space(path: Path, size_bytes: int) -> None:
    """Raise an error unless `size_bytes` and a margin of 64 MiB fit on the disk of `path`.

    Args:
        path: A file or folder, which need not exist yet.
        size_bytes: The space needed.

    Raises:
        ResourceError: The space is not free. The message says how much is needed and free.
    """
    free = shutil.disk_usage(existing_parent(path)).free
    if free < size_bytes + SPACE_MARGIN_BYTES:
        raise ResourceError(
            f"{path} needs {size_bytes / 1e6:,.0f} MB, "
            f"but only {free / 1e6:,.0f} MB are free there.",
            "Free some space, or name another place with --out or XDG_CACHE_HOME.",
        )


def _place(advice: str, path: Path) -> str:
    """Return the advice to write elsewhere, with the option or variable that says where."""
    if path.is_relative_to(cache_folder()):
        return f"{advice} with the variable XDG_CACHE_HOME"
    return f"{advice} with {_option_of_file.get() or '--out'}"
