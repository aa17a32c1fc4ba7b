"""Decoding of one image file: upright, grey or RGB, eight bits, one size.

Every image file that Headstart opens is opened here. docs/data.md has the table of kinds of pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import Resize
from headstart.data.formats.images._colour_profiles import convert_to_srgb, srgb_transform
from headstart.data.formats.images._costly_images import least_reduction
from headstart.data.formats.images._open_image import (
    LARGEST_FILE_BYTES,
    ImageLimits,
    ImageSource,
    open_image,
    pixel_limit,
    read_content,
)
from headstart.data.formats.images._orientation import (
    SIDEWAYS_ORIENTATIONS,
    orientation_of,
    turn_box_upright,
    turn_upright,
)
from headstart.data.formats.images._pixel_scales import (
    WideRange,
    is_nearly_black,
    measure,
    to_eight_bits,
)
from headstart.data.formats.images._png_pixels import without_metadata
from headstart.data.formats.images._reading_notes import (
    BRIGHTER_THAN_SCALE,
    COLOUR_PROFILE,
    DARK_WIDE_PIXELS,
    HIDDEN_BY_ALPHA,
    REDUCED_SCALE,
    SEVERAL_FRAMES,
    UNREADABLE_METADATA,
    VERY_LONG,
    WIDE_PIXELS,
    ImageNotes,
    NoteKind,
    other_suffix,
)
from headstart.data.formats.images._reduced_scale import reduce_scale
from headstart.data.formats.images._resize import fit
from headstart.data.formats.images._suffixes import FORMATS_OF_SUFFIX, format_name
from headstart.data.formats.images._unreadable import ScaleNeeded, UnreadableMetadata
from headstart.data.formats.images._wide_pixels import (
    Reopen,
    is_wide,
    is_wide_grey,
    read_wide,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

# Raise this when the rules of decoding change. Datasets in the cache are then decoded again.
PIXEL_RULES = 3
MOST_TIMES_AS_LONG = 20  # At 128 pixels, 6 are left of the other edge.
UNDECIDED = -1.0  # as `pixel_max`: the scale of the dataset is not known yet


class Header(NamedTuple):
    """Size and kind of an image file, read from its first bytes.

    Attributes:
        height: Height of the upright image, in pixels.
        width: Width of the upright image, in pixels.
        is_grey: Whether the image has one colour channel.
        is_wide: Whether the image has more than eight bits per channel.
    """

    height: int
    width: int
    is_grey: bool
    is_wide: bool = False


def read_header(source: ImageSource, limits: ImageLimits | None = None) -> Header:
    """Read the size and kind of an image file without decoding its pixels.

    Args:
        source: A path, the content of a file, or an open file.
        limits: Limits for an untrusted image.

    Raises:
        UnreadableImage: The source is not an image, or it exceeds a limit.
    """
    source = _repeatable(source)
    try:
        return _read_header(source, limits)
    except UnreadableMetadata:
        return _read_header(_stripped(source), limits)


def _read_header(source: Path | bytes, limits: ImageLimits | None) -> Header:
    with open_image(source, limits) as image:
        width, height = image.size
        # Pillow opens a TIFF with its upright size. It would decode all of a PNG to look for EXIF
        # behind the pixels. `fit` copes with the few PNGs that have it there.
        if orientation_of(image) in SIDEWAYS_ORIENTATIONS:
            width, height = height, width
        return Header(height, width, _is_grey(image), is_wide(image))


def read_image(
    source: ImageSource,
    shape: tuple[int, int, int],
    resize: Resize,
    limits: ImageLimits | None = None,
    pixel_max: float | None = None,
    notes: ImageNotes | None = None,
) -> NDArray[np.uint8]:
    """Decode an image file.

    The image is turned upright. Transparent pixels become white, and colours become those of sRGB.
    A palette or CMYK image becomes RGB, and more than 8 bits are scaled to 8. Only the first frame
    of an animation is read. docs/data.md has the rule for each kind of pixels.

    Args:
        source: A path, the content of a file, or an open file.
        shape: Height, width and channels of the result. One channel is grey, three are RGB.
        resize: How an image of another shape is fitted. See `fit`.
        limits: Limits for an untrusted image.
        pixel_max: Value of full brightness in pixels of more than 8 bits. None for 65535.
            `UNDECIDED` raises `ScaleNeeded` for such pixels.
        notes: Takes what is converted or guessed.

    Returns:
        Uint8 array of the given shape.

    Raises:
        UnreadableImage: The source is not an image, is damaged, exceeds a limit, or has pixels
            of an unknown scale.
    """
    source = _with_content(source)
    read = partial(_read_image, limits=limits, pixel_max=pixel_max, notes=notes)
    try:
        return read(source, shape, resize)
    except UnreadableMetadata:
        pixels = read(_stripped(source), shape, resize)
        _note(notes, UNREADABLE_METADATA)
        return pixels


def _read_image(
    source: Path | bytes,
    shape: tuple[int, int, int],
    resize: Resize,
    *,
    limits: ImageLimits | None,
    pixel_max: float | None,
    notes: ImageNotes | None,
) -> NDArray[np.uint8]:
    height, width, channels = shape
    with open_image(source, limits) as image:
        _note_kind(image, notes)
        _note_length(image, shape, resize, notes)
        if least_reduction(image, pixel_limit(limits)) > 1:
            _note(notes, REDUCED_SCALE)
        box = reduce_scale(image, shape, resize, pixel_limit(limits))
        is_grey = _is_grey(image)
        if is_wide(image):
            flat = _flatten_wide(image, partial(open_image, source, limits), pixel_max, notes)
        else:
            image.load()
            flat = image

        profile = image.info.get("icc_profile")
        orientation = orientation_of(image)
        if box is not None:
            box = turn_box_upright(box, image.size, orientation)
        upright = turn_upright(flat, orientation)
        if upright.mode == "CMYK":
            opaque = _cmyk_to_rgb(upright, profile, notes)
            profile = None
        else:
            opaque = _without_alpha(upright, "L" if is_grey else "RGB", notes)

        mode = "L" if channels == 1 else "RGB"
        transform = srgb_transform(profile, opaque.mode)
        if transform is None:
            pixels = fit(_in_mode(opaque, mode), height, width, resize, box)
        else:
            _note(notes, COLOUR_PROFILE)
            fitted = fit(opaque, height, width, resize, box)  # first: it leaves fewer pixels
            pixels = _in_mode(convert_to_srgb(fitted, transform), mode)
        return np.asarray(pixels).reshape(shape)


def measure_image(source: ImageSource) -> WideRange | None:
    """Return the range of an image with more than eight bits per channel. None for any other.

    Raises:
        UnreadableImage: The source is not an image, or is damaged.
    """
    source = _with_content(source)
    try:
        return _measure_image(source)
    except UnreadableMetadata:
        return _measure_image(_stripped(source))


def _measure_image(source: Path | bytes) -> WideRange | None:
    with open_image(source) as image:
        if not is_wide(image):
            return None
        return measure(read_wide(image, partial(open_image, source)))


def _repeatable(source: ImageSource) -> Path | bytes:
    """Return a source that can be read more than once."""
    return source if isinstance(source, Path | bytes) else source.read(LARGEST_FILE_BYTES + 1)


def _with_content(source: ImageSource) -> Path | bytes:
    """Return the content of a file, whose decoding can be timed, or the path of one too large."""
    return read_content(source) if isinstance(source, Path) else _repeatable(source)


def _stripped(source: Path | bytes) -> bytes:
    return without_metadata(source.read_bytes() if isinstance(source, Path) else source)


def _note(notes: ImageNotes | None, kind: NoteKind) -> None:
    if notes is not None:
        notes.add(kind)


def _note_kind(image: ImageFile, notes: ImageNotes | None) -> None:
    if notes is None:
        return
    if getattr(image, "is_animated", False):
        notes.add(SEVERAL_FRAMES)
    formats = FORMATS_OF_SUFFIX.get(Path(notes.name).suffix.lower())
    if formats is not None and image.format not in formats:
        notes.add(other_suffix(format_name(image.format)))


def _note_length(
    image: ImageFile, shape: tuple[int, int, int], resize: Resize, notes: ImageNotes | None
) -> None:
    """Note an image that is so long that fitting it leaves little, such as 1x10000 pixels."""
    longest, shortest = max(image.size), min(image.size)
    is_fitted = resize != "squish" and longest > max(shape[:2])
    if is_fitted and longest > MOST_TIMES_AS_LONG * shortest:
        _note(notes, VERY_LONG)


def _is_grey(image: ImageFile) -> bool:
    return image.mode in {"1", "L", "LA", "La"} or is_wide_grey(image)


def _flatten_wide(
    image: ImageFile, reopen: Reopen, pixel_max: float | None, notes: ImageNotes | None
) -> Image:
    """Decode an image with more than eight bits per channel, and scale it to eight."""
    from PIL import Image

    if pixel_max == UNDECIDED:
        raise ScaleNeeded
    _note(notes, WIDE_PIXELS)
    wide = read_wide(image, reopen)
    levels, exceeds_scale = to_eight_bits(wide, pixel_max)
    if exceeds_scale:
        _note(notes, BRIGHTER_THAN_SCALE)
    if pixel_max is None and is_nearly_black(wide):
        _note(notes, DARK_WIDE_PIXELS)

    flat = Image.frombytes(_mode_of(levels), levels.shape[1::-1], levels.tobytes())
    if wide.alpha is not None:
        flat.putalpha(Image.fromarray(wide.alpha))
    return flat


def _mode_of(levels: NDArray[np.uint8]) -> str:
    if levels.ndim == 2:
        return "L"
    return {3: "RGB", 4: "CMYK"}[levels.shape[2]]


def _cmyk_to_rgb(image: Image, profile: object, notes: ImageNotes | None) -> Image:
    """Convert by the profile of the inks, or without one by subtraction from white."""
    transform = srgb_transform(profile, "CMYK")
    if transform is None:
        return image.convert("RGB")
    _note(notes, COLOUR_PROFILE)
    return convert_to_srgb(image, transform)


def _without_alpha(image: Image, mode: str, notes: ImageNotes | None) -> Image:
    """Convert an image to mode L or RGB, over white where it is transparent."""
    from PIL import Image

    if image.mode == "La":
        image = image.convert("LA")
    if image.mode == "LAB":
        image = image.convert("RGB")
    if not image.has_transparency_data:
        return _in_mode(image, mode)

    transparent = _in_mode(image, "RGBA")
    if transparent.getchannel("A").getextrema() == (0, 0):
        _note(notes, HIDDEN_BY_ALPHA)
        return _in_mode(transparent.convert("RGB"), mode)
    white = Image.new("RGB", image.size, "white")
    white.paste(transparent, mask=transparent)
    return _in_mode(white, mode)


def _in_mode(image: Image, mode: str) -> Image:
    """Convert an image to a mode, without a copy if it has that mode already."""
    return image if image.mode == mode else image.convert(mode)
