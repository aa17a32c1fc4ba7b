"""The identity of the decoders: what decides, besides a file and our rules, what it decodes to."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from headstart.data.formats.images._plugins import PACKAGES

# Libraries that Pillow hands the content of a file to, and littlecms2 for colour profiles. Versions
# of libjpeg-turbo and libwebp differ by single levels of brightness. zlib is not among them: what
# it returns is exact.
_LIBRARIES = ("jpg", "libjpeg_turbo", "webp", "avif", "jpg_2000", "libtiff", "littlecms2")


@cache
def decoder_identity() -> str:
    """Return the versions of Pillow, its libraries and the installed plug-ins, as one text.

    It is a part of the keys of decoded images. Another version of a decoder may return other
    pixels, and a plug-in reads files that were left out before.
    """
    from PIL import features

    versions = [f"pillow {pillow_version()}"]
    versions += [f"{name} {features.version(name)}" for name in _LIBRARIES if features.check(name)]
    for package in PACKAGES.values():
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)


def pillow_version() -> str:
    """Return the version of Pillow, which decides how an image is resized."""
    import PIL

    return PIL.__version__
