"""What one kind of study puts on its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headstart.report._load import Entry, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Content:
    """What the frame that all pages share does not know.

    Attributes:
        template: the file that extends `base.html.j2`.
        headline: the page's first words.
        lead: the sentence under them; "" for none.
        images: how many images the scores rest on.
        values: what the template fills in.
        figures: the functions that draw the files of `figures/`, by file name without ending.
        winner: the entry whose accent the headline takes.
        recipes: the entries whose settings are listed.
    """

    template: str
    headline: str
    lead: str
    images: int | None
    values: dict[str, Any]
    figures: dict[str, Callable[[], Figure]]
    winner: Entry | None = None
    recipes: tuple[Entry, ...] = field(default=())


def images(study: Study) -> int | None:
    """How many images judged: as a run counted them, else as the dataset says."""
    seen = (entry.score["n"] for entry in study.entries)
    return next(filter(None, seen), (study.facts["dataset"]["counts"] or {}).get(study.part))
