"""The page of `backbones`: accuracy of a linear probe against cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from headstart.report.figures._backbone_cost import COST_SIZES, cost_figure
from headstart.report.figures._canvas import inline_by_width
from headstart.report.pages._page import Page, Provenance, recipe_table
from headstart.results import BackboneCandidate, BackboneRanking

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True, kw_only=True)
class BackbonesPage(Page):
    """The page of a backbone study.

    Attributes:
        finding: The finding.
        rows: The candidates, the most accurate first.
        recommended: The recommended candidate.
        cost_svgs: Figures of accuracy against speed, by width.
    """

    template: ClassVar[str] = "backbones.html.j2"

    finding: BackboneRanking
    rows: tuple[BackboneCandidate, ...]
    recommended: BackboneCandidate
    cost_svgs: tuple[tuple[str, Markup], ...]


def backbones_page(finding: BackboneRanking) -> BackbonesPage:
    """Return the page of a backbone study."""
    rows = sorted(finding.candidates, key=lambda candidate: -candidate.accuracy)
    recommended = next(candidate for candidate in rows if candidate.is_recommended)
    size = f"{recommended.input_px} pixels"
    return BackbonesPage(
        headline=f"{recommended.model} at {size} for {finding.dataset.name}",
        lead=finding.sentence,
        part=finding.evaluated_on,
        images=finding.images,
        provenance=Provenance.of_finding(finding, []),
        recipes=recipe_table([]),
        figures={"cost": partial(cost_figure, finding.candidates)},
        finding=finding,
        rows=tuple(rows),
        recommended=recommended,
        cost_svgs=inline_by_width(partial(cost_figure, finding.candidates), "cost", COST_SIZES),
    )
