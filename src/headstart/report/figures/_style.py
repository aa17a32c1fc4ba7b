"""The colours of a report. A contender keeps its accent on the whole page and in every figure."""

from __future__ import annotations

from dataclasses import dataclass

# Found by a search with two conditions, which tests/report checks. Each accent has a contrast of at
# least 4.5 on its background (WCAG AA for text). Any two keep a CIE76 distance of at least 10 under
# simulated protanopia, deuteranopia and tritanopia (Machado et al., 2009).
LIGHT_ACCENTS = ("#0067a5", "#c04a00", "#9a1fd0", "#5c0a36", "#14147a", "#00694a")
DARK_ACCENTS = ("#5bb4f0", "#ff8f57", "#ff4d9d", "#d6e64a", "#5ff2c0", "#8c80ff")


@dataclass(frozen=True)
class Theme:
    """A set of colours.

    Attributes:
        ink: Text.
        soft: Secondary text.
        line: Lines and grids.
        paper: Background.
        wash: Background of a highlighted area.
        warn: Warnings.
        accents: Contenders, in their order.
    """

    ink: str
    soft: str
    line: str
    paper: str
    wash: str
    warn: str
    accents: tuple[str, ...]

    def accent(self, place: int | None) -> str:
        """Return the accent at `place`, or the colour of secondary text for None (a control)."""
        return self.soft if place is None else self.accents[place % len(self.accents)]


LIGHT = Theme(
    ink="#1b1f24",
    soft="#59616b",
    line="#d9dde2",
    paper="#ffffff",
    wash="#f5f6f8",
    warn="#b42318",
    accents=LIGHT_ACCENTS,
)
DARK = Theme(
    ink="#e8eaed",
    soft="#a2aab4",
    line="#343a42",
    paper="#14171b",
    wash="#1c2026",
    warn="#ff8a80",
    accents=DARK_ACCENTS,
)
