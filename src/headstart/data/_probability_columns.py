"""Names of the columns of a CSV that hold the probabilities of classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def probability_columns(class_names: Sequence[str], others: Collection[str]) -> list[str]:
    """Return one column name per class, none of which is the name of another column.

    The names are those of the classes. If a class has the name of another column, all of them
    begin with "probability:".

    Args:
        class_names: Names of the K classes.
        others: Names of the other columns.
    """
    if set(others).isdisjoint(class_names):
        return list(class_names)
    return [f"probability:{name}" for name in class_names]
