"""The suffixes of image files, and the formats that they stand for."""

# Decoders by suffix. HEIC and JPEG XL are listed although they need a plug-in: a photo that cannot
# be read must not be missing from its class with nothing but a line on stderr.
FORMATS_OF_SUFFIX = {
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".jpe": ("JPEG", "MPO"),
    ".jif": ("JPEG", "MPO"),
    ".jfif": ("JPEG", "MPO"),
    ".jfi": ("JPEG", "MPO"),
    ".pjpeg": ("JPEG", "MPO"),
    ".pjp": ("JPEG", "MPO"),
    ".mpo": ("JPEG", "MPO"),
    ".png": ("PNG",),
    ".apng": ("PNG",),
    ".bmp": ("BMP",),
    ".dib": ("BMP",),
    ".gif": ("GIF",),
    ".webp": ("WEBP",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
    ".ppm": ("PPM",),
    ".pgm": ("PPM",),
    ".pbm": ("PPM",),
    ".pnm": ("PPM",),
    ".pfm": ("PPM",),
    ".avif": ("AVIF",),
    ".avifs": ("AVIF",),
    ".jp2": ("JPEG2000",),
    ".j2k": ("JPEG2000",),
    ".jpf": ("JPEG2000",),
    ".jpx": ("JPEG2000",),
    ".heic": ("HEIF",),
    ".heif": ("HEIF",),
    ".hif": ("HEIF",),
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


def format_name(decoder: str | None) -> str:
    """Return the name of a format as people write it, such as "WebP"."""
    return _SHOWN_NAMES.get(decoder or "", decoder or "image")
