"""The reader of `predictions.csv`, which all other subpackages use."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headstart import store

# Before the names of all classes, if one of them is the name of another column.
_PROBABILITY = "probability:"


@dataclass(frozen=True)
class PredictionRow:
    """The prediction of one image, with names as the user wrote them.

    Attributes:
        index: Index of the image in the dataset.
        image: Name of the image.
        part: "validation" or "test".
        label: Name of the true class.
        predicted: Name of the predicted class.
        group: Number of the group that the image belongs to; None without groups.
        is_correct: Whether the file calls the prediction correct.
        probabilities: Probability of each class, as text, in the order of `class_names`. Not
            calibrated.
        cells: All cells as they are in the file.
    """

    index: int
    image: str
    part: str
    label: str
    predicted: str
    group: int | None
    is_correct: bool
    probabilities: list[str]
    cells: list[str]


@dataclass(frozen=True)
class PredictionsFile:
    """The content of a `predictions.csv`.

    Attributes:
        class_names: Names of the classes, in the order of their columns.
        header: The names of the columns as they are in the file.
        rows: The rows, which can be read once.
    """

    class_names: tuple[str, ...]
    header: list[str]
    rows: Iterator[PredictionRow]


def read_predictions_file(path: Path) -> PredictionsFile:
    """Read `predictions.csv`.

    Names that a spreadsheet would evaluate have an apostrophe before them in the file, which is
    removed; see `store.guard_cell`.

    Args:
        path: The file. If its run is sealed, the seal is checked.

    Raises:
        InputError: The file is damaged. Rows are checked when they are read.
    """
    with store.name_damage(path):
        text = store.read_verified(path).decode("utf-8")
        lines = csv.reader(io.StringIO(text, newline=""))
        header = next(lines, [])
        columns = [store.bare_cell(name) for name in header]
        first_class = columns.index("correct") + 1
        classes = columns[first_class:]
        if all(name.startswith(_PROBABILITY) for name in classes):
            classes = [name.removeprefix(_PROBABILITY) for name in classes]
    return PredictionsFile(tuple(classes), header, _read_rows(path, lines, columns, first_class))


def _read_rows(
    path: Path, lines: Iterator[list[str]], columns: list[str], first_class: int
) -> Iterator[PredictionRow]:
    places = {name: place for place, name in enumerate(columns[:first_class])}
    with store.name_damage(path):
        index, correct = places["index"], places["correct"]
        texts = [places[name] for name in ("image", "part", "label", "predicted")]
        group = places.get("group")
        for cells in lines:
            if len(cells) != len(columns):
                raise ValueError(f"a row has {len(cells):,} cells, and the header {len(columns):,}")
            image, part, label, predicted = (store.bare_cell(cells[place]) for place in texts)
            yield PredictionRow(
                index=int(cells[index]),
                image=image,
                part=part,
                label=label,
                predicted=predicted,
                group=None if group is None else int(cells[group]),
                is_correct=cells[correct] == "1",
                probabilities=cells[first_class:],
                cells=cells,
            )
