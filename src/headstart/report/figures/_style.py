"""The colours of a report. One accent belongs to one contender on the whole page and in every figure."""

from __future__ import annotations

from dataclasses import dataclass

# Chosen by search: on their background each has a contrast of 4.5 or more (WCAG AA for text), and any two keep a CIE76 distance
# of 10 or more as seen with protanopia, deuteranopia and tritanopia (Machado et al., 2009). tests/report holds both to it.
LIGHT_ACCENTS = ("#0067a5", "#c04a00", "#9a1fd0", "#5c0a36", "#14147a", "#00694a")
DARK_ACCENTS = ("#5bb4f0", "#ff8f57", "#ff4d9d", "#d6e64a", "#5ff2c0", "#8c80ff")


@dataclass(frozen=True)
class Theme:
    """Text, secondary text, lines, background, a background slightly set off, warnings, and the accents by place."""

    ink: str
    soft: str
    line: str
    paper: str
    wash: str
    warn: str
    accents: tuple[str, ...]

    def accent(self, place: int | None) -> str:
        """The accent of the contender at `place`; controls have no place, and take the colour of secondary text."""
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
