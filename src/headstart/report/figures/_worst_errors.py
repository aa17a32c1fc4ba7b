"""The worst errors of a comparison: what each contender said of them, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.data import data_uri, to_pil_image
from headstart.formatting import shorten
from headstart.report._load import Entry, Study
from headstart.report.figures._canvas import bare_axes
from headstart.report.figures._explanation import overlay
from headstart.report.figures._style import LIGHT
from headstart.report.pages._sections import JPEG_QUALITY, THUMBNAIL_PX, Part, thumbnail

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _GAP, _TEXT = 1.35, 0.15, 0.36  # inches


@dataclass(frozen=True)
class Answer:
    """What one contender said of an image, and the image in grey with what spoke for it in colour."""

    entry: Entry
    said: str
    chance: float
    kind: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Error:
    """One image `(H, W, C)` uint8 that was hard, its name and true class, and what each contender said."""

    image: NDArray[np.uint8]
    name: str
    label: str
    answers: tuple[Answer, ...]


def read_errors(study: Study) -> list[Error]:
    """What `errors.npz` of a comparison holds, the worst first; empty where there is none."""
    path = study.folder / "errors.npz"
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as arrays:
        kept = dict(arrays)
    entries = {entry.name: entry for entry in study.contenders}
    places = [
        (place, entries[name])
        for place, name in enumerate(kept["contenders"].tolist())
        if name in entries
    ]
    return [
        Error(
            image,
            str(kept["names"][row]),
            str(kept["labels"][row]),
            tuple(
                Answer(
                    entry,
                    str(kept["said"][place, row]),
                    float(kept["chances"][place, row]),
                    str(kept["kinds"][place]),
                    overlay(image, kept[f"heat-{place}"][row], 1.0),
                )
                for place, entry in places
            ),
        )
        for row, image in enumerate(kept["images"])
    ]


def shown(error: Error) -> Part:
    """An error for the page: its images as data URIs."""
    return {
        "error": error,
        **thumbnail(error.image),
        "answers": [
            {
                "answer": answer,
                "uri": data_uri(answer.pixels, THUMBNAIL_PX, JPEG_QUALITY),
                "is_right": answer.said == error.label,
            }
            for answer in error.answers
        ],
    }


def worst_errors(errors: list[Error]) -> Figure:
    """A column an image: it, then a row a contender with what it looked at."""
    from matplotlib.figure import Figure

    rows = 1 + len(errors[0].answers)
    width = _GAP + len(errors) * (_SIDE + _GAP)
    height = 0.35 + rows * (_SIDE + _TEXT + 0.1)
    figure = Figure(figsize=(width, height))
    axes = bare_axes(figure, width, height)
    for column, error in enumerate(errors):
        left = _GAP + column * (_SIDE + _GAP)
        cells = [
            (
                np.asarray(to_pil_image(error.image)),
                f"is: {shorten(error.label, 18)}",
                shorten(error.name, 22),
                LIGHT.ink,
            )
        ]
        cells += [
            (
                answer.pixels,
                f"{shorten(answer.said, 15)} {100 * answer.chance:.0f}%",
                shorten(answer.entry.name, 22),
                colour,
            )
            for answer in error.answers
            for colour in [LIGHT.accent(answer.entry.place or 0)]
        ]
        for row, (pixels, above, below, colour) in enumerate(cells):
            top = 0.12 + row * (_SIDE + _TEXT + 0.1)
            axes.text(left, top, above, fontsize=7, weight="bold", color=colour, va="center")
            extent = (left, left + _SIDE, top + 0.12 + _SIDE, top + 0.12)
            axes.imshow(
                pixels,
                cmap="gray",
                vmin=0,
                vmax=255,
                interpolation="nearest",
                aspect="auto",
                extent=extent,
            )
            axes.text(left, top + 0.22 + _SIDE, below, fontsize=6, color=LIGHT.soft, va="center")
    axes.text(
        _GAP,
        height - 0.15,
        "orange spoke for what the contender said, blue against",
        fontsize=7,
        color=LIGHT.soft,
        va="center",
    )
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure
