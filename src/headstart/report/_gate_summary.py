"""The summary of a gate as Markdown, for a pull request."""

from __future__ import annotations

import re

from headstart.formatting import (
    compact_count,
    confidence,
    duration,
    margin,
    milliseconds,
    one_line,
    p_value,
    percent,
    percent_interval,
    points,
    points_interval,
)
from headstart.results import Comparison, Contender
from headstart.studies import Gate

_TITLES = {0: " passed", 1: " failed", 4: ""}


def gate_summary(finding: Comparison, gate: Gate) -> str:
    """Return the summary of a gate as Markdown.

    Args:
        finding: The comparison.
        gate: The decision about it.
    """
    contenders = {contender.name: contender for contender in finding.contenders}
    columns = [contenders.get(gate.reference), contenders.get(gate.candidate)]
    lines = [
        f"## Accuracy gate{_TITLES[gate.exit_status]}: {gate.decision}",
        "",
        _escaped(gate.sentence),
        "",
        f"| | reference: {_escaped(gate.reference)} | candidate: {_escaped(gate.candidate)} |",
        "|---|---|---|",
    ]
    for name, cells in _rows(columns, finding.evaluated_on):
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")

    lines.append("")
    if gate.interval is not None and gate.test_interval is not None:
        shown = confidence(gate.confidence)
        lines += [
            f"- Difference: {points(gate.difference, signed=True)} points, 95% interval "
            f"{points_interval(gate.interval)}, {p_value(gate.p_value)}",
            f"- Non-inferiority margin: {margin(gate.margin)}; {shown} interval "
            f"{points_interval(gate.test_interval)}",
        ]
    if gate.decision == "undecided" and len(finding.verdict.pairs) == 1:
        lines.append(f"- {_escaped(finding.verdict.sentence)}")  # it says what would decide
    lines += [f"- {_escaped(note)}" for note in finding.verdict.notes]
    if finding.command:
        # A study does not contain its gate, so its command lacks the option.
        lines += ["", f"```\n{one_line(finding.command)} --gate\n```"]
    return "\n".join(lines) + "\n"


def _rows(columns: list[Contender | None], part: str) -> list[tuple[str, list[str]]]:
    """Return the names and cells of the table."""
    names = (f"{part} accuracy (95% interval)", "training time", "time per image", "parameters")
    cells = [_cells(contender, part) for contender in columns]
    return [(name, [column[row] for column in cells]) for row, name in enumerate(names)]


def _cells(contender: Contender | None, part: str) -> list[str]:
    """Return the cells of a contender: accuracy, training time, time per image and parameters."""
    scores = None if contender is None else contender.part(part)
    if contender is None or scores is None:
        return ["no finished run"] * 4
    interval = percent_interval(scores.interval, scores.n)
    return [
        f"{percent(scores.accuracy, scores.n)} ({interval})",
        duration(contender.seconds.train),
        f"{milliseconds(contender.predict_ms_per_image)} ms",
        compact_count(contender.parameters),
    ]


def _escaped(text: str) -> str:
    """Return text without the characters that Markdown and HTML interpret."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line(text))
