"""The terminal table of `audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.formatting import counted
from headstart.report._audit_lines import absent_findings, audit_lines
from headstart.report.terminal._tables import ResponsiveTable, new_table, sentences, text
from headstart.results import AuditReport

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def audit_table(report: AuditReport) -> RenderableType:
    """Return a table of the findings, most important first."""
    return ResponsiveTable(lambda _: _audit_group(report))


def _audit_group(report: AuditReport) -> RenderableType:
    from rich.console import Group

    lines = audit_lines(report)
    images = f"{counted(report.images, 'image')}, {counted(report.classes, 'class', 'classes')}"
    summary = f"{images}: {counted(len(lines), 'kind of finding', 'kinds of findings')}."
    if not lines:
        summary = f"{images}: nothing was found."
    return Group(
        *([_findings_table(report)] if lines else []),
        *sentences([summary], "bold"),
        *sentences(filter(None, [absent_findings(report)]), "dim"),
        *sentences(report.notes, "dim"),
    )


def _findings_table(report: AuditReport) -> Table:
    from rich.text import Text

    table = new_table(text(""), text("found", folds=True), text("what to do", folds=True))
    for line in audit_lines(report):
        table.add_row(Text(line.title, style="bold"), line.brief, Text(line.action, style="dim"))
    return table
