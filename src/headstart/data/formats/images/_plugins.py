"""Decoders that the user may have installed: HEIC (pillow-heif) and JPEG XL (pillow-jxl-plugin).

Their wheels carry code under copyleft licences, so Headstart does not depend on them.
"""

from __future__ import annotations

import importlib
import importlib.util

# The module of a plug-in and the name of the decoder that it registers, by the kind of a file.
_MODULES = {"HEIC": ("pillow_heif", "HEIF"), "JPEG XL": ("pillow_jxl", "JXL")}
PACKAGES = {"HEIC": "pillow-heif", "JPEG XL": "pillow-jxl-plugin"}


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
