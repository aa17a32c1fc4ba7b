"""Numbers and names as people read them. Anything absent is a dash."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

ABSENT = "–"
# From here on a 95% interval is narrower than 5 points, and a second decimal of an accuracy says something.
IMAGES_FOR_TWO_DECIMALS = 2000


def percent(share: float | None, n: int | None = None) -> str:
    """0.9214 as `92.1%`, or `92.14%` when it rests on `n` >= 2,000 images."""
    if share is None:
        return ABSENT
    return f"{100 * share:.{2 if (n or 0) >= IMAGES_FOR_TWO_DECIMALS else 1}f}%"


def loss(value: float | None) -> str:
    """A loss with three digits that count."""
    return ABSENT if value is None else f"{value:.3g}"


def span(interval: Sequence[float] | None, n: int | None = None) -> str:
    """An interval of shares as `91.6 to 92.7%`."""
    if not interval:
        return ABSENT
    return f"{percent(interval[0], n)[:-1]} to {percent(interval[1], n)}"


def points(share: float | None, sign: bool = True) -> str:
    """A difference of shares in percentage points: one decimal, two below 0.1 points, with a true minus."""
    if share is None:
        return ABSENT
    amount = 100 * abs(share)
    text = f"{amount:.2f}" if 0.005 <= amount < 0.1 else f"{amount:.1f}"
    if float(text) == 0:
        return "0"
    return ("−" if share < 0 else "+" if sign else "") + text


def points_span(interval: Sequence[float] | None) -> str:
    """An interval of differences as `+2.6 to +3.6`."""
    return ABSENT if not interval else f"{points(interval[0])} to {points(interval[1])}"


def p_value(p: float | None) -> str:
    """`p = 0.51`, `p = 0.012`, `p < 0.001`: as in the verdict's sentence."""
    if p is None:
        return ABSENT
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `80 s`, `5 min`, `4 min 54 s`, `2 h 05 min`."""
    if seconds is None:
        return ABSENT
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if not rest and minutes < 60:
        return f"{minutes} min"
    return (
        f"{minutes} min {rest:02d} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60:02d} min"
    )


def amount(number: float | None) -> str:
    """A large count with three digits: `123`, `13.3 k`, `11.7 M`, `1.20 G`."""
    if number is None:
        return ABSENT
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            scaled = number / size
            return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {letter}"
    return f"{number:g}"


def count(number: int | None) -> str:
    """A count in full: `10,000`."""
    return ABSENT if number is None else f"{number:,}"


def epochs(each: Sequence[float | None] | None) -> str:
    """The epochs of each seed, equal ones once: `6`, or `6, 7`, or `0.42` for a part of one."""
    return (
        ", ".join(
            dict.fromkeys(
                f"{one:.3g}" if one < 1 else f"{one:g}" for one in each or [] if one is not None
            )
        )
        or ABSENT
    )


def shape(sizes: Sequence[int]) -> str:
    """`(channels, height, width)` as `28 × 28 × 32`, the channels last as people draw them; a vector as `64`."""
    ordered = [*sizes[1:], sizes[0]] if len(sizes) == 3 else list(sizes)
    return " × ".join(str(size) for size in ordered)


def plain(name: str) -> str:
    """A name on one line and without control characters, which neither SVG nor a terminal table can hold."""
    return re.sub(
        r"\s+", " ", "".join(letter if letter.isprintable() else " " for letter in str(name))
    ).strip()


def short(name: str, longest: int = 18) -> str:
    """A name cut to `longest` characters with an ellipsis."""
    name = plain(name)
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def slug(name: str) -> str:
    """A name for a file: lower-case letters, digits and single hyphens; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "contender"


def flat(nested: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """A nested recipe as `{"augmentation.flip": "no", …}`."""
    out: dict[str, str] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            out |= flat(value, f"{before}{key}.")
        else:
            out[f"{before}{key}"] = _word(value)
    return out


def _word(value: Any) -> str:
    if value is None or value in ({}, []):
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_word(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def setting(value: Any) -> str:
    """A hyper-parameter's value: numbers with three digits that count, `0.00213`; words as they are."""
    return f"{value:.3g}".replace("e-0", "e-") if isinstance(value, float) else _word(value)
