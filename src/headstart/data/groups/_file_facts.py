"""Headers of image files: size, mode, format, encoding, camera and time."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data._threads import map_in_threads
from headstart.data._types import Dataset, Indices
from headstart.data.formats.images._open_image import (
    UnreadableImage,
    ignore_decoder_warnings,
    open_image,
)
from headstart.data.formats.images._orientation import SIDEWAYS_ORIENTATIONS, orientation_of

if TYPE_CHECKING:
    from PIL.Image import Image

_MAKE, _MODEL, _CHANGED = 0x010F, 0x0110, 0x0132
_EXIF_FOLDER, _TAKEN, _FRACTION, _SERIAL = 0x8769, 0x9003, 0x9291, 0xA431


@dataclass(frozen=True)
class FileFacts:
    """Headers of the N image files of a dataset, in its order.

    Attributes:
        size_bytes: Int64 array of shape (N,).
        width: Int64 array of shape (N,), in pixels of the upright image. 0 for a file that cannot
            be opened.
        height: The same for the height.
        mode: N modes of Pillow, such as "RGB" or "L". Empty for a file that cannot be opened.
        file_format: N formats of Pillow, such as "JPEG".
        jpeg_quantization: Float64 array of shape (N,), the mean entry of the JPEG's quantization
            table for luminance. Higher means a stronger compression. NaN for other formats.
        camera: N makers, models and serial numbers from EXIF, or empty.
        taken: Float64 array of shape (N,), seconds since 1970 of the camera's clock, or NaN.
    """

    size_bytes: NDArray[np.int64]
    width: NDArray[np.int64]
    height: NDArray[np.int64]
    mode: tuple[str, ...]
    file_format: tuple[str, ...]
    jpeg_quantization: NDArray[np.float64]
    camera: tuple[str, ...]
    taken: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.size_bytes)


@dataclass(frozen=True)
class _Header:
    """Facts of one file. The fields are those of `FileFacts`."""

    size_bytes: int = 0
    width: int = 0
    height: int = 0
    mode: str = ""
    file_format: str = ""
    jpeg_quantization: float = float("nan")
    camera: str = ""
    taken: float = float("nan")


def image_paths(dataset: Dataset) -> tuple[Path, ...] | None:
    """Return the image file of each image, or None if the images have no files of their own.

    Only the first file is looked for on disk.
    """
    source = Path(dataset.source)
    if not dataset.source or not source.is_absolute():
        return None
    root = source if source.is_dir() else source.parent
    names = dataset.image_names
    if not names or not (root / names[0]).is_file():
        return None
    return tuple(root / name for name in names)


def read_file_facts(dataset: Dataset, rows: Indices | None = None) -> FileFacts | None:
    """Read the headers of the image files of a dataset, on all usable cores.

    Pixels are not decoded. A file that cannot be opened has an empty mode.

    Args:
        dataset: The dataset.
        rows: Indices of the images whose files are read, in the order of the facts. None reads
            all.

    Returns:
        The facts, or None if the images have no files of their own, as in a named dataset.
    """
    paths = image_paths(dataset)
    if paths is None:
        return None
    if rows is not None:
        paths = tuple(paths[row] for row in rows.tolist())

    with ignore_decoder_warnings():
        headers = map_in_threads(_read_header, paths, "reading file headers", "files")
    return FileFacts(
        size_bytes=np.array([header.size_bytes for header in headers], np.int64),
        width=np.array([header.width for header in headers], np.int64),
        height=np.array([header.height for header in headers], np.int64),
        mode=tuple(header.mode for header in headers),
        file_format=tuple(header.file_format for header in headers),
        jpeg_quantization=np.array([header.jpeg_quantization for header in headers], np.float64),
        camera=tuple(header.camera for header in headers),
        taken=np.array([header.taken for header in headers], np.float64),
    )


def _read_header(path: Path) -> _Header:
    try:
        with open_image(path) as image:
            camera, taken = _camera_and_time(image)
            width, height = image.size
            if orientation_of(image) in SIDEWAYS_ORIENTATIONS:
                width, height = height, width
            return _Header(
                size_bytes=path.stat().st_size,
                width=width,
                height=height,
                mode=image.mode,
                file_format=image.format or "",
                jpeg_quantization=_mean_quantization(image),
                camera=camera,
                taken=taken,
            )
    except (UnreadableImage, OSError):
        return _Header()


def _mean_quantization(image: Image) -> float:
    tables = getattr(image, "quantization", None)
    if not tables:
        return float("nan")
    return float(np.mean(tables[min(tables)]))


def _camera_and_time(image: Image) -> tuple[str, float]:
    """Return the camera and the time of EXIF. Damaged EXIF counts as none."""
    # Pillow would decode all of a PNG to look for EXIF behind the pixels.
    if "exif" not in image.info:
        return "", float("nan")
    try:
        exif = image.getexif()
        details = exif.get_ifd(_EXIF_FOLDER)
        values = [exif.get(_MAKE), exif.get(_MODEL), details.get(_SERIAL)]
        camera = _camera_name(*(str(value or "").strip("\0 ") for value in values))
        # The time of the last change is that of an editor. It serves where nothing else is known.
        moment = details.get(_TAKEN) or exif.get(_CHANGED)
        return camera, _seconds(moment, details.get(_FRACTION))
    except Exception:
        # Pillow raises many kinds of exceptions for damaged EXIF. The pixels are not affected.
        return "", float("nan")


def _camera_name(maker: str, model: str, serial: str) -> str:
    """Return maker, model and serial number. Many models name their maker: "Canon EOS 550D"."""
    names_maker = maker and model.casefold().startswith(maker.split()[0].casefold())
    return " ".join(word for word in ("" if names_maker else maker, model, serial) if word)


def _seconds(moment: object, fraction: object) -> float:
    """Return seconds since 1970 of a text such as "2017:12:12 11:11:40", or NaN."""
    try:
        parsed = time.strptime(str(moment).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return float("nan")
    digits = str(fraction or "").strip("\0 ")
    return calendar.timegm(parsed) + (float(f"0.{digits}") if digits.isdecimal() else 0.0)
