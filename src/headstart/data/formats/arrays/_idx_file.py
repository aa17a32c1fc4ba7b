"""IDX files, the format of MNIST: a magic number, the dimensions, the bytes."""

from __future__ import annotations

import gzip
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data.formats._reading import GZIP_MAGIC, translate_read_errors
from headstart.errors import InputError

UNSIGNED_BYTES = 0x08
INTEGERS = {UNSIGNED_BYTES: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
MAX_DIMENSIONS = 4
MAX_BYTES = 4 << 30
DAMAGED_HINT = "It is damaged or incomplete. Download it again."


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    The first bytes of the file decide whether it is gzipped, not its name. At most one byte more
    than the header announces is read, and a compressed file expands at most as far as
    `store.expansion_limit` allows.

    Args:
        path: The file.

    Returns:
        Uint8 array with the dimensions of the header: (N, H, W) for images, (N,) for labels.

    Raises:
        InputError: The file is missing, cannot be read, is not IDX, does not hold unsigned bytes,
            is larger than 4 GiB, expands too far, or does not have the length that its header
            announces.

    References:
        "The IDX file format", http://yann.lecun.com/exdb/mnist/.
    """
    content = _open_and_read(path, {UNSIGNED_BYTES: INTEGERS[UNSIGNED_BYTES]})
    return content.view(np.uint8)


def read_idx_numbers(path: Path) -> NDArray[Any]:
    """Read an IDX file of integers of any size, such as the labels of QMNIST. See `read_idx`.

    Returns:
        Integer array with the dimensions of the header.
    """
    return _open_and_read(path, INTEGERS)


def _open_and_read(path: Path, types: dict[int, str]) -> NDArray[Any]:
    with translate_read_errors(path), path.open("rb") as raw:
        is_gzipped = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if is_gzipped:
            limit = store.expansion_limit(os.fstat(raw.fileno()).st_size)
            with gzip.GzipFile(fileobj=raw) as plain:
                return _read(path, plain, types, limit=limit)
        return _read(path, raw, types, os.fstat(raw.fileno()).st_size)


def _read(
    path: Path,
    file: io.BufferedIOBase,
    types: dict[int, str],
    file_size: int | None = None,
    limit: int = MAX_BYTES,
) -> NDArray[Any]:
    dtype, shape = _read_header(path, file, types)
    expected = math.prod(shape) * dtype.itemsize
    if expected > limit:
        raise InputError(
            f"{path} expands too far: {' x '.join(map(str, shape))} values would be more than "
            f"{store.LARGEST_RATIO} times its own size.",
            "If you trust it, unpack it yourself: gunzip",
        )
    header_size = 4 + 4 * len(shape)
    if file_size is not None and file_size != header_size + expected:
        actual = f"{max(file_size - header_size, 0):,}"
        raise _wrong_length(path, shape, expected, actual)

    content = np.empty(expected, np.uint8)
    view, position = content.data, 0
    while position < expected:
        count = file.readinto(view[position:])
        if not count:
            raise _wrong_length(path, shape, expected, f"{position:,}")
        position += count
    if file.read(1):
        raise _wrong_length(path, shape, expected, "more")
    return content.view(dtype).reshape(shape)


def _read_header(
    path: Path, file: io.BufferedIOBase, types: dict[int, str]
) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the type of the elements and the dimensions."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise InputError(
            f"{path} is not an IDX file: expected it to start with 00 00 08 and the number of "
            f"dimensions, got {magic.hex(' ') or 'nothing'}.",
            "IDX files are those of MNIST, such as train-images-idx3-ubyte.gz.",
        )
    if magic[2] not in types:
        raise InputError(
            f"invalid IDX type of {path}: expected 0x08 (unsigned bytes), got 0x{magic[2]:02x}.",
            "Convert its values to integers from 0 to 255.",
        )
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise InputError(
            f"invalid number of dimensions of {path}: expected 1 to {MAX_DIMENSIONS}, "
            f"got {magic[3]}."
        )

    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise InputError(
            f"{path} ends inside its header: expected {4 + 4 * magic[3]} bytes, "
            f"got {4 + len(sizes)}.",
            DAMAGED_HINT,
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(types[magic[2]])
    if math.prod(shape) * dtype.itemsize > MAX_BYTES:
        raise InputError(
            f"{path} is too large: expected at most {MAX_BYTES:,} bytes, "
            f"got {' x '.join(map(str, shape))} = {math.prod(shape):,}.",
            "Divide it, or pass the images as a folder.",
        )
    return dtype, shape


def _wrong_length(path: Path, shape: tuple[int, ...], expected: int, actual: str) -> InputError:
    return InputError(
        f"invalid length of {path}: expected {expected:,} bytes after its header "
        f"({' x '.join(map(str, shape))}), got {actual}.",
        DAMAGED_HINT,
    )
