"""The terminal tables of `predict` and `submit`: probabilities and counts as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headstart.formatting import (
    counted,
    cut_names,
    one_line,
    percent_interval,
    probability,
    shorten,
)
from headstart.report._shown_classes import shown_classes
from headstart.report.terminal._tables import (
    JsonMapping,
    ResponsiveTable,
    new_table,
    number,
    path_tail,
    sentences,
    text,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MAX_ROWS, BAR_WIDTH, DEFAULT_TOP = 40, 24, 3
_BAR_WIDTH_WITH_SETS = 12
_LEAST_BAR_WIDTH = 8
_COLUMN_GAP = 2


def predictions_table(result: JsonMapping) -> RenderableType:
    """Return a table of images with their most probable classes as bars, the predicted one in bold.

    Args:
        result: The JSON of `predict`.
    """
    return ResponsiveTable(lambda width: _predictions_group(result, width))


def _predictions_group(result: JsonMapping, width: int) -> RenderableType:
    from rich.console import Group

    predictions, coverage = result["predictions"], result.get("coverage")
    columns = [text("image", folds=True), text("class"), text(""), number("probability")]
    if coverage is not None:
        columns.append(text(f"{100 * coverage:g}% set", folds=True))
    table = new_table(*columns)
    shown = [_shown_prediction(each, result["top"], width) for each in predictions[:MAX_ROWS]]
    image_width, bar_width = _image_and_bar_width(shown, width)
    for prediction in shown:
        _add_prediction(table, prediction, image_width, bar_width)

    notes: list[str] = []
    unfamiliar = sum(bool(prediction["unfamiliar"]) for prediction in predictions)
    if unfamiliar:
        images = f"{unfamiliar:,} of {counted(len(predictions), 'image')}"
        notes.append(f"(!) Images unlike the training data, less reliable: {images}.")
    if result["unreadable"]:
        images = counted(len(result["unreadable"]), "further image")
        notes.append(f"Not predicted, because they cannot be read: {images}.")
    if coverage is not None:
        notes += _set_notes(result)
    if len(predictions) > MAX_ROWS:
        hidden = counted(len(predictions) - MAX_ROWS, "more image")
        notes.append(f"{hidden}. For all of them: --csv FILE or --json")
    notes += [f"Written: {result[key]}" for key in ("csv", "figure") if result.get(key)]
    return Group(table, *sentences(notes, "yellow" if unfamiliar else "dim"))


def _set_notes(result: JsonMapping) -> list[str]:
    """Return what the sets mean, and how many images are uncertain."""
    predictions, calibration = result["predictions"], result["calibration"]
    calibrated_on = counted(calibration["images"], "validation image")
    if calibration["groups"] is not None:
        calibrated_on += f" in {counted(calibration['groups'], 'group')}"
    uncertain = sum(prediction["uncertain"] for prediction in predictions)
    images = f"{uncertain:,} of {counted(len(predictions), 'image')}"
    interval = percent_interval(calibration["coverage_interval"])
    return [
        f"A set contains the true class for about {100 * result['coverage']:g}% of images like "
        f"the {calibrated_on} that it is calibrated on (95% interval {interval}).",
        f"Uncertain, with several classes in the set or unlike the training data: {images}.",
    ]


@dataclass(frozen=True)
class _ShownPrediction:
    """The texts of an image: its path, its most probable classes, its set if there are sets."""

    image: str
    mark: str
    label: str
    classes: tuple[tuple[str, float], ...]
    short_names: Mapping[str, str]
    set_text: str | None
    is_uncertain: bool

    @property
    def class_width(self) -> int:
        """The length of its longest name of a class."""
        return max(len(self.short_names[name]) for name, _ in self.classes)


def _shown_prediction(prediction: JsonMapping, top: int, width: int) -> _ShownPrediction:
    set_text = None
    if "set" in prediction:
        short = cut_names(prediction["set"], width // 5)
        set_text = shorten(", ".join(short[name] for name in prediction["set"]), width // 2)
    return _ShownPrediction(
        image=one_line(prediction["image"]),
        mark=" (!)" if prediction["unfamiliar"] else "",
        label=prediction["label"],
        classes=tuple(shown_classes(prediction, top)),
        short_names=cut_names(list(prediction["probabilities"]), width // 4),
        set_text=set_text,
        is_uncertain=bool(prediction.get("uncertain")),
    )


def _image_and_bar_width(predictions: Sequence[_ShownPrediction], width: int) -> tuple[int, int]:
    """Divide a line between the paths of images and the bars.

    Long paths shorten the bars, because their ends tell images apart. Sets break into lines.
    """
    class_width = max((each.class_width for each in predictions), default=0)
    set_widths = [len(each.set_text) for each in predictions if each.set_text is not None]
    columns = [max(class_width, len("class")), len("probability")]
    most_bar_width = BAR_WIDTH
    if set_widths:
        columns.append(min(max(set_widths), width // 5))
        most_bar_width = _BAR_WIDTH_WITH_SETS

    room = width - sum(columns) - _COLUMN_GAP * (len(columns) + 2)
    longest = max((len(each.image + each.mark) for each in predictions), default=0)
    bar_width = min(most_bar_width, max(_LEAST_BAR_WIDTH, room - longest))
    return max(room - bar_width, width // 5), bar_width


def _add_prediction(
    table: Table, prediction: _ShownPrediction, image_width: int, bar_width: int
) -> None:
    from rich.text import Text

    image = path_tail(prediction.image, image_width - len(prediction.mark)) + prediction.mark
    sets = []
    if prediction.set_text is not None:
        sets = [Text(prediction.set_text, style="yellow" if prediction.is_uncertain else "")]
    for rank, (name, share) in enumerate(prediction.classes):
        is_predicted = name == prediction.label
        style = "bold" if is_predicted else "dim"
        bar_style = "cyan" if is_predicted else "dim cyan"
        table.add_row(
            Text(image if rank == 0 else ""),
            Text(prediction.short_names[name], style=style),
            Text("█" * round(share * bar_width), style=bar_style),
            Text(probability(share), style=style),
            *(sets if rank == 0 else []),
        )


def submission_table(result: JsonMapping) -> RenderableType:
    """Return a table of predicted classes with their numbers of rows, and the submission's path.

    Args:
        result: The JSON of `submit`.
    """
    return ResponsiveTable(lambda width: _submission_group(result, width))


def _submission_group(result: JsonMapping, width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    table = new_table(text("predicted class"), text(""), number("rows"))
    largest = max(result["labels"].values())
    short = cut_names(list(result["labels"]), width // 3)
    for name, rows in list(result["labels"].items())[:MAX_ROWS]:
        bar = Text("█" * round(rows / largest * BAR_WIDTH), style="cyan")
        table.add_row(Text(short[name]), bar, f"{rows:,}")

    warnings: list[str] = []
    if result["unfamiliar"]:
        images = counted(result["unfamiliar"], "image")
        verb = "is" if result["unfamiliar"] == 1 else "are"
        warnings.append(f"{images} {verb} unlike the training data.")
    if result["unreadable"]:
        images = counted(len(result["unreadable"]), "image")
        verb = "has" if len(result["unreadable"]) == 1 else "have"
        warnings.append(f"{images} cannot be read and {verb} mean probabilities.")
    columns = ", ".join(result["columns"][:4])
    written = f"Written: {result['submission']}, {counted(result['rows'], 'row')} of {columns}"
    return Group(table, *sentences(warnings, "yellow"), *sentences([written], "dim"))
