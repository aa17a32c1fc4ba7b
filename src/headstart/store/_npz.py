"""`.npz` and `.npy` files. What is asked of them is checked before memory is taken."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.store._growing_file import GrowingFile
from headstart.store._limits import expansion_limit, require_regular

_SUFFIX = ".npy"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_ENCRYPTED = 0x1  # flag of a zip member
_CHUNK_BYTES = 4 << 20
_LONGEST_HEADER_BYTES = 10_000  # NumPy's own limit
_DAMAGE = (
    *(ValueError, OSError, EOFError, TypeError, SyntaxError, RecursionError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
_DAMAGED_HINT = (
    "It is damaged or incomplete. Download it again, or save plain arrays of numbers with "
    "numpy.savez."
)


class NpzFile:
    """An open `.npz` file.

    Attributes:
        names: Names of its arrays.

    Args:
        path: The file.
        archive: The open zip archive.
        allowed: The most bytes that its arrays may have.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile, allowed: int) -> None:
        self._path, self._archive, self._allowed = path, archive, allowed
        self._members = {
            info.filename.removesuffix(_SUFFIX): info
            for info in archive.infolist()
            if info.filename.endswith(_SUFFIX)
        }
        self.names = list(self._members)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array. Its values are not read."""
        with self._open(name) as member:
            return _read_header(member).shape

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Read an array.

        Raises:
            InputError: There is no such array, it is damaged, it expands too far, or it holds
                Python objects.
        """
        self._check(name)
        with self._open(name) as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            member.read(1)  # At the end, the checksum is compared.
        return array

    def size(self, name: str) -> int:
        """Return the size of an array in bytes, as the archive states it."""
        return self._info(name).file_size

    def extract(self, name: str, target: Path) -> None:
        """Write an array to an `.npy` file, a part at a time.

        Raises:
            InputError: As in `__getitem__`.
            ResourceError: The disk is full.
        """
        self._check(name)
        with self._open(name) as member, GrowingFile(target) as file:
            while True:
                chunk = member.read(_CHUNK_BYTES)
                if not chunk:
                    return
                file.append(chunk)

    def _check(self, name: str) -> None:
        """Raise an error unless an array has the bytes that its header announces."""
        with self._open(name) as member:
            header = _read_header(member)
        if header.dtype.hasobject:
            raise _objects_error(f"{self._path}: the array {name}")

        expected = math.prod(header.shape) * header.dtype.itemsize
        present = self.size(name) - header.length
        if min(header.shape, default=0) < 0 or expected != present:
            raise ValueError(
                f"the array {name} should have {expected:,} bytes ({header.shape}, "
                f"{header.dtype}), and has {present:,}"
            )
        self._require_allowed(name, expected)

    def get(self, name: str) -> NDArray[Any] | None:
        """Read an array, or return None if there is none of this name."""
        return self[name] if name in self._members else None

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise ValueError(f"it has no array {name}")
        return self._members[name]

    def _open(self, name: str) -> IO[bytes]:
        info = self._info(name)
        if info.flag_bits & _ENCRYPTED:
            raise ValueError(f"the array {name} is encrypted")
        if info.compress_type not in _METHODS:
            raise ValueError(f"the array {name} is compressed with method {info.compress_type}")
        return self._archive.open(info)

    def _require_allowed(self, name: str, size: int) -> None:
        if size > self._allowed:
            raise InputError(
                f"{self._path} expands too far: the array {name} would have {size / 1e6:,.0f} MB, "
                f"{size / max(1, self._path.stat().st_size):,.0f} times the size of the file.",
                "If you trust it, load it in Python, and save it with numpy.savez, which does not "
                "compress.",
            )


@contextmanager
def open_npz(path: Path, content: bytes | None = None) -> Iterator[NpzFile]:
    """Open an `.npz` file. What the block reads from it is checked against its size first.

    Pickles are never opened. A stored array has at most the size of the file, and a compressed one
    at most `expansion_limit`.

    Args:
        path: The file.
        content: Its content, if it has been read, for example with `read_verified`.

    Raises:
        InputError: The file is missing or damaged, or an array that the block reads is.
    """
    require_regular(path)
    try:
        source: IO[bytes] = path.open("rb") if content is None else io.BytesIO(content)
        with source as raw, zipfile.ZipFile(raw) as archive:
            yield NpzFile(path, archive, expansion_limit(path.stat().st_size))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.", "Restore it.") from None
    except _DAMAGE as error:
        raise InputError(f"{path} cannot be read as .npz: {error}.", _DAMAGED_HINT) from error


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of an `.npz` file, without compression.

    Args:
        arrays: Arrays by name. None of them holds Python objects.
    """
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def open_npy(path: Path) -> NDArray[Any]:
    """Open an `.npy` file as a read-only memory map.

    Raises:
        InputError: The file is missing or damaged, or holds Python objects.
    """
    require_regular(path)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise _objects_error(str(path)) from error
        raise InputError(
            f"{path} cannot be read: {error}.", "It is damaged or incomplete. Save it again."
        ) from error
    return array


def _objects_error(array: str) -> InputError:
    return InputError(
        f"{array} cannot be read: it holds Python objects (a pickle), which can run code and are "
        "never opened.",
        "Save plain numbers or texts: numpy.savez(file, images=numpy.stack(images), "
        "labels=numpy.array(labels).astype(str)).",
    )


class _Header(NamedTuple):
    """The header of an array: its shape, its type, and its own length in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    length: int


def _read_header(member: IO[bytes]) -> _Header:
    # A header may announce gigabytes of itself, so no more than a usual one is read.
    start = io.BytesIO(member.read(_LONGEST_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(start, max_header_size=_LONGEST_HEADER_BYTES)
    return _Header(shape, dtype, start.tell())
