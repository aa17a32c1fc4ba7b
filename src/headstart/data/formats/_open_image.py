"""Opening an image file within limits, and the reasons why one cannot be read."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# The only decoders that a file may choose.
DECODERS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
LARGEST_FILE_BYTES = 1 << 28  # Three bytes for each pixel that an image may have.
# Bytes that a decoder is given per read of an untrusted image. Each read checks the deadline.
UNTRUSTED_BLOCK_BYTES = 4096

ImageSource = Path | bytes | IO[bytes]  # a path, the content of a file, or an open file


class UnreadableImage(Exception):
    """An image file that cannot be decoded.

    The text is the reason, and fits after the name of the file: "is empty (0 bytes)".
    """


@dataclass(frozen=True)
class ImageLimits:
    """Limits on the decoding of an untrusted image.

    Attributes:
        formats: Decoders that the image may choose.
        pixels: The most pixels that it may have.
        seconds: The longest time that decoding may take. It is checked whenever the decoder reads
            more bytes. A few kilobytes of a progressive JPEG can demand hundreds of passes over
            all pixels.
    """

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP")
    pixels: int = 50_000_000
    seconds: float = 5.0


class _TimedBytes(io.BytesIO):
    """Bytes that can be read until a deadline, a value of `time.monotonic()`."""

    deadline = float("inf")

    def read(self, size: int | None = -1) -> bytes:
        if time.monotonic() > self.deadline:
            raise UnreadableImage("takes too long to decode")
        return super().read(size)


@contextmanager
def open_image(source: ImageSource, limits: ImageLimits | None = None) -> Iterator[Image]:
    """Open an image with Pillow, without decoding its pixels.

    Args:
        source: A path, the content of a file, or an open file.
        limits: Limits for an untrusted image. None for an image of the user.

    Raises:
        UnreadableImage: The source is not an image, it exceeds a limit, or the block fails to
            decode it.
    """
    from PIL import Image, UnidentifiedImageError

    with _translate_decoder_errors():
        file = _checked_file(source)
        try:
            if limits is None:
                image = Image.open(file, formats=DECODERS)
            else:
                image = Image.open(_timed(file, limits), formats=limits.formats)
        except UnidentifiedImageError:
            raise UnreadableImage("is not an image") from None

        with image:
            if limits is not None:
                image.decodermaxblock = UNTRUSTED_BLOCK_BYTES
            _check_pixels(image, limits.pixels if limits else Image.MAX_IMAGE_PIXELS)
            yield image


def _checked_file(source: ImageSource) -> Path | io.BytesIO:
    if isinstance(source, Path):
        file: Path | io.BytesIO = source
        size = source.stat().st_size
    else:
        if not isinstance(source, bytes):
            source = source.read(LARGEST_FILE_BYTES + 1)
        file = io.BytesIO(source)
        size = len(source)

    if size == 0:
        raise UnreadableImage("is empty (0 bytes)")
    if size > LARGEST_FILE_BYTES:
        raise UnreadableImage(f"is larger than {LARGEST_FILE_BYTES / 1e6:,.0f} MB, the limit")
    return file


def _timed(file: Path | io.BytesIO, limits: ImageLimits) -> _TimedBytes:
    timed = _TimedBytes(file.read_bytes() if isinstance(file, Path) else file.getbuffer())
    timed.deadline = time.monotonic() + limits.seconds
    return timed


def _check_pixels(image: Image, limit: int | None) -> None:
    pixels = image.width * image.height
    if limit is not None and pixels > limit:
        raise UnreadableImage(
            f"has {pixels / 1e6:,.0f} million pixels; the limit is {limit / 1e6:,.0f} million"
        )


@contextmanager
def _translate_decoder_errors() -> Iterator[None]:
    from PIL import Image

    try:
        yield
    except (UnreadableImage, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage("has far more pixels than a photograph") from error
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Damaged files make Pillow's decoders raise SyntaxError, struct.error, IndexError and more.
        raise UnreadableImage(f"is damaged: {error}") from error


@contextmanager
def ignore_decoder_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings about odd metadata. What matters becomes an error or a pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
