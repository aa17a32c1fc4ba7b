"""Opening an image file within limits, and the reasons why one cannot be read."""

from __future__ import annotations

import io
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headstart import store
from headstart.data._threads import is_stopping
from headstart.data.formats.images._costly_images import (
    least_reduction,
    open_large_jpeg,
    require_few_scans,
    too_many_pixels,
)
from headstart.data.formats.images._decoders import plugin_decoder
from headstart.data.formats.images._failures import explain_failure
from headstart.data.formats.images._identify_file import identify_file
from headstart.data.formats.images._suffixes import DECODERS, IMAGE_SUFFIXES as IMAGE_SUFFIXES
from headstart.data.formats.images._tiff_kind import raw_kind, raw_photo
from headstart.data.formats.images._unreadable import (
    FileNotReadable,
    UnreadableImage as UnreadableImage,
)

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

LARGEST_FILE_BYTES = 1 << 28  # Three bytes for each pixel that an image may have.
DECODING_SECONDS = 30.0  # of processor time. The largest images that are read take 4 to 8.
# Bytes that a decoder is given per read. Each read checks the deadline. Pillow's own 64 kB make the
# decoding of 120 kB 2% slower.
TRUSTED_BLOCK_BYTES = 1 << 20
UNTRUSTED_BLOCK_BYTES = 4096
_SMALL_READ_BYTES, _SMALL_READS_PER_LOOK = 1024, 64
_ZERO_TAIL_BYTES = 64
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
_TIFF_HEAD_BYTES = 1 << 16  # in which the directory of a raw photo lies

ImageSource = Path | bytes | IO[bytes]  # a path, the content of a file, or an open file


@dataclass(frozen=True)
class ImageLimits:
    """Limits on the decoding of an untrusted image.

    Attributes:
        formats: Decoders that the image may choose.
        pixels: The most pixels that it may have.
        seconds: The most processor time that decoding may take. It is checked whenever the decoder
            reads more bytes. So a busy machine refuses no image.
    """

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP")
    pixels: int = 50_000_000
    seconds: float = 5.0


class _TimedBytes(io.BytesIO):
    """Bytes that can be read for a limited processor time of this thread, until it is stopped."""

    _deadline = float("inf")
    _reads_until_look = 0

    def limit_seconds(self, seconds: float) -> None:
        """Start the time."""
        self._deadline = time.thread_time() + seconds

    def read(self, size: int | None = -1) -> bytes:
        # Looking at the clock takes longer than most reads, which are those of a header.
        self._reads_until_look -= 1
        if self._reads_until_look < 0 or not 0 <= (size or -1) <= _SMALL_READ_BYTES:
            self._require_time()
            self._reads_until_look = _SMALL_READS_PER_LOOK
        return super().read(size)

    def _require_time(self) -> None:
        if time.thread_time() > self._deadline:
            raise UnreadableImage("takes too long to decode; save it again as PNG or JPEG")
        if is_stopping():
            raise UnreadableImage("was not decoded, because the command was stopped")


@contextmanager
def open_image(source: ImageSource, limits: ImageLimits | None = None) -> Iterator[ImageFile]:
    """Open an image with Pillow, without decoding its pixels.

    Args:
        source: A path, the content of a file, or an open file. A path suffices for the header. The
            time for decoding is limited where the content is given.
        limits: Limits for an untrusted image. None for an image of the user.

    Raises:
        UnreadableImage: The source is not an image, it exceeds a limit, or the block fails to
            decode it.
    """
    opened: ImageFile | None = None
    file: Path | _TimedBytes = _TimedBytes()
    try:
        file = _checked_file(source)
        opened = _open_trusted(file) if limits is None else _open_untrusted(file, limits)
        with opened:
            _check_kind(opened, limits)
            yield opened
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:
        accepted = limits.formats if limits else DECODERS
        content = _content_of(file)
        raise explain_failure(error, content, opened, accepted, pixel_limit(limits)) from error


def read_content(path: Path) -> bytes | Path:
    """Return the content of an image file, or its path if it is larger than the limit.

    Raises:
        FileNotReadable: The system cannot read it, or it is a FIFO, a socket or a device.
    """
    try:
        kind = store.special_kind(path)
        if kind is not None:
            raise FileNotReadable(f"is {kind}, which is never read")
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            return path if size > LARGEST_FILE_BYTES else file.readall()
    except OSError as error:
        raise FileNotReadable(f"cannot be read: {error.strerror or error}") from error


def _checked_file(source: ImageSource) -> Path | _TimedBytes:
    if isinstance(source, Path):
        file: Path | _TimedBytes = source
        kind = store.special_kind(source)
        if kind is not None:
            raise FileNotReadable(f"is {kind}, which is never read")
        size = source.stat().st_size
    else:
        if not isinstance(source, bytes):
            source = source.read(LARGEST_FILE_BYTES + 1)
        file = _TimedBytes(source)
        size = len(source)

    if size == 0:
        raise UnreadableImage("is empty (0 bytes)")
    if size > LARGEST_FILE_BYTES:
        raise UnreadableImage(
            f"is larger than {LARGEST_FILE_BYTES / 1e6:,.0f} MB, the limit; make it smaller: "
            "magick IN -resize 4000x4000 OUT.jpg"
        )
    return file


def _open_trusted(file: Path | _TimedBytes) -> ImageFile:
    """Open an image of the user: any of our decoders, or a plug-in that the user has installed."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(file, _TimedBytes):
        file.limit_seconds(DECODING_SECONDS)
    try:
        image = Image.open(file, formats=DECODERS)
        image.decodermaxblock = TRUSTED_BLOCK_BYTES
        return image
    except Image.DecompressionBombError:
        # Pillow refuses to open what is twice above its limit. A JPEG can be read all the same,
        # at a reduced scale.
        jpeg = open_large_jpeg(file)
        if jpeg is None:
            raise
        return jpeg
    except UnidentifiedImageError:
        decoder = plugin_decoder(identify_file(_content_of(file)).name)
        if decoder is None:
            raise
        return Image.open(file, formats=(decoder,))


def _open_untrusted(file: Path | _TimedBytes, limits: ImageLimits) -> ImageFile:
    from PIL import Image

    timed = _TimedBytes(file.read_bytes()) if isinstance(file, Path) else file
    timed.limit_seconds(limits.seconds)
    image = Image.open(timed, formats=limits.formats)
    image.decodermaxblock = UNTRUSTED_BLOCK_BYTES
    return image


def _content_of(file: Path | _TimedBytes) -> Path | bytes:
    # No view of the buffer: Python 3.13 complains when the file is collected before the view. The
    # bytes are those that the file was made of, without a copy.
    return file if isinstance(file, Path) else file.getvalue()


def _check_kind(image: ImageFile, limits: ImageLimits | None) -> None:
    """Raise an error if an opened image is too large, or is not what Pillow takes it for."""
    least_reduction(image, pixel_limit(limits))
    if limits is not None and image.width * image.height > limits.pixels:
        raise too_many_pixels(image.width * image.height, limits.pixels)

    stream = image.fp
    if stream is None:
        return
    if image.format == "TIFF":
        raw = raw_kind(_first_bytes(stream))
        if raw is not None:
            raise UnreadableImage(raw_photo(raw))
    elif image.format in {"JPEG", "MPO"}:
        _require_end(stream)
    require_few_scans(image, stream)


def pixel_limit(limits: ImageLimits | None) -> int | None:
    """Return the most pixels that may be decoded."""
    from PIL import Image

    return limits.pixels if limits else Image.MAX_IMAGE_PIXELS


def _first_bytes(stream: IO[bytes]) -> bytes:
    position = stream.tell()
    stream.seek(0)
    head = stream.read(_TIFF_HEAD_BYTES)
    stream.seek(position)
    return head


def _require_end(stream: IO[bytes]) -> None:
    """Raise an error if a JPEG ends in zeros before its end marker, as half a download does.

    The decoder would turn them into grey without a word.
    """
    position = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _ZERO_TAIL_BYTES))
    if not stream.read(_ZERO_TAIL_BYTES).strip(b"\0"):
        stream.seek(0)
        content = stream.read().rstrip(b"\0")
        # Coded pixels never hold an end marker. A thumbnail may, but it comes before them.
        if content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
            raise UnreadableImage(
                f"is an incomplete JPEG: of {size:,} bytes, the last {size - len(content):,} are "
                "zeros; download or copy it again"
            )
    stream.seek(position)


@contextmanager
def ignore_decoder_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings about odd metadata. What matters becomes an error or a pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
