"""The findings of an audit in one line each: what was found, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headstart.audit import propose_plan
from headstart.data import similar_class_names
from headstart.formatting import (
    counted,
    cut_middle,
    cut_names,
    enumeration,
    one_line,
    percent,
    percent_interval,
)
from headstart.results import AuditReport

IMBALANCE_REPORTED = 5.0  # images of the largest class per image of the smallest
_NAMES_SHOWN = 3
_FILE_LETTERS = 40
_CLASS_LETTERS = 24


@dataclass(frozen=True)
class AuditLine:
    """One kind of finding.

    Attributes:
        key: Identifier of the kind, which is also that of its section on the page.
        title: Name of the kind.
        brief: The numbers, for a line of a terminal.
        text: What was found, with counts and examples.
        action: What to do next.
    """

    key: str
    title: str
    brief: str
    text: str
    action: str


def audit_lines(report: AuditReport) -> list[AuditLine]:
    """Return a line for each kind of finding that the data have, the most important first."""
    lines = [
        _unreadable(report),
        _leaks(report),
        _conflicts(report),
        _suspects(report),
        _no_class(report),
        _shortcuts(report),
        _groups(report),
        _copies(report),
        _quality(report),
        _class_names(report),
        _imbalance(report),
    ]
    return [line for line in lines if line is not None]


def absent_findings(report: AuditReport) -> str:
    """Return a sentence about the kinds of findings that the data do not have."""
    present = {line.key for line in audit_lines(report)}
    names = {
        "unreadable": "unreadable files",
        "leaks": "leaks between parts",
        "conflicts": "pictures with two labels",
        "suspects": "suspected wrong labels",
        "no-class": "images of no class",
        "shortcuts": "shortcuts",
        "groups": "divided groups",
        "copies": "repeated images",
        "quality": "images of poor quality",
        "class-names": "class names that are nearly the same",
        "imbalance": "strong imbalance of classes",
    }
    unchecked = {"shortcuts"} if report.shortcuts is None else set()
    if report.expected_wrong.suspects == 0 and not report.expected_wrong.sentence:
        unchecked.add("suspects")
    absent = [name for key, name in names.items() if key not in present | unchecked]
    return f"Not found: {', '.join(absent)}." if absent else ""


def _unreadable(report: AuditReport) -> AuditLine | None:
    if not report.unreadable:
        return None
    files = counted(len(report.unreadable), "file")
    parts = Counter(file.part for file in report.unreadable)
    held_out = [f"{parts[part]:,} in {part}" for part in ("validation", "test") if parts[part]]
    where = f" ({', '.join(held_out)})" if held_out else ""
    return AuditLine(
        "unreadable",
        "Unreadable",
        f"{files}{where}",
        f"{files} cannot be read{where}: {_names(file.image for file in report.unreadable)}",
        "repair them, or use --skip-bad",
    )


def _leaks(report: AuditReport) -> AuditLine | None:
    if not report.leaks:
        return None
    parts = Counter(leak.image.part for leak in report.leaks)
    counts = [
        counted(parts[part], f"{part} image") for part in ("test", "validation") if parts[part]
    ]
    verb = "is" if len(report.leaks) == 1 else "are"
    text = f"{enumeration(counts)} {verb} also in an earlier part"
    exact = sum(leak.relation == "exact" for leak in report.leaks)
    if exact:
        text += f" ({exact:,} as exact copies, which never train)"

    shares = [f"{parts[part]:,} {part}" for part in ("test", "validation") if parts[part]]
    images = "image" if len(report.leaks) == 1 else "images"
    brief = f"{', '.join(shares)} {images}"
    effect = report.leak_effect
    if effect is not None and effect.accuracy_without_leaks is not None:
        text += (
            f"; probe accuracy {percent(effect.accuracy)} with and "
            f"{percent(effect.accuracy_without_leaks)} without them"
        )
    return AuditLine("leaks", "Leaks", brief, text, "drop the copies: --fix")


def _conflicts(report: AuditReport) -> AuditLine | None:
    if not report.label_conflicts:
        return None
    exact = sum(pair.relation == "exact" for pair in report.label_conflicts)
    near = len(report.label_conflicts) - exact
    kinds = []
    if exact:
        kinds.append(counted(exact, "pair of equal images", "pairs of equal images"))
    if near:
        kinds.append(counted(near, "pair of near copies", "pairs of near copies"))
    verb = "has" if len(report.label_conflicts) == 1 else "have"
    first, second = report.label_conflicts[0].images
    label, other_label = _two_classes(first.label, second.label)
    return AuditLine(
        "conflicts",
        "Two labels",
        enumeration(kinds),
        f"{enumeration(kinds)} {verb} different labels, such as "
        f"{_file(first.image)} ({label}) and {_file(second.image)} ({other_label})",
        "decide: --review",
    )


def _suspects(report: AuditReport) -> AuditLine | None:
    if not report.suspects:
        return None
    confused = Counter((suspect.label, suspect.suggested) for suspect in report.suspects)
    (label, suggested), count = confused.most_common(1)[0]
    sentence = report.expected_wrong.sentence
    text = one_line(sentence).removesuffix(".")
    if not text:
        text = counted(len(report.suspects), "label is suspect", "labels are suspect")
    if count > 1:
        label, suggested = _two_classes(label, suggested)
        text += f"; most often label {label}, predicted {suggested} ({count:,})"
    brief = counted(len(report.suspects), "suspect")
    interval = report.expected_wrong.interval
    if interval is not None:
        brief += f", {interval[0]:,.0f} to {interval[1]:,.0f} of them wrong"
    return AuditLine("suspects", "Wrong labels", brief, text, "look at these first: --review")


def _no_class(report: AuditReport) -> AuditLine | None:
    if not report.no_class:
        return None
    reasons = Counter(odd.reason for odd in report.no_class)
    kinds = [f"{count:,} {reason}" for reason, count in reasons.most_common()]
    images = counted(len(report.no_class), "image")
    verb = "belongs" if len(report.no_class) == 1 else "belong"
    rows = propose_plan(report)
    planned = {row.image for row in rows if row.reason.startswith("belongs to no class")}
    dropped = sum(odd.image in planned for odd in report.no_class)
    action = "drop them: --fix"
    if not dropped:
        action = "look at them: --review"
    elif dropped < len(report.no_class):
        action = f"drop {dropped:,} of them: --fix; look at the others: --review"
    return AuditLine(
        "no-class",
        "No class",
        f"{images}: {', '.join(kinds)}",
        f"{images} probably {verb} to no class ({', '.join(kinds)}): "
        f"{_names(odd.image for odd in report.no_class)}",
        action,
    )


def _shortcuts(report: AuditReport) -> AuditLine | None:
    if report.shortcuts is None:
        return None
    properties = [score for score in report.shortcuts.properties if score.is_shortcut]
    if not properties:
        return None
    best = properties[0]
    others = [score.name for score in properties[1:]]
    text = (
        f"{best.name} alone predicts the class with {percent(best.accuracy)} accuracy "
        f"({percent_interval(best.interval)}; guessing gives {percent(report.shortcuts.guessing)})"
    )
    if others:
        text += f"; so {'does' if len(others) == 1 else 'do'} {enumeration(others)}"
    brief = f"{best.name} predicts {percent(best.accuracy)} (guessing "
    brief += f"{percent(report.shortcuts.guessing)})"
    return AuditLine("shortcuts", "Shortcuts", brief, text, "make it alike in all classes")


def _groups(report: AuditReport) -> AuditLine | None:
    groups = report.groups
    if groups.source != "inferred" or not groups.divided:
        return None
    return AuditLine(
        "groups",
        "Divided groups",
        f"{groups.divided:,} of {groups.groups:,} inferred groups",
        f"the split divides {groups.divided:,} of {groups.groups:,} inferred groups; "
        f"{counted(groups.divided_images, 'evaluation image')} "
        f"{'has' if groups.divided_images == 1 else 'have'} relatives in another part",
        "if real: --group-by inferred",
    )


def _copies(report: AuditReport) -> AuditLine | None:
    pairs = [
        pair
        for pair in report.duplicates
        if pair.images[0].label == pair.images[1].label
        and pair.images[0].part == pair.images[1].part
    ]
    if not pairs:
        return None
    exact = sum(pair.relation == "exact" for pair in pairs)
    kinds = []
    if exact:
        kinds.append(f"{exact:,} exact")
    if len(pairs) > exact:
        kinds.append(f"{len(pairs) - exact:,} near")
    action = "drop the copies: --fix"
    if not exact:
        action = "look at them: --review"
    elif exact < len(pairs):
        action = "drop exact copies: --fix; look at the others: --review"
    copies = "copy" if len(pairs) == 1 else "copies"
    return AuditLine(
        "copies",
        "Repeated",
        f"{' and '.join(kinds)} {copies} within a class and part",
        f"{' and '.join(kinds)} {copies} within a class and part, such as "
        f"{_file(pairs[0].images[1].image)} of {_file(pairs[0].images[0].image)}",
        action,
    )


def _quality(report: AuditReport) -> AuditLine | None:
    if not report.quality:
        return None
    problems = Counter(issue.problem for issue in report.quality)
    kinds = [f"{count:,} {problem}" for problem, count in problems.most_common()]
    return AuditLine(
        "quality",
        "Quality",
        ", ".join(kinds),
        f"{', '.join(kinds)}; such as {_names(issue.image for issue in report.quality)}",
        "keep what people can classify",
    )


def _class_names(report: AuditReport) -> AuditLine | None:
    pairs = similar_class_names([count.name for count in report.class_counts])
    if not pairs:
        return None
    named = [" and ".join(_two_classes(*pair)) for pair in pairs]
    text = f"the names {named[0]} are nearly the same"
    if len(named) > 1:
        text = f"{len(named):,} pairs are nearly the same: {'; '.join(named[:_NAMES_SHOWN])}"
        text += "; …" if len(named) > _NAMES_SHOWN else ""
    return AuditLine(
        "class-names",
        "Class names",
        counted(len(pairs), "pair is nearly the same", "pairs are nearly the same"),
        text,
        "if they mean the same class, give both the same name",
    )


def _imbalance(report: AuditReport) -> AuditLine | None:
    if report.imbalance < IMBALANCE_REPORTED:
        return None
    counts = sorted(report.class_counts, key=lambda count: count.images)
    least, most = counts[0], counts[-1]
    largest, smallest = _two_classes(most.name, least.name)
    return AuditLine(
        "imbalance",
        "Imbalance",
        f"{largest} {most.images:,}, {smallest} {least.images:,}",
        f"the largest class, {largest}, has {counted(most.images, 'image')}, "
        f"and the smallest, {smallest}, has {least.images:,}",
        "report macro F1 as well as accuracy",
    )


def _file(name: str) -> str:
    return cut_middle(name, _FILE_LETTERS)


def _two_classes(first: str, second: str) -> tuple[str, str]:
    """Return the names of two classes, cut so that they still differ."""
    short = cut_names((first, second), _CLASS_LETTERS)
    return short[first], short[second]


def _names(names: Iterable[str]) -> str:
    listed: Sequence[str] = list(dict.fromkeys(names))
    shown = ", ".join(map(_file, listed[:_NAMES_SHOWN]))
    return f"{shown}, …" if len(listed) > _NAMES_SHOWN else shown
