"""Numbers in the text of a table."""

from __future__ import annotations

import math


def read_number(text: str) -> float:
    """Return the number that a text is.

    Raises:
        ValueError: It is not a number. Python's own notation `1_0` for 10 is none in a table.
    """
    if "_" in text:
        raise ValueError(f"not a number: {text}")
    return float(text)


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        read_number(text)
    except ValueError:
        return False
    return True


def finite_number(text: str) -> float | None:
    """Return the number that a text is, or None if it is not a finite number."""
    try:
        value = read_number(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
