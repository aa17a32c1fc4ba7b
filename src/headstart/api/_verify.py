"""Verification of a report, as a function."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart.api._results import Result

if TYPE_CHECKING:
    from rich.console import RenderableType


class VerificationResult(Result):
    """The result of `verify`."""

    def table(self) -> RenderableType:
        """Return what was verified and what differs as text."""
        from headstart.report import verification_lines

        return verification_lines(self)


def verify(report: str | Path) -> VerificationResult:
    """Recompute the numbers of a report from the data inside it, and list the differences.

    The page is written again from its data, and the accuracies, intervals, p-values and the verdict
    are recomputed from the predictions of each image. This finds mistakes and edits. It is not
    a signature: it does not detect that page and predictions were replaced together.

    Args:
        report: A `report.html`, or the folder that holds it.

    Returns:
        `report`, `verified`, `headstart` (the version that wrote the report), `numbers` (of the
        page), `values` (of the data that were recomputed), `as_written` (whether the page has the
        digest that was recorded when it was written), `differences` (`where`, `shown`, `expected`,
        and `kind`: "text", "data", "pictures", "styles" or "scripts"), `recomputed` and
        `not_recomputed` (in words).

    Raises:
        InputError: The file cannot be read, or it is not a report that contains its data.
    """
    from headstart.report import verify as verify_report

    return VerificationResult(verify_report(report).as_json())
