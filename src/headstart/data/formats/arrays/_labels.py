"""The labels of arrays: one per image, as integers, names, or one column per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._class_names import INTEGER, require_distinct_classes
from headstart.data.formats._text_encodings import plausible_readings, readings_sentence
from headstart.errors import InputError

_MEASUREMENT_HINT = (
    "Correct the labels. If these are measurements to estimate: Headstart learns classes only."
)


def label_texts(labels: NDArray[Any], count: int, source: str) -> list[str]:
    """Check the labels of images, and return them as text.

    Args:
        labels: Array of shape (N,) or (N, 1), of integers or names. Or of shape (N, K) with a
            single 1 per row, whose column is the class.
        count: Number of the images, N.
        source: Where the labels come from, for error messages.

    Raises:
        InputError: There are several labels per image, or none, or the numbers differ.
    """
    column = _label_column(labels, count, source)
    if len(column) != count:
        raise InputError(
            f"{source} has {count:,} images but {len(column):,} labels.",
            "Give one label per image, in the same order.",
        )

    kind = column.dtype.kind
    _require_present(column, source)
    texts = [_as_text(label).strip() for label in column.tolist()]
    invalid = [text for text in texts if not text or (kind == "f" and not INTEGER.match(text))]
    if invalid or kind not in "buifUOS":
        actual = f"'{invalid[0]}'" if invalid else f"type {column.dtype}"
        raise InputError(
            f"invalid label of {source}: expected integers or names, got {actual}.",
            _MEASUREMENT_HINT if invalid and invalid[0] else "Correct the labels.",
        )
    return texts


def _require_present(column: NDArray[Any], source: str) -> None:
    """Raise an error if labels are missing: None, NaN, or the text that NumPy makes of NaN."""
    missing = [index for index, label in enumerate(column.tolist()) if _is_missing(label)]
    if missing:
        raise InputError(
            f"{len(missing):,} of {len(column):,} labels of {source} are missing: label "
            f"{missing[0]:,} is {column[missing[0]]}.",
            "Give every image a label, or leave these images out.",
        )


def _is_missing(label: Any) -> bool:
    if label is None or label != label:  # NaN and NaT alone differ from themselves
        return True
    return isinstance(label, str) and label.strip().lower() in ("nan", "<na>")


def use_class_names(
    texts: Sequence[str], class_names: NDArray[Any], source: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Check that the labels are indices into `class_names`, and return both.

    Raises:
        InputError: A label is not an index, or two names look the same.
    """
    names = tuple(_as_text(name) for name in class_names.ravel().tolist())
    known = {str(number) for number in range(len(names))}
    unknown = sorted(set(texts) - known)
    if unknown:
        raise InputError(
            f"{source} has the label {unknown[0]}, but class_names has {len(names)} names, for "
            f"labels 0 to {len(names) - 1}.",
            "Give every class a name, in the order of the labels.",
        )
    require_distinct_classes(names, source)
    return np.array(texts, np.int64), names


def _as_text(label: Any) -> str:
    """Return a label or a name as text: 7.0 becomes 7, and bytes are UTF-8.

    Raises:
        InputError: Bytes have another encoding.
    """
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    if isinstance(label, bytes):
        try:
            return label.decode("utf-8")
        except UnicodeDecodeError:
            sentence = readings_sentence(plausible_readings(label))
            raise InputError(
                f"the label {label!r} is not UTF-8.{sentence}",
                "Save the labels as text, such as: np.char.decode(labels, 'cp1252')",
            ) from None
    return str(label)


def _label_column(labels: NDArray[Any], count: int, source: str) -> NDArray[Any]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 1:
        return labels
    if labels.ndim == 2 and labels.dtype.kind in "buif" and len(labels):
        return _column_of_ones(labels, count, source)
    raise InputError(
        f"invalid shape of the labels of {source}: expected one label per image, ({count},), "
        f"got {labels.shape}.",
        "Pass the class of each image.",
    )


def _column_of_ones(labels: NDArray[Any], count: int, source: str) -> NDArray[Any]:
    """Return the classes of one-hot labels: the column of the only 1 in each row.

    Raises:
        InputError: A row has several ones or none, or the labels are other numbers.
    """
    if not np.isin(labels, (0, 1)).all():
        rows = labels.sum(axis=1)
        hint = "Pass the class of each image."
        if labels.dtype.kind == "f" and np.allclose(rows, 1, atol=1e-3):
            hint = "If they are probabilities of classes, pass labels.argmax(axis=1)."
        raise InputError(
            f"invalid shape of the labels of {source}: expected one label per image, ({count},), "
            f"or a single 1 per row, got {labels.shape} with other numbers.",
            hint,
        )

    ones = labels.astype(bool).sum(axis=1)
    several, none = int((ones > 1).sum()), int((ones == 0).sum())
    if several:
        row = int(np.argmax(ones > 1))
        raise InputError(
            f"multi-label is not supported: {several:,} of {len(labels):,} rows in the labels of "
            f"{source} have several ones (row {row} has {ones[row]}), and {none:,} have none.",
            "Give one class per image, for example one column of the labels, or leave out images "
            "that have several.",
        )
    if none:
        raise InputError(
            f"{none:,} of {len(labels):,} rows in the labels of {source} have no 1: expected a "
            "single 1 per row.",
            "If these images form a class of their own, add a column for it.",
        )
    progress.say(
        f"{source}: labels of shape {labels.shape} are one-hot; the column of the 1 is the class"
    )
    classes: NDArray[np.int64] = labels.argmax(axis=1)
    return classes
