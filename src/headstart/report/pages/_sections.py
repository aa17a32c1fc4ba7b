"""What each section of the page shows, as plain values for the template; nothing here knows HTML."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data import data_uri
from headstart.evaluation import Confusion, most_confused
from headstart.formatting import flat_settings, percent
from headstart.report._load import Entry, Facts, Run, Study, confusion_of
from headstart.report.figures._curves import (
    MOST_CLASSES_WITH_NUMBERS,
    confusion_pixels,
    labelled_classes,
    largest_error,
    rates,
    strength,
)
from headstart.report.figures._pictures import Shown
from headstart.report.figures._style import DARK, LIGHT

Part = dict[str, Any]
MOST_PAIRS_LISTED = {True: 8, False: 20}  # with the numbers in the matrix, and without
# Below this side an image is enlarged to squares; above, thumbnails are JPEG, because 100 photographs as PNG pass 5 MB.
LARGEST_PNG_PX, THUMBNAIL_PX, JPEG_QUALITY = 64, 160, 85


def headline(study: Study) -> str:
    """The page's first words: who won, or that nobody did."""
    name, verdict = study.facts["dataset"]["name"], study.facts["verdict"] or Facts()
    on = "" if study.part == "test" else f" ({study.part} images)"
    if study.facts["study"] == "train":
        score = study.entries[0].score
        return f"{study.entries[0].name} on {name}: {percent(score['accuracy'], score['n'])}{on}"
    if verdict["winner"]:
        return f"{verdict['winner']} wins on {name}{on}"
    if not verdict["pairs"]:
        return f"No verdict on {name}"
    return (
        f"No difference shown on {name}"
        if len(study.contenders) < 3
        else f"No single winner on {name}"
    )


def differences(study: Study) -> Part | None:
    """The forest plot of the verdict's pairs; None when nothing was compared."""
    pairs = (study.facts["verdict"] or Facts())["pairs"] or []
    return (
        forest(pairs, [pair.get("p_adjusted", pair["p_value"]) <= 0.05 for pair in pairs])
        if pairs
        else None
    )


def forest(pairs: list[Facts], are_shown: list[bool], reach: float = np.inf) -> Part:
    """Positions, in percent of the width, for a graphic of differences on one axis.

    Args:
        pairs: each with `difference`, and `interval` and `smallest_detectable` where they are known; shares, not points.
        are_shown: whether a test showed it.
        reach: the axis goes no further than this to either side of zero; what lies beyond is an arrow (`off`).
    """
    from matplotlib.ticker import MaxNLocator

    bands = [pair["smallest_detectable"] or 1.0 for pair in pairs]
    spans = [pair["interval"] or [pair["difference"]] * 2 for pair in pairs]
    ends = (
        [end for span in spans for end in span]
        + [0.0]
        + [sign * band for band in bands if band < 1 for sign in (-1, 1)]
    )
    low, high = max(min(ends), -reach), min(max(ends), reach)
    low, high = low - 0.05 * (high - low or 0.01), high + 0.05 * (high - low or 0.01)

    def at(value: float) -> float:
        return float(round(100 * (min(max(value, low), high) - low) / (high - low), 2))

    rows = [
        {
            "pair": pair,
            "point": at(pair["difference"]),
            "low": at(span[0]),
            "high": at(span[1]),
            "band": (at(-band), at(band)) if band < 1 else None,
            "off": "left"
            if pair["difference"] < low
            else "right"
            if pair["difference"] > high
            else None,
            "is_shown": is_shown,
        }
        for pair, span, band, is_shown in zip(pairs, spans, bands, are_shown, strict=True)
    ]
    marks = [
        tick
        for tick in MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(100 * low, 100 * high)
        if low <= tick / 100 <= high
    ]
    ticks = [
        {"at": at(tick / 100), "text": f"{tick:+.6g}".replace("-", "−") if round(tick, 9) else "0"}
        for tick in marks
    ]
    return {"rows": rows, "ticks": ticks, "zero": at(0.0)}


def accuracy_scale(entries: tuple[Entry, ...]) -> tuple[float, float]:
    """The axis that the small accuracy plots of a results table share: that of the entries that are to be told apart."""
    values = [
        value
        for entry in entries
        for value in [
            entry.score["accuracy"],
            *(entry.score["interval"] or []),
            *entry.score["per_seed"],
        ]
        if value is not None
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.02
    return max(0.0, low - room), min(1.0, high + room)


def accuracy_marks(score: Facts, scale: tuple[float, float]) -> Part:
    """One small accuracy plot: the mean, the interval and each seed, in percent of the width; None where outside the axis."""

    def at(value: float | None) -> float | None:
        share = None if value is None else (value - scale[0]) / (scale[1] - scale[0])
        return None if share is None or not 0 <= share <= 1 else round(100 * share, 2)

    low, high = score["interval"] or (None, None)
    side = "" if score["accuracy"] is None else "left" if score["accuracy"] < scale[0] else "right"
    return {
        "mean": at(score["accuracy"]),
        "low": at(low),
        "high": at(high),
        "side": side,
        "seeds": [at(one) for one in score["per_seed"] or []],
    }


def below_floors(study: Study) -> list[str]:
    """A sentence for each model that scores no better than a floor, unless the finding's notes, which rest on a test, say so."""
    notes = (study.facts["verdict"] or Facts())["notes"] or []
    out = []
    for entry in study.entries:
        accuracy = entry.score["accuracy"]
        for floor in study.facts["floors"] or []:
            is_noted = any(
                note.startswith(f"{entry.name} ") and floor["name"] in note for note in notes
            )
            if accuracy is not None and accuracy <= floor["accuracy"] and not is_noted:
                out.append(
                    f"{entry.name} ({percent(accuracy)}) does not beat the floor “{floor['name']}” "
                    f"({percent(floor['accuracy'])})."
                )
    return out


def confusions(study: Study) -> list[Part]:
    """The matrices of the contenders on one colour scale, with their most confused pairs."""
    found = [
        (entry, counts)
        for entry in study.contenders
        if entry.shown and (counts := confusion_of(entry.shown, study.part)) is not None
    ]
    largest = largest_error([counts for _, counts in found])
    has_numbers = len(study.class_names) <= MOST_CLASSES_WITH_NUMBERS
    return [
        {
            "entry": entry,
            "counts": counts,
            "largest": largest,
            "has_numbers": has_numbers,
            "rows": _confusion_rows(counts, largest) if has_numbers else [],
            "images": {} if has_numbers else _confusion_images(entry, counts, largest),
            "ticks": [] if has_numbers else _ticks(study.class_names),
            "pairs": pairs[: MOST_PAIRS_LISTED[has_numbers]],
            "single_left_out": left_out,
            "errors": int(counts.sum() - np.trace(counts)),
        }
        for entry, counts in found
        for pairs, left_out in [listed_pairs(counts)]
    ]


def listed_pairs(counts: NDArray[np.int64]) -> tuple[list[Confusion], int]:
    """The confused pairs, most images first and then the largest share; and how many pairs of one image were left out.

    One image says nothing about a pair of classes, and where classes are small its share is large. Such pairs are listed only
    where there are no others.
    """
    ordered = sorted(
        most_confused(counts, int(np.count_nonzero(counts))),
        key=lambda pair: (-pair.count, -pair.rate),
    )
    repeated = [pair for pair in ordered if pair.count > 1]
    return (repeated, len(ordered) - len(repeated)) if repeated else (ordered, 0)


def _ticks(names: tuple[str, ...]) -> list[Part]:
    """The labelled classes, each with the middle of its row or column in percent of the matrix."""
    return [
        {"name": names[number], "at": round(100 * (number + 0.5) / len(names), 3)}
        for number in labelled_classes(len(names))
    ]


def _confusion_rows(counts: NDArray[np.int64], largest: float) -> list[list[Part]]:
    share = rates(counts)
    return [
        [
            {
                "count": int(counts[row, column]),
                "rate": float(share[row, column]),
                "is_right": row == column,
                "strength": round(
                    float(share[row, column])
                    if row == column
                    else strength(share[row, column], largest),
                    3,
                ),
            }
            for column in range(len(counts))
        ]
        for row in range(len(counts))
    ]


def _confusion_images(entry: Entry, counts: NDArray[np.int64], largest: float) -> dict[str, str]:
    return {
        name: data_uri(confusion_pixels(counts, largest, theme.accent(entry.place), theme.soft))
        for name, theme in (("light", LIGHT), ("dark", DARK))
    }


def per_class(study: Study) -> list[Part]:
    """F1 of every class and contender, the mean over its seeds; the classes where the contenders differ most come first.

    With one contender, its precision and recall are added, and the weakest classes come first.
    """
    means = {
        entry.name: found
        for entry in study.contenders
        if (found := _class_means(entry.runs, study.part)) is not None
    }
    rows = []
    for number, name in enumerate(study.class_names):
        f1 = [
            means[entry.name][number] if entry.name in means else None for entry in study.contenders
        ]
        known = [one["f1"] for one in f1 if one]
        if known:
            rows.append(
                {
                    "name": name,
                    "scores": f1,
                    "support": next(one["support"] for one in f1 if one),
                    "gap": max(known) - min(known),
                    "worst": min(known),
                }
            )
    return sorted(rows, key=lambda row: (-row["gap"], row["worst"]))


def _class_means(runs: tuple[Run, ...], part: str) -> list[Part] | None:
    tables = [
        run.metrics[part]["per_class"]
        for run in runs
        if (run.metrics.get(part) or {}).get("per_class")
    ]
    keys = ("precision", "recall", "f1")
    return (
        [
            {key: float(np.mean([one[key] for one in same])) for key in keys}
            | {"support": same[0]["support"]}
            for same in zip(*tables, strict=True)
        ]
        if tables
        else None
    )


def floor_of_f1(classes: list[Part]) -> float:
    """Where the axis of the F1 dots begins: the tenth below the weakest class."""
    return (
        min(0.9, float(np.floor(10 * min(row["worst"] for row in classes)) / 10))
        if classes
        else 0.0
    )


def recipes(entries: tuple[Entry, ...]) -> list[Part]:
    """The settings of all entries side by side; those that differ are marked."""
    columns = [
        flat_settings(entry.facts.get("recipe") or (entry.shown.recipe if entry.shown else {}))
        for entry in entries
    ]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    return [
        {"key": key, "values": values, "differs": len(set(values)) > 1}
        for key in keys
        if (values := [column.get(key, "–") for column in columns])
    ]


def picture(one: Shown) -> Part:
    """A gallery's image for the page."""
    return {"shown": one, **thumbnail(one.image)}


def thumbnail(pixels: NDArray[np.uint8]) -> Part:
    """An image `(H, W, C)` as a data URI, and whether to enlarge it without smoothing."""
    is_tiny = max(pixels.shape[:2]) <= LARGEST_PNG_PX
    return {
        "is_tiny": is_tiny,
        "uri": data_uri(pixels) if is_tiny else data_uri(pixels, THUMBNAIL_PX, JPEG_QUALITY),
    }
