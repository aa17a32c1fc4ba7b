"""Cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

_APOSTROPHE = "'"
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def guard_cell(text: str) -> str:
    """Prefix a text with an apostrophe if a spreadsheet would evaluate it. Numbers stay.

    A text that would be evaluated without its own apostrophes gets one more, so that `bare_cell`
    returns every text as it was.

    References:
        OWASP, CSV injection.
    """
    return f"{_APOSTROPHE}{text}" if _is_formula(text) else text


def bare_cell(text: str) -> str:
    """Return the text that `guard_cell` was given.

    Cells without an apostrophe stay, such as those that a person or an earlier version wrote.
    """
    if text.startswith(_APOSTROPHE) and _is_formula(text):
        return text[len(_APOSTROPHE) :]
    return text


def _is_formula(text: str) -> bool:
    """Return whether a text, without leading apostrophes, is a formula to a spreadsheet."""
    bare = text.lstrip(_APOSTROPHE)
    if not bare.startswith(_FORMULA_PREFIXES):
        return False
    try:
        float(bare)
    except ValueError:
        return True
    return False
