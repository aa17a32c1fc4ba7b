"""Learning curves: one row per epoch, in memory and in `curves.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store

CURVE_COLUMNS = (
    "epoch",
    "seconds",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
)
FILE_NAME = "curves.csv"

# The values of one epoch by the names of CURVE_COLUMNS; None where nothing was measured.
CurveRow = dict[str, float | None]


def write_curves(folder: Path, rows: Sequence[CurveRow]) -> None:
    """Write `curves.csv`: one row per epoch, with empty fields where nothing was measured."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CURVE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _format(value) for key, value in row.items()})
    store.write_text(folder / FILE_NAME, out.getvalue())


def read_curves(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Read `curves.csv` by column.

    Returns:
        Float64 arrays of shape (epochs,); NaN where nothing was measured.
    """
    path = folder / FILE_NAME
    with store.name_damage(path):
        text = store.read_verified(path).decode("utf-8")
        table = csv.DictReader(io.StringIO(text, newline=""))
        rows = list(table)
        if not set(CURVE_COLUMNS) <= set(table.fieldnames or ()):
            raise ValueError(f"expected the columns {', '.join(CURVE_COLUMNS)}")
        if any(None in row.values() for row in rows):
            raise ValueError("a row ends too early")
        return {
            name: np.array([float(row[name] or "nan") for row in rows]) for name in CURVE_COLUMNS
        }


def read_curve_rows(folder: Path) -> list[CurveRow]:
    """Read `curves.csv` by row; None where nothing was measured."""
    columns = read_curves(folder)
    rows: list[CurveRow] = []
    for values in zip(*columns.values(), strict=True):
        row: CurveRow = {}
        for name, value in zip(columns, values, strict=True):
            row[name] = None if np.isnan(value) else float(value)
        rows.append(row)
    return rows


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
