"""Check that the labels of a table are classes, and not measurements or lists of labels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart import progress
from headstart.data._class_names import quote_names
from headstart.data.formats.folders._file_tree import is_image
from headstart.data.formats.tables._multi_label import (
    labels_that_combine_others,
    may_be_names,
)
from headstart.data.formats.tables._numbers import finite_number
from headstart.errors import InputError
from headstart.formatting import shorten

# A measurement has nearly as many values as there are images. The limits let pass what exists as
# classes: 230 species of three images, doses of 0.5 and 1.5, ratings of nine steps from 1 to 5.
_MOST_DECIMAL_CLASSES = 20
_FEWEST_DECIMALS = 5  # fewer distinct values are classes, however few images there are
_FEWEST_INTEGERS = 15
_IMAGES_PER_DECIMAL = 3.0
_IMAGES_PER_INTEGER = 2.0
# Columns with these names hold measurements when they have more than a few distinct numbers.
_MEASURE = re.compile(
    r"(age|boneage|price|weight|height|width|length|size|area|volume|temperature|bmi|distance"
    r"|angle|year|count|counts|value|score|pawpularity|steering|speed|calories|salary)"
    r"(s|years|months|cm|mm|kg|g|m)?"
)
_DECIMAL_COMMA = re.compile(r"^([+-]?\d+),(\d+)$")
# "23 years", "45%" and "$12.50": a number with a unit. Names such as "3-inch pipe" have more words.
_WITH_UNIT = re.compile(r"([$€£¥]?)\s*([+-]?\d+(?:[.,]\d+)?)\s*([^\W\d_]*|%|°C?)")
# Numbers with an order that classes do not have, when they are few.
_RATING = re.compile(r"(rating|star|grade|level|severity|stage|rank)s?")
_MOST_MEASURE_CLASSES = 20
_LABELS_PER_CLASS = 3  # with confidences. "Milk (1.5%)" and "milk (3.5%)" are classes.
# "cat (0.93)", "cat: 0.93" and "cat (93%)"
_CONFIDENCE = re.compile(r"(.*?\w)\s*(?:\((?:[01][.,]\d+|\d+([.,]\d+)?\s?%)\)|:\s*[01][.,]\d+)")
# Captions, texts to be recognized and names of masks are different for each image.
_FEWEST_UNIQUE = 10
_UNIQUE = 0.9  # of all labels
_SHOWN = 4
_LONGEST_SHOWN = 40  # characters


def require_classes(labels: Sequence[str], table: str, column: str) -> None:
    """Raise an error if labels are not classes.

    One or two labels that may be lists or names are printed, and read as classes. So are a few
    numbers that may have an order, such as ratings.

    Args:
        labels: N labels, none of them empty.
        table: Name of the table, for messages.
        column: Plain name of the column of labels.

    Raises:
        InputError: They look like measurements, or some are lists of several labels. Or they are
            names of images, or nearly all of them are different.
    """
    distinct = list(dict.fromkeys(labels))
    _refuse_images(distinct, table)
    values = _numbers_of(distinct)
    if values is not None:
        if _are_measurements(values, labels, column):
            shown = ", ".join(distinct[:_SHOWN])
            raise InputError(
                f"invalid labels of {table}: expected classes, got {len(distinct):,} different "
                f"numbers in {len(labels):,} rows ({shown}, …). These look like measurements; "
                "regression is not supported.",
                "Divide them into a few classes, such as young and old. If each number is a "
                "class, write it with a letter: c23 instead of 23.",
            )
        _say_order(values, table, column)
        return

    _refuse_confidences(distinct, table)
    _refuse_unique(distinct, labels, table)
    combined = labels_that_combine_others(distinct)
    if combined and may_be_names(combined):
        progress.say(
            f"{table}: {quote_names(combined)} {'is' if len(combined) == 1 else 'are each'} read "
            "as one class, although the words are labels as well; multi-label is not supported"
        )
    elif combined:
        shown = ", ".join(f"'{label}'" for label in combined[:_SHOWN])
        look = "1 label that looks"
        if len(combined) > 1:
            look = f"{len(combined):,} labels that look"
        joined = re.sub(r"[^\w]+", "_", combined[0]).strip("_")
        raise InputError(
            f"invalid labels of {table}: expected one class per image, got {look} like several in "
            f"one cell ({shown}); multi-label is not supported.",
            f"Keep one label per image. If each of these is one class, join its words: {joined}.",
        )


def _refuse_images(distinct: Sequence[str], table: str) -> None:
    """Raise an error if half of the labels are names of image files, or contain one."""
    images = [text for text in distinct if any(map(is_image, (text, *text.split())))]
    if 2 * len(images) >= len(distinct):
        raise InputError(
            f"invalid labels of {table}: expected classes, got names of images ({images[0]}). "
            "Masks (segmentation) and pairs of images are not supported.",
            "If another column holds the classes, name it: --label-column NAME.",
        )


def _refuse_confidences(distinct: Sequence[str], table: str) -> None:
    """Raise an error if labels are classes with the confidence of a model or person."""
    matches = [_CONFIDENCE.fullmatch(label) for label in distinct]
    with_confidence = [match for match in matches if match is not None]
    classes = {match[1] for match in with_confidence}
    if classes and len(with_confidence) >= _LABELS_PER_CLASS * len(classes):
        raise InputError(
            f"invalid labels of {table}: expected classes, got classes with a confidence, such as "
            f"'{with_confidence[0][0]}'.",
            f"Write the class alone: {with_confidence[0][1]}. If each of these is a class, write "
            "the number without the parentheses or the colon.",
        )


def _refuse_unique(distinct: Sequence[str], labels: Sequence[str], table: str) -> None:
    """Raise an error if nearly every image has a label of its own."""
    if len(distinct) >= _FEWEST_UNIQUE and len(distinct) > _UNIQUE * len(labels):
        shown = ", ".join(f"'{shorten(label, _LONGEST_SHOWN)}'" for label in distinct[:2])
        raise InputError(
            f"invalid labels of {table}: expected classes that images share, got {len(distinct):,} "
            f"different labels in {len(labels):,} rows ({shown}, …). Captions and the recognition "
            "of text are not supported.",
            "If another column holds the classes, name it: --label-column NAME.",
        )


def _say_order(values: Sequence[float], table: str, column: str) -> None:
    """Print that numbers which may be ratings or measurements are read as classes."""
    is_whole = all(value.is_integer() for value in values)
    if is_whole and not _RATING.fullmatch(column) and not _MEASURE.fullmatch(column):
        return
    progress.say(
        f"{table}: the {len(values):,} different numbers are read as classes; their order and "
        "distance are not used"
    )


def _are_measurements(values: Sequence[float], labels: Sequence[str], column: str) -> bool:
    """Return whether distinct numbers look like values to be estimated."""
    images_per_value = len(labels) / len(values)
    if _MEASURE.fullmatch(column) and len(values) > _MOST_MEASURE_CLASSES:
        return True
    if any(not value.is_integer() for value in values):
        is_scarce = len(values) >= _FEWEST_DECIMALS and images_per_value < _IMAGES_PER_DECIMAL
        return is_scarce or len(values) > _MOST_DECIMAL_CLASSES
    return len(values) >= _FEWEST_INTEGERS and images_per_value < _IMAGES_PER_INTEGER


def _numbers_of(labels: Sequence[str]) -> list[float] | None:
    """Return the numbers that labels are, all without a unit or all with one. Else None."""
    values = [_number_of(label) for label in labels]
    matches = [_WITH_UNIT.fullmatch(label) for label in labels]
    units = {None if match is None else match.group(1, 3) for match in matches}
    if None in values and len(units) == 1 and None not in units:
        values = [_number_of(match[2]) for match in matches if match is not None]
    finite_values = [value for value in values if value is not None]
    return finite_values if len(finite_values) == len(labels) else None


def _number_of(label: str) -> float | None:
    """Return the number that a label is, with a decimal point or comma, or None."""
    return finite_number(_DECIMAL_COMMA.sub(r"\1.\2", label))
