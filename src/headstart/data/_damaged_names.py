"""Class names that an earlier program damaged: texts that were decoded with a wrong encoding."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.formatting import display_name

_REPLACEMENT = "\ufffd"
_WRONG_ENCODINGS = ("cp1252", "latin-1", "mac_roman", "cp437")


def damaged_names_sentence(names: Sequence[str]) -> str:
    """Return a sentence about class names that are not what somebody typed, or an empty text.

    They are used as they are: what was lost cannot be known.

    Args:
        names: The names of the classes.
    """
    lost = [name for name in names if _REPLACEMENT in name]
    if lost:
        return (
            f"The class name '{display_name(lost[0])}' has lost characters (U+FFFD): an earlier "
            "program read it with a wrong encoding. Names that differed in them may be one class "
            "now."
        )
    for name in names:
        original = _undo_wrong_decoding(name)
        if original is not None:
            return (
                f"The class name '{display_name(name)}' looks like '{display_name(original)}', "
                "read with a wrong encoding by an earlier program. It is used as it is."
            )
    return ""


def _undo_wrong_decoding(name: str) -> str | None:
    """Return the UTF-8 text that became this name in a wrong encoding, or None."""
    if name.isascii():
        return None
    for encoding in _WRONG_ENCODINGS:
        try:
            original = name.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if original.isprintable():
            return original
    return None
