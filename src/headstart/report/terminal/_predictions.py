"""What a classifier says of images: bars on the terminal, and a figure with each image above its bars."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.errors import InputError
from headstart.formatting import compact_count, one_line, percent, shorten
from headstart.report.figures._canvas import PNG_DPI, canvas
from headstart.report.figures._style import LIGHT
from headstart.report.terminal._result_tables import Fitted, plain_table, sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType

MOST_ROWS, BAR_CELLS, USUAL_TOP = 40, 24, 3
MOST_PICTURES, PICTURES_A_ROW = 24, 6
UNFAMILIAR = "unlike the training data: trust this less"


def predictions_table(result: dict[str, Any]) -> RenderableType:
    """Each image with its likeliest classes as bars; `result` as `predict --json` prints it."""
    return Fitted(lambda width: _listed(result, width))


def _listed(result: dict[str, Any], width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    found, notes = result["predictions"], []
    table = plain_table(["image", "class", "", "probability"], left=3, fold=0)
    for one in found[:MOST_ROWS]:
        for place, (name, chance) in enumerate(list(one["probabilities"].items())[: result["top"]]):
            style = "bold" if place == 0 else "dim"
            strange = " (!)" if one["unfamiliar"] else ""
            image = (
                Text(_tail(one_line(one["image"]), width // 3) + strange)
                if place == 0
                else Text("")
            )
            bar = Text("█" * round(chance * BAR_CELLS), style="cyan" if place == 0 else "dim cyan")
            table.add_row(
                image,
                Text(shorten(name, width // 4), style=style),
                bar,
                Text(_chance(chance), style=style),
            )
    unfamiliar = sum(one["unfamiliar"] or False for one in found)
    if unfamiliar:
        notes.append(f"(!) {UNFAMILIAR} ({unfamiliar:,} of {len(found):,}).")
    if len(found) > MOST_ROWS:
        notes.append(f"{len(found) - MOST_ROWS:,} more images; --csv FILE or --json has all.")
    notes += [f"Written: {result[key]}" for key in ("csv", "figure") if result.get(key)]
    return Group(table, *sentences(notes, "yellow" if unfamiliar else "dim"))


def _tail(name: str, longest: int) -> str:
    """The end of a path, which tells images apart."""
    return name if len(name) <= longest else "…" + name[1 - longest :]


def _chance(chance: float) -> str:
    return f"{100 * chance:.1f}%"


def submission_table(result: dict[str, Any]) -> RenderableType:
    """How often each class was said, and where the submission is; `result` as `submit --json` prints it."""
    return Fitted(lambda width: _submitted(result, width))


def _submitted(result: dict[str, Any], width: int) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    table = plain_table(["class", "", "rows"], left=2)
    most = max(result["labels"].values())
    for name, count in list(result["labels"].items())[:MOST_ROWS]:
        table.add_row(
            Text(shorten(name, width // 3)),
            Text("█" * round(count / most * BAR_CELLS), style="cyan"),
            f"{count:,}",
        )
    unfamiliar = (
        [f"{result['unfamiliar']:,} images look unlike the training data."]
        if result["unfamiliar"]
        else []
    )
    written = f"Written: {result['submission']}, {result['rows']:,} rows of {', '.join(result['columns'][:4])}"
    return Group(table, *sentences(unfamiliar, "yellow"), *sentences([written], "dim"))


def export_table(result: dict[str, Any]) -> RenderableType:
    """An exported file, how it compares with its run, and what eight bits cost; `result` as `export --json` prints it."""
    from rich.text import Text

    table = plain_table(["", ""], left=2, fold=1)
    table.show_header = False
    parity = result["parity"]
    table.add_row("written", Text(one_line(result["onnx"] or result["torch"])))
    table.add_row("size", f"{compact_count(result['bytes'])}B")
    table.add_row(
        "same class as the run",
        f"{percent(parity['top1_agreement'])} of {parity['n']:,} {parity['part']} images",
    )
    table.add_row("largest difference", f"{parity['max_difference']:.2g} of a probability")
    if small := result["int8"]:
        table.add_section()
        table.add_row("eight bits", Text(one_line(small["onnx"])))
        table.add_row("size", f"{compact_count(small['bytes'])}B")
        table.add_row(
            "accuracy",
            f"{percent(small['accuracy'], 2000)}; float {percent(small['float_accuracy'], 2000)}",
        )
        for batch, ms in small["ms_per_image"].items():
            table.add_row(
                f"ms/image by {batch}", f"{ms:.3g}; float {small['float_ms_per_image'][batch]:.3g}"
            )
    return Fitted(lambda _: table)


def draw_predictions(
    path: Path, predictions: list[dict[str, Any]], images: NDArray[np.uint8], top: int
) -> None:
    """Write a figure, PNG or SVG by its name: each image as the network sees it, its likeliest classes as bars below.

    Args:
        predictions: as in the result of `predict`, one an image.
        images: `(N, H, W, C)` uint8, N up to `MOST_PICTURES`.
        top: bars an image.

    Raises:
        InputError: the name ends in neither .png nor .svg.
    """
    from matplotlib.figure import Figure

    need_figure_name(path)
    across = min(len(images), PICTURES_A_ROW)
    down = -(-len(images) // PICTURES_A_ROW)
    with canvas():
        drawing = Figure(
            figsize=(2.1 * across + 0.3, (2.25 + 0.2 * top) * down), layout="constrained"
        )
        cells = drawing.subplots(
            2 * down, across, squeeze=False, height_ratios=[1.9, 0.2 * top] * down
        )
        for axes in cells.flat:
            axes.set_axis_off()
        for place, (one, image) in enumerate(zip(predictions, images, strict=True)):
            row, column = divmod(place, PICTURES_A_ROW)
            _picture(cells[2 * row, column], one, image)
            _bars(cells[2 * row + 1, column], list(one["probabilities"].items())[:top])
        buffer = io.BytesIO()
        kind = path.suffix.lower()[1:]
        options: dict[str, Any] = (
            {"dpi": PNG_DPI} if kind == "png" else {"metadata": {"Date": None, "Creator": None}}
        )
        drawing.savefig(buffer, format=kind, facecolor=LIGHT.paper, **options)
    store.write_bytes(path, buffer.getvalue())


def need_figure_name(path: Path) -> None:
    """Raise InputError if a figure cannot be written under this name."""
    if path.suffix.lower() not in (".png", ".svg"):
        raise InputError(
            f"the figure is to be {path.name}, but wanted is a name that ends in .png or .svg.",
            "Rename it.",
        )


def _picture(axes: Axes, one: dict[str, Any], image: NDArray[np.uint8]) -> None:
    axes.imshow(
        image[..., 0] if image.shape[-1] == 1 else image,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
    )
    axes.set_title(_tail(one_line(Path(one["image"]).name), 24), fontsize=8)
    if one["unfamiliar"]:
        axes.text(
            0.5,
            -0.03,
            "unlike the training data",
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=6.5,
            color=LIGHT.warn,
        )


def _bars(axes: Axes, chances: list[tuple[str, float]]) -> None:
    axes.set_axis_on()
    axes.grid(visible=False)
    colours = [LIGHT.accent(0), *[LIGHT.soft] * (len(chances) - 1)]
    places = list(range(len(chances)))
    axes.barh(places, [chance for _, chance in chances], color=colours, height=0.72)
    for place, (_, chance) in zip(places, chances, strict=True):
        is_long = chance > 0.6
        axes.text(
            chance + (-0.02 if is_long else 0.02),
            place,
            _chance(chance),
            ha="right" if is_long else "left",
            va="center",
            fontsize=6.5,
            color=LIGHT.paper if is_long else LIGHT.ink,
        )
    axes.set(xlim=(0, 1), ylim=(len(chances) - 0.4, -0.6), xticks=[])
    axes.set_yticks(places, [shorten(name, 14) for name, _ in chances], fontsize=7, color=LIGHT.ink)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
