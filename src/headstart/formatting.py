"""Numbers and names as text, for pages, tables, figures and sentences.

Belongs here: functions from a number or a name to a short text. Does not belong here: sentences,
markup and colours. An absent value, None, becomes a dash. `formatting.js` has the rules that the
scripts of pages need.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

ABSENT = "–"
# From here on a 95% interval of an accuracy is narrower than 5 points, so that a second decimal is
# informative.
IMAGES_FOR_TWO_DECIMALS = 2000
_LONGEST_NAME = 80  # characters


def script() -> str:
    """Return `formatting.js`, for the scripts of a page."""
    from importlib.resources import files

    return (files("headstart") / "formatting.js").read_text("utf-8")


def percent(share: float | None, images: int | None = None) -> str:
    """Return a share in percent: `92.1%`, or `92.14%` when it rests on at least 2,000 images."""
    if share is None:
        return ABSENT
    decimals = 2 if (images or 0) >= IMAGES_FOR_TWO_DECIMALS else 1
    return f"{100 * share:.{decimals}f}%"


def probability(share: float) -> str:
    """Return the probability of a class in percent, never certain: `>99.9%`, `40.0%`, `<0.1%`."""
    if share >= 0.9995:
        return ">99.9%"
    return "<0.1%" if share < 0.0005 else f"{100 * share:.1f}%"


def confidence(share: float) -> str:
    """Return the confidence of an interval: `95%`, `96.4%`."""
    return f"{100 * share:.3g}%"


def whole_probability(share: float) -> str:
    """Return the probability of a class without decimals, never certain: `>99%`, `40%`, `<1%`."""
    if share >= 0.995:
        return ">99%"
    return "<1%" if share <= 0.005 else f"{100 * share:.0f}%"


def certainty(probability: float) -> str:
    """Return an estimated probability in percent, which is never certain: `under 1%`, `40%`."""
    if probability < 0.01:
        return "under 1%"
    return "over 99%" if probability > 0.99 else f"{100 * probability:.0f}%"


def percent_interval(interval: Sequence[float] | None, images: int | None = None) -> str:
    """Return an interval of shares in percent: `91.6 to 92.7%`."""
    if not interval:
        return ABSENT
    low, high = interval
    return f"{percent(low, images).removesuffix('%')} to {percent(high, images)}"


def points(difference: float | None, *, signed: bool = False) -> str:
    """Return a difference of shares in percentage points: one decimal, or two below 0.1 points.

    A signed difference starts with `+` or with a typographic minus. Otherwise a negative one starts
    with a hyphen, which every terminal and log file can hold.
    """
    if difference is None:
        return ABSENT
    size = 100 * abs(difference)
    text = f"{size:.2f}" if 0.005 <= size < 0.1 else f"{size:.1f}"

    if float(text) == 0:
        return text
    if signed:
        return ("−" if difference < 0 else "+") + text
    return ("-" if difference < 0 else "") + text


def margin(share: float) -> str:
    """Return a margin that a user chose, in percentage points: `0.5 points`, `1 point`."""
    size = f"{100 * share:g}"
    return f"{size} point" if size == "1" else f"{size} points"


def points_interval(interval: Sequence[float] | None) -> str:
    """Return an interval of differences in percentage points: `+2.6 to +3.6`."""
    if not interval:
        return ABSENT
    low, high = interval
    return f"{points(low, signed=True)} to {points(high, signed=True)}"


def p_value(p: float | None) -> str:
    """Return a p-value with its name: `p = 0.51`, `p = 0.012`, `p < 0.001`."""
    if p is None:
        return ABSENT
    number = p_number(p)
    return f"p {number}" if number.startswith("<") else f"p = {number}"


def p_number(p: float | None) -> str:
    """Return a p-value for a column of p-values: `0.51`, `0.012`, `< 0.001`."""
    if p is None:
        return ABSENT
    if p < 0.001:
        return "< 0.001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.3f}"


def loss(value: float | None) -> str:
    """Return a loss with three significant digits."""
    return ABSENT if value is None else f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """Return a measured time: `0.4 s`, `80 s`, `5 min`, `4 min 54 s`, `2 h 05 min`."""
    if seconds is None:
        return ABSENT
    if seconds < 10:
        return f"{seconds:.1f} s"

    rounded = round(seconds)
    if rounded < 120:
        return f"{rounded} s"
    minutes, rest = divmod(rounded, 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def milliseconds(value: float | None) -> str:
    """Return a measured time in milliseconds, with two significant digits below 0.1."""
    if value is None:
        return ABSENT
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def approximate_duration(seconds: float) -> str:
    """Return an estimated time: `0.4 s`, `12 s`, `3 min`, `1.5 h`."""
    if 0.05 <= seconds < 0.95:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def count(number: int | None) -> str:
    """Return a count in full: `10,000`."""
    return ABSENT if number is None else f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: `1 image`, `10,000 images`, or `2 classes` with `plural`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ordinal(number: int) -> str:
    """Return the place in an order: `first`, `2nd`, `11th`, `1,003rd`."""
    if number == 1:
        return "first"
    endings = {1: "st", 2: "nd", 3: "rd"}
    is_teen = number % 100 in (11, 12, 13)
    ending = "th" if is_teen else endings.get(number % 10, "th")
    return f"{number:,}{ending}"


def compact_count(number: float | None) -> str:
    """Return a large count with three significant digits: `123`, `13.3 k`, `11.7 M`, `1.20 G`."""
    if number is None:
        return ABSENT
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * unit:
            return f"{_three_digits(number / unit)} {letter}"
    return f"{number:g}"


def _three_digits(number: float) -> str:
    if number < 9.995:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def interpolated_count(number: float) -> str:
    """Return an interpolated count with two significant digits: `7`, `12`, `1,300`."""
    return f"{float(f'{number:.2g}'):,.0f}"


def ratio(value: float) -> str:
    """Return a ratio with two significant digits: `1.9`, `12`, `1,300`."""
    return interpolated_count(value) if value >= 9.95 else f"{value:.1f}"


def epochs(values: Sequence[float | None] | None) -> str:
    """Return the epochs of all seeds, each number once: `6`, or `6, 7`, or `0.42`."""
    known = [number for number in values or [] if number is not None]
    texts = [f"{number:.3g}" if number < 1 else f"{number:g}" for number in known]
    return ", ".join(dict.fromkeys(texts)) or ABSENT


def training_length(epochs_done: float, solved_heads: int = 0) -> str:
    """Return how long a training was: `1 epoch`, `head solved`, `2 heads solved, 12 epochs`.

    Args:
        epochs_done: Passes over the training images; a head that was solved for counts as one.
        solved_heads: Number of those heads.
    """
    words = []
    if solved_heads:
        words.append("head solved" if solved_heads == 1 else f"{solved_heads} heads solved")
    iterative = epochs_done - solved_heads
    if iterative > 0 or not solved_heads:
        text = f"{iterative:.3g}" if iterative < 1 else f"{round(iterative, 1):g}"
        words.append(f"{text} {'epoch' if text == '1' else 'epochs'}")
    return ", ".join(words)


def shape(sizes: Sequence[int]) -> str:
    """Return an output shape with the channels last: `28 × 28 × 32` for `(32, 28, 28)`, or `64`."""
    ordered = [*sizes[1:], sizes[0]] if len(sizes) == 3 else list(sizes)
    return " × ".join(str(size) for size in ordered)


def setting(value: Any) -> str:
    """Return the value of a hyper-parameter: `0.00213`, `relu`, `yes`, `0.9, 0.999`."""
    if isinstance(value, float):
        return f"{value:.3g}".replace("e-0", "e-")
    return _plain_value(value)


def flat_settings(nested: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings as one level: `{"augmentation.flip": "no", …}`."""
    flat: dict[str, str] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat |= flat_settings(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _plain_value(value)
    return flat


def _plain_value(value: Any) -> str:
    if value is None or value in ({}, []):
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain_value(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def enumeration(names: Sequence[str]) -> str:
    """Return names as a phrase: `a`, `a and b`, `a, b and c`."""
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def first_names(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are: `a, b and 3 more`."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def listing(lines: Sequence[str], most: int = 20) -> str:
    """Return the first lines below a sentence, each indented, and how many more there are."""
    shown = list(lines[:most])
    if len(lines) > most:
        shown.append(f"and {len(lines) - most:,} more")
    return "".join(f"\n    {line}" for line in shown)


_LINE_CONTROLS = "\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"


_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def printable(text: str) -> str:
    """Return a text with escapes such as `\\x1b` in place of control characters.

    File names and class names may hold codes that a terminal would obey. Line ends and tabs stay.
    """
    if text.isprintable():
        return text
    letters: list[str] = []
    for letter in text:
        is_kept = letter.isprintable() or (letter.isspace() and letter not in _LINE_CONTROLS)
        letters.append(letter if is_kept else letter.encode("unicode_escape").decode("ascii"))
    return "".join(letters)


def printable_json(text: str) -> str:
    """Return JSON with escapes in place of the control characters that JSON allows in texts.

    A terminal obeys U+0080 to U+009F as well. The values stay the same.
    """
    return text.translate(_JSON_ESCAPES)


def one_line(name: object) -> str:
    """Return a name on one line, without the control characters that SVG and terminals reject."""
    printable = "".join(letter if letter.isprintable() else " " for letter in str(name))
    return re.sub(r"\s+", " ", printable).strip()


def display_name(name: str) -> str:
    """Return a name on one line, with escapes such as `\\n`, and at most 80 characters."""
    letters = [
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in name
    ]
    text = "".join(letters)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def shorten(name: object, longest: int = 18) -> str:
    """Return a name on one line, cut to the width of `longest` letters with an ellipsis.

    A Chinese, Japanese or Korean letter is as wide as two others. Marks above a letter have no
    width.
    """
    text = one_line(name)
    widths = [_letter_width(letter) for letter in text]
    if sum(widths) <= longest:
        return text
    end = next(end for end in range(1, len(text) + 1) if sum(widths[:end]) > longest - 1) - 1
    return text[:end].rstrip() + "…"


def cut_middle(name: object, longest: int) -> str:
    """Return a name on one line, cut in its middle: names that begin alike often end differently.

    Args:
        name: The name.
        longest: The largest width in letters, with the ellipsis.
    """
    text = one_line(name)
    if name_width(text) <= longest:
        return text
    head = shorten(text, (longest + 1) // 2)[:-1]
    tail = text
    while name_width(tail) > longest - 1 - name_width(head):
        tail = tail[1:]
    return f"{head.rstrip()}…{tail.lstrip()}"


def cut_names(names: Sequence[str], longest: int) -> dict[str, str]:
    """Return the names of a set on one line each, cut so that they still differ.

    A name is cut in its middle. Names that then look alike, such as "kind 1 of stone" and "kind 2
    of stone", are cut around the letters in which they differ. If these letters are too many, some
    still look alike.

    Args:
        names: The names, such as those of all classes.
        longest: The largest width in letters, with each ellipsis.
    """
    cut = {name: cut_middle(name, longest) for name in names}
    alike: dict[str, list[str]] = {}
    for name, text in cut.items():
        alike.setdefault(text, []).append(name)
    for same in alike.values():
        if len(same) > 1:
            cut |= _cut_around_difference(same, longest)
    return cut


def _cut_around_difference(names: Sequence[str], longest: int) -> dict[str, str]:
    texts = [one_line(name) for name in names]
    head = _shared_start(texts)
    tail = _shared_start([text[:head:-1] for text in texts])
    widest = max(name_width(text[head : len(text) - tail]) for text in texts)
    if name_width(texts[0][:head]) + widest < longest:
        return {name: shorten(text, longest) for name, text in zip(names, texts, strict=True)}
    return {
        name: "…" + shorten(text[head:], longest - 1)
        for name, text in zip(names, texts, strict=True)
    }


def _shared_start(texts: Sequence[str]) -> int:
    """Return the number of letters with which all texts begin."""
    columns = zip(*texts, strict=False)
    return sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, columns))


def wrap_name(name: object, width: int, lines: int = 3, longest: int = 48) -> str:
    """Return a name in a few lines that are as short as possible, joined by line breaks.

    A line breaks after a space, hyphen, underscore or slash, before a letter after a dot, or within
    a word that is too long.

    Args:
        name: The name. Only one that is wider than `longest` is cut.
        width: The width in letters that the lines have at least room for.
        lines: The largest number of lines.
        longest: The largest width of the whole name.
    """
    text = cut_middle(name, longest)
    parts = re.split(r"(?<=[\s_/-])(?![\s_/-])|(?<=\.)(?=[^\W\d_])", text)
    while True:
        wrapped = _fill_lines(parts, width)
        if len(wrapped) <= lines:
            return "\n".join(wrapped)
        width += 1


def _fill_lines(parts: Sequence[str], width: int) -> list[str]:
    filled = [""]
    for part in parts:
        rest = part
        if name_width(filled[-1] + rest.rstrip()) > width and filled[-1]:
            filled.append("")
        while name_width(rest.rstrip()) > width:
            end = max(1, len(shorten(rest, width + 1)) - 1)
            filled[-1:] = [rest[:end], ""]
            rest = rest[end:]
        filled[-1] += rest
    return [line.strip() for line in filled if line.strip()] or [""]


def name_width(name: str) -> int:
    """Return the width of a name in letters; a Chinese, Japanese or Korean letter has two."""
    return sum(map(_letter_width, name))


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def isolate(name: object) -> str:
    """Return a name so that text around it keeps its order, also if the name runs from the right.

    Without this, a number after a Hebrew or Arabic name moves to its other side.
    """
    text = str(name)
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
    return text


def isolate_parts(path: object) -> str:
    """Return a path whose parts keep their order, also if the name of a folder runs from the right.

    Without this, the folder in `نملة/19.jpg` stands behind the number of the file.
    """
    return "/".join(map(isolate, str(path).split("/")))


def slug(name: str) -> str:
    """Return a name for a file: lower-case letters, digits and single hyphens; never empty."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "contender"
