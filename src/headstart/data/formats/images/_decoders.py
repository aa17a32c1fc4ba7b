"""The decoders: those of Pillow, the plug-ins that the user may have installed, and their versions.

Plug-ins are pillow-heif (HEIC) and pillow-jxl-plugin (JPEG XL). Their wheels carry code under
copyleft licences, so Headstart does not depend on them.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from importlib import metadata

# The module of a plug-in and the name of the decoder that it registers, by the kind of a file.
_MODULES = {"HEIC": ("pillow_heif", "HEIF"), "JPEG XL": ("pillow_jxl", "JXL")}
PACKAGES = {"HEIC": "pillow-heif", "JPEG XL": "pillow-jxl-plugin"}
# Libraries that Pillow hands the content of a file to, and littlecms2 for colour profiles. Versions
# of libjpeg-turbo and libwebp differ by single levels of brightness. zlib is not among them: what
# it returns is exact.
_LIBRARIES = ("jpg", "libjpeg_turbo", "webp", "avif", "jpg_2000", "libtiff", "littlecms2")


def plugin_decoder(kind: str) -> str | None:
    """Return the name of an installed decoder for a kind of file, and register it with Pillow.

    Args:
        kind: "HEIC", "JPEG XL", or any other kind, which has no plug-in.
    """
    if kind not in _MODULES:
        return None
    module_name, decoder = _MODULES[kind]
    if importlib.util.find_spec(module_name) is None:
        return None
    module = importlib.import_module(module_name)
    if kind == "HEIC":
        module.register_heif_opener()
    return decoder


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
