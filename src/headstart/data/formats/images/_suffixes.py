"""The suffixes of image files and other pictures, and the formats that they stand for."""

# Decoders by suffix. HEIC and JPEG XL are listed although they need a plug-in: a photo that cannot
# be read must not be missing from its class with nothing but a line on stderr.
FORMATS_OF_SUFFIX = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi"), ("JPEG", "MPO")),
    **dict.fromkeys((".pjpeg", ".pjp", ".mpo"), ("JPEG", "MPO")),
    **dict.fromkeys((".png", ".apng"), ("PNG",)),
    **dict.fromkeys((".bmp", ".dib"), ("BMP",)),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
    **dict.fromkeys((".tif", ".tiff"), ("TIFF",)),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), ("PPM",)),
    **dict.fromkeys((".avif", ".avifs"), ("AVIF",)),
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx"), ("JPEG2000",)),
    **dict.fromkeys((".heic", ".heif", ".hif"), ("HEIF",)),
    ".jxl": ("JXL",),
}
IMAGE_SUFFIXES = frozenset(FORMATS_OF_SUFFIX)
# The suffix to give to a file without one, by the name of its format.
USUAL_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif", "WebP": ".webp", "BMP": ".bmp"}

# The only decoders that a file may choose. A plug-in of the user adds HEIF or JXL.
DECODERS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")

_SHOWN_NAMES = {
    "MPO": "JPEG",
    "WEBP": "WebP",
    "JPEG2000": "JPEG 2000",
    "HEIF": "HEIC",
    "JXL": "JPEG XL",
}

# Programs that convert pictures of formats that are not read.
_MAGICK = "magick mogrify -format png *{suffix}"
_DEVELOP = "develop them to JPEG or 16-bit TIFF"
_PROGRAM_OF_SUFFIX = {
    **dict.fromkeys((".tga", ".ico", ".psd", ".pcx", ".sgi", ".dds", ".exr", ".hdr"), _MAGICK),
    **dict.fromkeys((".xcf", ".eps", ".qoi", ".xpm", ".xbm"), _MAGICK),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"), _DEVELOP),
    **dict.fromkeys((".dcm", ".dicom"), "dcm2pnm +on2 IN OUT.png"),
    ".svg": "rsvg-convert IN.svg -o OUT.png",
}


def format_name(decoder: str | None) -> str:
    """Return the name of a format as people write it, such as "WebP"."""
    return _SHOWN_NAMES.get(decoder or "", decoder or "image")


def conversion_of(suffix: str) -> str | None:
    """Return a sentence that converts pictures with this suffix, or None for any other file."""
    program = _PROGRAM_OF_SUFFIX.get(suffix.lower())
    if program is None:
        return None
    return f"Convert them: {program.replace('{suffix}', suffix)}."
