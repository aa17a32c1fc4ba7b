"""One image file to pixels: RGB or grey, upright, eight bits, one size. Whoever opens an image file does it here."""

from __future__ import annotations

import io
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._cache import memory_map
from headstart.data._memory_maps import put
from headstart.data._thumbnails import to_pil_image
from headstart.data._types import Resize
from headstart.errors import InputError
from headstart.machine import usable_cores

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
FORMATS = (
    "JPEG",
    "PNG",
    "BMP",
    "GIF",
    "WEBP",
    "TIFF",
    "PPM",
)  # the only decoders that a file may choose
LARGEST_KEPT_PX = 256  # images of one size are kept as they are up to this side
DEFAULT_SIZE_PX = 128  # side of the square that all others become; a guess at laptop speed, nobody has measured it
DRAFT_MARGIN = 2  # a JPEG is decoded at 2 to 4 times the wanted size, so that resizing still averages over pixels
SENT_BLOCK_BYTES = (
    4096  # that a decoder is given at a time, so that it is asked about its deadline often
)
BATCH = 256  # images handed to the threads at a time: what an interrupt still waits for
NAMED_FAILURES = 5
LARGEST_FILE_BYTES = 1 << 28  # three bytes for each pixel that an image may have
SENT_AT_ONCE_PX = 12_000_000  # strangers' images above wait for each other
ORIENTATION, TURNED = (
    0x0112,
    (5, 6, 7, 8),
)  # EXIF tag, and its values that exchange width and height

ImageSource = Path | bytes | IO[bytes]  # a file, its content, or a file that is open
Item = TypeVar("Item")
Result = TypeVar("Result")
_one_large = threading.Lock()


class Header(NamedTuple):
    """What the first bytes of an image file say: size in pixels when upright, and whether it has one colour channel."""

    height: int
    width: int
    is_grey: bool


@dataclass(frozen=True)
class ImageLimits:
    """What the content of an image may ask of its decoder, where a stranger sent it.

    Attributes:
        formats: decoders that it may choose.
        pixels: the most it may have.
        seconds: of decoding, looked at whenever the decoder asks for more bytes. A few kilobytes of a progressive JPEG can order
            hundreds of passes over all pixels.
    """

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP")
    pixels: int = 50_000_000
    seconds: float = 5.0


class _Timed(io.BytesIO):
    """Bytes that can be read until a deadline; time.monotonic() of it."""

    deadline = float("inf")

    def read(self, size: int | None = -1) -> bytes:
        if time.monotonic() > self.deadline:
            raise UnreadableImage("takes too long to decode")
        return super().read(size)


class UnreadableImage(Exception):
    """An image file that gives no pixels; its text is the reason, fit to follow the file's name."""


def decode_files(
    root: Path, names: Sequence[str], building: Path, image_size: int | None, resize: Resize
) -> NDArray[np.uint8]:
    """Decode image files into one memory map; memory stays flat however many there are.

    The first pass reads headers and settles one shape: the images' own where all are alike and no side is over 256
    pixels, else a square of `image_size` (default 128). They are grey only if every one of them is.

    Args:
        root: folder that `names` are relative to.
        building: folder for `images.npy`.
        image_size: side of the square, in pixels; None lets the images decide.
        resize: how an image of another shape becomes that square; see `fit`.

    Returns:
        `(N, H, W, C)` uint8, C = 1 or 3, in the order of `names`.

    Raises:
        InputError: images that cannot be read: how many, and up to five of them with the reason.
    """
    with _no_decoder_chatter():
        headers = in_threads(
            lambda name: _attempt(lambda: read_header(root / name)), names, f"reading {root.name}"
        )
        failed = {
            name: str(found)
            for name, found in zip(names, headers, strict=True)
            if isinstance(found, UnreadableImage)
        }
        shape = common_shape([found for found in headers if isinstance(found, Header)], image_size)
        images = memory_map(building, len(names), shape)

        def decode(row: int) -> UnreadableImage | None:
            def place() -> None:
                put(images, row, read_image(root / names[row], shape, resize))

            return _attempt(place) if names[row] not in failed else None

        results = in_threads(decode, range(len(names)), f"decoding {root.name}")
    failed |= {
        name: str(found) for name, found in zip(names, results, strict=True) if found is not None
    }
    if failed:
        raise _unreadable(root, failed, len(names))
    return images


def read_images(
    sources: Sequence[ImageSource], shape: tuple[int, int, int], resize: Resize
) -> list[NDArray[np.uint8] | UnreadableImage]:
    """`read_image` of each source, on all processors; where one gives no pixels, the reason stands in its place."""
    with _no_decoder_chatter():
        return in_threads(
            lambda source: _attempt(lambda: read_image(source, shape, resize)),
            sources,
            "reading images",
        )


def read_untrusted_image(
    content: bytes,
    shape: tuple[int, int, int] | None,
    resize: Resize,
    caps: ImageLimits | None = None,
) -> NDArray[np.uint8]:
    """`read_image` of bytes that a stranger sent; of large images one at a time, as each may take 400 MB.

    Args:
        shape: None for the image's own size, in grey.

    Raises:
        UnreadableImage: as `read_image`, and what exceeds `caps`.
    """
    caps = caps or ImageLimits()

    def read() -> NDArray[np.uint8]:
        header = read_header(content, caps)
        with _one_large if header.height * header.width > SENT_AT_ONCE_PX else nullcontext():
            return read_image(content, shape or (header.height, header.width, 1), resize, caps)

    found = _attempt(read)
    if isinstance(found, UnreadableImage):
        raise found
    return found


def common_shape(headers: Sequence[Header], image_size: int | None) -> tuple[int, int, int]:
    """The `(H, W, C)` that images with these headers share; see `decode_files`."""
    channels = 1 if all(header.is_grey for header in headers) else 3
    sizes = {(header.height, header.width) for header in headers}
    if image_size is None and len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST_KEPT_PX:
        return (*sizes.pop(), channels)
    side = image_size or DEFAULT_SIZE_PX
    return side, side, channels


def read_header(source: ImageSource, caps: ImageLimits | None = None) -> Header:
    """Size and kind of an image file; its pixels are not decoded.

    Raises:
        UnreadableImage: it is no image, or one that must not be opened.
    """
    with _opened(source, caps) as image:
        width, height = image.size
        # Not asked of TIFF, which Pillow opens with its upright size, nor of a PNG that has no EXIF before its pixels: Pillow
        # would decode all of it to look behind them. `fit` copes with the few PNGs that have it there.
        turned = "exif" in image.info and image.getexif().get(ORIENTATION) in TURNED
        return Header(*((width, height) if turned else (height, width)), is_grey=_is_grey(image))


def count_untrusted_pixels(content: bytes, caps: ImageLimits | None = None) -> int:
    """How many pixels an image that a stranger sent says that it has; they are not decoded.

    Raises:
        UnreadableImage: as `read_header`.
    """
    found = _attempt(lambda: read_header(content, caps or ImageLimits()))
    if isinstance(found, UnreadableImage):
        raise found
    return found.height * found.width


def read_image(
    source: ImageSource,
    shape: tuple[int, int, int],
    resize: Resize,
    caps: ImageLimits | None = None,
) -> NDArray[np.uint8]:
    """The pixels of an image file, upright, as `(H, W, C)` uint8 of the wanted `shape`: RGB order, or grey.

    Transparent pixels show white. A palette or CMYK image becomes RGB; 16-bit grey is scaled to 8; of an animation the
    first frame counts.

    Raises:
        UnreadableImage: it is no image, damaged, or of a kind without a known scale.
    """
    from PIL import ImageOps

    height, width, channels = shape
    with _opened(source, caps) as image:
        side = max(image.size) if resize == "pad" else min(image.size)
        factor = DRAFT_MARGIN * max(height, width) / side
        image.draft(image.mode, (round(image.width * factor), round(image.height * factor)))
        ImageOps.exif_transpose(
            image, in_place=True
        )  # in place: the alternative is a copy, also of what is upright
        plain = _in_mode(_eight_bits(image, image.format or ""), "L" if channels == 1 else "RGB")
        pixels = np.asarray(fit(plain, height, width, resize))
    return pixels.reshape(shape)


def fit(image: Image, height: int, width: int, resize: Resize) -> Image:
    """An image of another size, antialiased (bicubic over all source pixels).

    pad keeps the whole image and its proportions and fills the rest with black; crop cuts the longer side off around
    the centre; squish changes the proportions.
    """
    from PIL import Image, ImageOps

    if image.size == (width, height):
        return image
    if resize == "squish":
        return image.resize((width, height), Image.Resampling.BICUBIC)
    if resize == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
    scale = min(width / image.width, height / image.height)
    inner = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
        Image.Resampling.BICUBIC,
    )
    padded = Image.new(image.mode, (width, height), 0)
    padded.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return padded


def resize_pixels(
    pixels: NDArray[np.uint8], shape: tuple[int, int, int], resize: Resize
) -> NDArray[np.uint8]:
    """`fit` for an image that is an array already, `(H, W, C)` uint8; the number of channels stays."""
    return np.asarray(fit(to_pil_image(pixels), shape[0], shape[1], resize)).reshape(shape)


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], title: str, unit: str = "images"
) -> list[Result]:
    """`work` of each item in order, on all processors (Pillow decodes outside the interpreter's lock), with progress."""
    results: list[Result] = []
    with progress.task(title, len(items), unit) as task, ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(items), BATCH):
            for result in pool.map(work, items[start : start + BATCH]):
                results.append(result)
                task.advance()
    return results


@contextmanager
def _opened(source: ImageSource, caps: ImageLimits | None = None) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    if not isinstance(source, Path):
        source = io.BytesIO(
            source if isinstance(source, bytes) else source.read(LARGEST_FILE_BYTES + 1)
        )
    size = source.stat().st_size if isinstance(source, Path) else len(source.getbuffer())
    if size == 0:
        raise UnreadableImage("is empty (0 bytes)")
    if size > LARGEST_FILE_BYTES:
        raise UnreadableImage(
            f"is larger than {LARGEST_FILE_BYTES / 1e6:,.0f} MB, the most that is opened"
        )
    try:
        image = Image.open(
            _timed(source, caps) if caps else source, formats=caps.formats if caps else FORMATS
        )
    except UnidentifiedImageError:
        raise UnreadableImage("is not an image") from None
    with image:
        limit = caps.pixels if caps else Image.MAX_IMAGE_PIXELS
        if caps:
            image.decodermaxblock = SENT_BLOCK_BYTES
        if limit is not None and image.width * image.height > limit:
            millions = image.width * image.height / 1e6
            raise UnreadableImage(
                f"has {millions:,.0f} million pixels; the most is {limit / 1e6:,.0f} million"
            )
        yield image


def _timed(source: Path | io.BytesIO, caps: ImageLimits) -> _Timed:
    timed = _Timed(source.read_bytes() if isinstance(source, Path) else source.getbuffer())
    timed.deadline = time.monotonic() + caps.seconds
    return timed


def _attempt(work: Callable[[], Result]) -> Result | UnreadableImage:
    from PIL import Image

    try:
        return work()
    except UnreadableImage as error:
        return error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return UnreadableImage("has far more pixels than a photograph")
    except OSError as error:
        return UnreadableImage(f"cannot be read: {error.strerror or error}")
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow's decoders raise SyntaxError, struct.error, IndexError and more
        return UnreadableImage(f"is damaged: {error}")


@contextmanager
def _no_decoder_chatter() -> Iterator[None]:
    """Pillow's warnings about odd metadata are not for the user: what matters becomes an error or a pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _is_grey(image: Image) -> bool:
    return image.mode in {"1", "L", "LA", "I", "F"} or image.mode.startswith("I;16")


def _eight_bits(image: Image, file_format: str) -> Image:
    """`image` as L or RGB without transparency."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and file_format in {"PNG", "PPM"}):
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide + 128) // 257).astype(np.uint8))  # 257 = 65535 / 255
    if image.mode in {"I", "F"}:
        raise UnreadableImage(
            "has 32-bit pixels, whose scale is unknown; save it with 8 or 16 bits"
        )
    plain = "L" if _is_grey(image) else "RGB"
    if image.has_transparency_data:
        see_through, sheet = _in_mode(image, "RGBA"), Image.new("RGB", image.size, "white")
        sheet.paste(see_through, mask=see_through)
        return _in_mode(sheet, plain)
    return _in_mode(image, plain)


def _in_mode(image: Image, mode: str) -> Image:
    """`image.convert(mode)`, without the copy where that is its mode."""
    return image if image.mode == mode else image.convert(mode)


def _unreadable(root: Path, failed: dict[str, str], count: int) -> InputError:
    lines = [f"{name} {reason}" for name, reason in list(failed.items())[:NAMED_FAILURES]]
    if len(failed) > NAMED_FAILURES:
        lines.append(f"and {len(failed) - NAMED_FAILURES:,} more")
    return InputError(
        f"{len(failed):,} of {count:,} images in {root} cannot be used:\n    "
        + "\n    ".join(lines),
        "Repair or remove them, then run again.",
    )
