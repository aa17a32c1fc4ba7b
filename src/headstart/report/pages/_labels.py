"""The page of a study of labels: accuracy against their number, and how many one contender needs to match another."""

from __future__ import annotations

from functools import partial
from typing import Any

from headstart.formatting import ABSENT, count, interpolated_count, ratio
from headstart.report._load import Facts, Study
from headstart.report.figures import _labels
from headstart.report.pages._content import Content, images
from headstart.report.pages._panels import svg

WIDE, NARROW = (7.6, 4.3), (3.7, 4.0)  # inches: for a screen, and for a phone


def content(study: Study) -> Content:
    """The curves, the labels that match, the table of all points."""
    finding = study.facts
    drawn = {
        name: svg(_labels.curves_figure(study, *size), f"curves-{name}") for name, size in _sizes()
    }
    main = _main(finding)
    ahead = (
        None
        if main is None
        else next((one for one in study.entries if one.name == main["leader"]), None)
    )
    return Content(
        template="labels.html.j2",
        headline=headline(finding),
        lead=finding["sentence"] or "",
        images=images(study),
        values={
            "drawn": drawn,
            "main": main,
            "match": None if main is None else main["matches"][main["match"]],
            "times": None
            if main is None
            else times(main["matches"][main["match"]], finding["per_class"]),
            "counts": finding["per_class"],
            "rows": [(entry, _points(entry.facts, finding)) for entry in study.entries],
            "matching": [
                (pair, _matches(pair, finding["per_class"]))
                for pair in finding["comparisons"]
                if pair["matches"]
            ],
            "ended": None if main is None else crossing(main, finding["per_class"]),
        },
        figures={"labels": partial(_labels.curves_figure, study, *WIDE, headline(finding))},
        winner=ahead,
        recipes=study.entries,
    )


def _sizes() -> tuple[tuple[str, tuple[float, float]], ...]:
    return ("wide", WIDE), ("narrow", NARROW)


def _main(finding: Facts) -> Facts | None:
    """The comparison that the page is about, if it found a leader and the labels that match it."""
    if finding["main"] is None:
        return None
    found: Facts = finding["comparisons"][finding["main"]]
    return found if found["match"] is not None else None


def headline(finding: Facts) -> str:
    """The page's first words: how many labels match, who is ahead, or that no difference was shown."""
    name, main = finding["dataset"]["name"], _main(finding)
    if finding["main"] is None:
        return f"{finding['compared_with']} on {name}"
    if main is None:
        one = finding["comparisons"][finding["main"]]
        return (
            f"{one['leader']} is ahead of {one['follower']} on {name}"
            if one["leader"]
            else f"No difference shown on {name}"
        )
    match = main["matches"][main["match"]]
    begin = f"On {name}, {count(match['per_class'])} label{'s' * (match['per_class'] != 1)} a class with {main['leader']}"
    needs = match["needs"]
    worth = (
        interpolated_count(needs["per_class"])
        if needs["where"] == "inside"
        else _beyond(needs, finding["per_class"])
    )
    return f"{begin} are worth {worth} with {main['follower']}"


def _beyond(needs: Facts, counts: list[int]) -> str:
    return (
        f"more than {count(counts[-1])}"
        if needs["where"] == "above"
        else f"fewer than {count(counts[0])}"
    )


def crossing(pair: Facts, counts: list[int]) -> dict[str, str]:
    """From how many labels on the follower stays ahead, as a number and its interval in words."""
    found = pair["crossing"]
    low, high = found["interval"]
    if found["where"] == "above":
        may = low is not None and low < counts[-1]
        return {
            "at": f"above {count(counts[-1])}",
            "span": f"perhaps from {interpolated_count(low)}" if may else "",
        }
    if found["where"] == "below":
        return {"at": f"below {count(counts[0])}", "span": ""}
    ends = f"{interpolated_count(low) if low else f'below {count(counts[0])}'} to {interpolated_count(high) if high else f'above {count(counts[-1])}'}"
    return {"at": interpolated_count(found["per_class"]), "span": ends}


def _points(contender: Facts, finding: Facts) -> list[tuple[Facts, Facts | None]]:
    """Each point with its difference to the baseline."""
    found: dict[int, Facts] = {
        one["per_class"]: one
        for pair in finding["comparisons"]
        if pair["a"] == contender["name"]
        for one in pair["differences"]
    }
    return [(point, found.get(point["per_class"])) for point in contender["points"]]


def times(match: Facts, counts: list[int]) -> str:
    """How many times as many labels the follower needs, in words."""
    if match["needs"]["where"] == "inside":
        return ratio(match["times"])
    most, least = counts[-1] / match["per_class"], counts[0] / match["per_class"]
    return (
        f"more than {ratio(most)}"
        if match["needs"]["where"] == "above"
        else f"less than {ratio(least)}"
    )


def _matches(pair: Facts, counts: list[int]) -> list[dict[str, Any]]:
    """For each number of labels of the leader: what the follower needs, as words."""
    out = []
    for one in pair["matches"]:
        low, high = one["times_interval"]
        inside = one["needs"]["where"] == "inside"
        out.append(
            {
                "per_class": one["per_class"],
                "accuracy": one["accuracy"],
                "needs": interpolated_count(one["needs"]["per_class"]) if inside else ABSENT,
                "times": times(one, counts),
                "span": f"{ratio(low) if low else 'any'} to {ratio(high) if high else 'any'}",
            }
        )
    return out
