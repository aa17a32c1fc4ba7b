"""Formats of pictures that are not read, and the programs that convert them."""

from __future__ import annotations

_MAGICK = "magick mogrify -format png *{suffix}"
_DEVELOP = "develop them to JPEG or 16-bit TIFF"
_PROGRAM_OF_SUFFIX = {
    **dict.fromkeys((".tga", ".ico", ".psd", ".pcx", ".sgi", ".dds", ".exr", ".hdr"), _MAGICK),
    **dict.fromkeys((".xcf", ".eps", ".qoi", ".xpm", ".xbm"), _MAGICK),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _DEVELOP),
    **dict.fromkeys((".dcm", ".dicom"), "dcm2pnm +on2 IN OUT.png"),
    ".svg": "rsvg-convert IN.svg -o OUT.png",
}


def conversion_of(suffix: str) -> str | None:
    """Return a sentence that converts pictures with this suffix, or None for any other file."""
    program = _PROGRAM_OF_SUFFIX.get(suffix.lower())
    if program is None:
        return None
    return f"Convert them: {program.replace('{suffix}', suffix)}."
