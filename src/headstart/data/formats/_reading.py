"""Errors of reading the user's files, plain or gzipped."""

from __future__ import annotations

import errno
import gzip
import os
import re
import shlex
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from headstart import store
from headstart.data.formats._text_encodings import plausible_readings, readings_sentence
from headstart.errors import InputError

_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
GZIP_MAGIC = b"\x1f\x8b"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/{1,2}[^/]")  # a drive of Windows has one letter


def refuse_url(source: str) -> None:
    """Raise an error if the name of a file is a URL, which nothing here downloads."""
    if _URL.match(source) and not Path(source).exists():
        raise InputError(
            f"{source} is a URL, and URLs are not downloaded.",
            "Download it first, and pass the path of the file.",
        )


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """Replace errors of the block, which reads `path` or files below it, by an InputError.

    Raises:
        InputError: A file cannot be read or decompressed, or its name is not UTF-8. Or the path is
            a FIFO, a socket or a device, which is not opened.
        ResourceError: The cache cannot be written.
    """
    store.require_regular(path)
    try:
        yield
    except UnicodeEncodeError as error:
        name = error.object.partition("\0")[0]  # what is hashed may have more behind it
        raise _undecodable_name(path, name) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} cannot be decompressed: {error}.",
            "It is damaged or incomplete. Download or compress it again.",
        ) from error
    except OSError as error:
        if _is_of_cache(error):
            with store.translate_os_errors(store.cache_folder()):
                raise
        raise InputError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.",
            "Restore the file or the permission to read it, or remove it.",
        ) from error


def _undecodable_name(path: Path, name: str) -> InputError:
    """Return the error about a file whose name is not UTF-8."""
    if not _reads_names_as_utf_8():
        return _other_locale(path)
    readings = plausible_readings(os.fsencode(name))
    codec = readings[0].codec if readings else "ENCODING"
    folder = path if path.is_dir() else path.parent
    return InputError(
        f"a file in {path} has a name that is not UTF-8: {name!a}." + readings_sentence(readings),
        "Rename it. To rename all of them from the encoding that is right, for example: "
        f"convmv -f {codec} -t UTF-8 -r --notest {shlex.quote(str(folder))}",
    )


def require_readable_names(path: Path, names: Sequence[str]) -> None:
    """Raise an error if this locale reads names of files in another encoding than UTF-8.

    Args:
        path: The folder that the user named.
        names: The names of the files in it.
    """
    if not _reads_names_as_utf_8() and not all(map(str.isascii, names)):
        raise _other_locale(path)


def _reads_names_as_utf_8() -> bool:
    """Return whether Python reads the names of files as UTF-8. A locale may decide otherwise."""
    return sys.getfilesystemencoding().lower() == "utf-8"


def _other_locale(path: Path) -> InputError:
    return InputError(
        f"files in {path} have names that are not ASCII, and this locale reads them as "
        f"{sys.getfilesystemencoding()} instead of UTF-8.",
        "Set PYTHONUTF8=1 before the command: PYTHONUTF8=1 headstart ...",
    )


def _is_of_cache(error: OSError) -> bool:
    """Return whether an error concerns the cache: nothing else is written meanwhile."""
    if error.errno in _WRITE_ERRORS:
        return True
    return isinstance(error.filename, str) and Path(error.filename).is_relative_to(
        store.cache_folder()
    )
