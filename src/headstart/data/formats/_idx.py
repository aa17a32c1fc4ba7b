"""IDX, the format of MNIST: a magic number, the dimensions, the bytes."""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTES = 0x08
MOST_DIMENSIONS = 4
MOST_BYTES = 4 << 30


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes, gzipped or not: its first bytes decide, not its name.

    Reads what the header announces and one byte more, so that a compressed file cannot grow without end.

    Returns:
        uint8 array of the dimensions in the header: `(N, H, W)` for images, `(N,)` for labels.

    Raises:
        InputError: the file is missing, unreadable, not IDX, not of unsigned bytes, above 4 GiB, or not exactly as
            long as its header says; the message gives path, found and wanted.

    Source: "The IDX file format", http://yann.lecun.com/exdb/mnist/.
    """
    with _explained(path), path.open("rb") as raw:
        is_gzipped = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        if is_gzipped:
            with gzip.GzipFile(fileobj=raw) as plain:
                return _read(path, plain)
        return _read(path, raw, os.fstat(raw.fileno()).st_size)


def _read(path: Path, file: io.BufferedIOBase, size: int | None = None) -> NDArray[np.uint8]:
    shape = _read_shape(path, file)
    wanted = math.prod(shape)
    header = 4 + 4 * len(shape)
    if size is not None and size != header + wanted:
        raise _wrong_length(path, shape, f"{max(size - header, 0):,}")
    content = np.empty(wanted, np.uint8)
    view, found = content.data, 0
    while found < wanted and (count := file.readinto(view[found:])):
        found += count
    if found < wanted:
        raise _wrong_length(path, shape, f"{found:,}")
    if file.read(1):
        raise _wrong_length(path, shape, "more")
    return content.reshape(shape)


def _read_shape(path: Path, file: io.BufferedIOBase) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise InputError(
            f"{path} is not an IDX file: it starts with {magic.hex(' ') or 'nothing'}, wanted 00 00 08 and the "
            "number of dimensions.",
            "IDX files are those of MNIST, such as train-images-idx3-ubyte.gz.",
        )
    if magic[2] != UNSIGNED_BYTES:
        raise InputError(
            f"{path} holds IDX type 0x{magic[2]:02x}, wanted 0x08 (unsigned bytes).",
            "Convert its values to whole numbers from 0 to 255.",
        )
    if not 1 <= magic[3] <= MOST_DIMENSIONS:
        raise InputError(
            f"{path} says it has {magic[3]} dimensions, wanted 1 to {MOST_DIMENSIONS}."
        )
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise InputError(
            f"{path} ends inside its header: {4 + len(sizes)} bytes found, wanted {4 + 4 * magic[3]}.",
            "It is cut short: fetch it again.",
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    if math.prod(shape) > MOST_BYTES:
        raise InputError(
            f"{path} announces {' x '.join(map(str, shape))} = {math.prod(shape):,} bytes, wanted at most {MOST_BYTES:,}.",
            "Split it, or give the images as a folder.",
        )
    return shape


def _wrong_length(path: Path, shape: tuple[int, ...], found: str) -> InputError:
    return InputError(
        f"{path} holds {found} bytes after its header, wanted {math.prod(shape):,} ({' x '.join(map(str, shape))}).",
        "It is damaged or cut short: fetch it again.",
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path} cannot be decompressed: {error}; wanted a whole gzip file.",
            "It is damaged or cut short: fetch it again.",
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
