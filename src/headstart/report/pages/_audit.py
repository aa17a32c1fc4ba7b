"""The page of `audit`: what is wrong with the data, with thumbnails and a plan to decide on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from headstart import store
from headstart.audit import propose_plan
from headstart.data import PlanRow
from headstart.errors import InputError
from headstart.formatting import counted
from headstart.report._audit_images import (
    IMAGES_FILE,
    PAGE_LIMITS,
    AuditImages,
    Limits,
    is_repeated_copy,
    quality_shown,
)
from headstart.report._audit_lines import AuditLine, absent_findings, audit_lines
from headstart.report._study import image_count
from headstart.report.pages._page import Page, Provenance, RecipeTable
from headstart.report.pages._thumbnail import Thumbnail
from headstart.results import (
    AuditedImage,
    AuditReport,
    ClassCount,
    OddImage,
    QualityIssue,
    Suspect,
)


@dataclass(frozen=True)
class Card:
    """One image on the page, and what the audit proposes for it.

    Attributes:
        index: Index of the image in the dataset.
        image: Name of the image.
        label: Its class in the data.
        part: Its part of the split.
        thumbnail: The image.
        proposal: The proposed row of the plan, or None.
    """

    index: int
    image: str
    label: str
    part: str
    thumbnail: Thumbnail
    proposal: PlanRow | None


@dataclass(frozen=True)
class CardPair:
    """Two images side by side, and how they differ."""

    first: Card
    second: Card
    relation: str


@dataclass(frozen=True)
class SuspectGroup:
    """Suspects with one label that look like one other class.

    Attributes:
        label: The class in the data; empty for suspects of rare pairs of classes.
        suggested: The suggested class.
        count: Number of suspects of these classes, also of those that are not shown.
        cards: The suspects with their details.
    """

    label: str
    suggested: str
    count: int
    cards: tuple[tuple[Card, Suspect], ...]


@dataclass(frozen=True)
class ClassExamples:
    """One class with some of its images."""

    count: ClassCount
    thumbnails: tuple[Thumbnail, ...]


@dataclass(frozen=True)
class Hidden:
    """The number of findings of each section that the page does not show."""

    suspects: int
    conflicts: int
    leaks: int
    odd: int
    copies: int
    quality: int


@dataclass(frozen=True, kw_only=True)
class AuditPage(Page):
    """The page of an audit.

    Attributes:
        finding: The report of the audit.
        lines: One line per kind of finding.
        absent: A sentence about what was looked for and not found.
        suspects: Suspects by pair of classes.
        conflicts: The same picture under two labels.
        leaks: Images with a copy in an earlier part.
        odd: Images of no class.
        copies: Images of one class and part that show the same picture.
        quality: Images of poor quality.
        classes: The classes with examples.
        hidden: Numbers of findings that are not shown.
        review: The state of a review, for the script of the page; empty without one.
    """

    template: ClassVar[str] = "audit.html.j2"

    finding: AuditReport
    lines: tuple[AuditLine, ...]
    absent: str
    suspects: tuple[SuspectGroup, ...]
    conflicts: tuple[CardPair, ...]
    leaks: tuple[CardPair, ...]
    odd: tuple[tuple[Card, OddImage], ...]
    copies: tuple[CardPair, ...]
    quality: tuple[tuple[Card, QualityIssue], ...]
    classes: tuple[ClassExamples, ...]
    hidden: Hidden
    review: str = ""


def read_audit_page(folder: Path, finding: AuditReport) -> AuditPage:
    """Return the page of an audit whose images are in its folder.

    Raises:
        InputError: The images are missing or damaged.
    """
    content = store.read_json(folder / IMAGES_FILE)
    try:
        images = AuditImages.from_json(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder / IMAGES_FILE} is damaged: {error}.", "Run the audit again."
        ) from error
    return audit_page(finding, images)


def audit_page(
    finding: AuditReport, images: AuditImages, limits: Limits = PAGE_LIMITS, review: str = ""
) -> AuditPage:
    """Return the page of an audit.

    Args:
        finding: The report.
        images: The images that the page shows.
        limits: How many findings of each kind are shown.
        review: The state of a review, for the script of the page; empty without one.
    """
    cards = _Cards(finding, images)
    copies = [pair for pair in finding.duplicates if is_repeated_copy(pair)]
    quality = quality_shown(finding, limits)
    return AuditPage(
        headline=_headline(finding),
        lead=_lead(finding),
        part=finding.evaluated_on,
        images=image_count(finding.dataset, finding.evaluated_on),
        provenance=Provenance.of_finding(finding, ()),
        recipes=RecipeTable((), ()),
        figures={},
        finding=finding,
        lines=tuple(audit_lines(finding)),
        absent=absent_findings(finding),
        suspects=_suspect_groups(finding.suspects, finding.suspects[: limits.suspects], cards),
        conflicts=tuple(
            CardPair(cards.of(pair.images[0]), cards.of(pair.images[1]), pair.relation)
            for pair in finding.label_conflicts[: limits.pairs]
        ),
        leaks=tuple(
            CardPair(cards.of(leak.image), cards.of(leak.copy_of), leak.relation)
            for leak in finding.leaks[: limits.pairs]
        ),
        odd=tuple((cards.of(odd), odd) for odd in finding.no_class[: limits.odd]),
        copies=tuple(
            CardPair(cards.of(pair.images[0]), cards.of(pair.images[1]), pair.relation)
            for pair in copies[: limits.pairs]
        ),
        quality=tuple((cards.of(issue), issue) for issue in quality),
        classes=_class_examples(finding, images),
        hidden=Hidden(
            suspects=max(0, len(finding.suspects) - limits.suspects),
            conflicts=max(0, len(finding.label_conflicts) - limits.pairs),
            leaks=max(0, len(finding.leaks) - limits.pairs),
            odd=max(0, len(finding.no_class) - limits.odd),
            copies=max(0, len(copies) - limits.pairs),
            quality=len(finding.quality) - len(quality),
        ),
        review=review,
    )


class _Cards:
    """The cards of a page."""

    def __init__(self, finding: AuditReport, images: AuditImages) -> None:
        self._thumbnails: Mapping[int, Thumbnail] = images.thumbnails
        self._proposals: dict[tuple[str, str], PlanRow] = {}
        for row in propose_plan(finding, least_probability=0):
            self._proposals[row.image, row.label] = row

    def of(self, image: AuditedImage | Suspect | OddImage | QualityIssue) -> Card:
        """Return the card of an image."""
        return Card(
            image.index,
            image.image,
            image.label,
            image.part,
            self._thumbnails[image.index],
            self._proposals.get((image.image, image.label)),
        )


def _suspect_groups(
    suspects: Sequence[Suspect], shown: Sequence[Suspect], cards: _Cards
) -> tuple[SuspectGroup, ...]:
    """Return suspects by pair of classes; pairs with one suspect only are together at the end."""
    pairs: dict[tuple[str, str], list[Suspect]] = {}
    counts: dict[tuple[str, str], int] = {}
    for suspect in suspects:
        key = (suspect.label, suspect.suggested)
        counts[key] = counts.get(key, 0) + 1
    for suspect in shown:
        pairs.setdefault((suspect.label, suspect.suggested), []).append(suspect)

    groups: list[SuspectGroup] = []
    single: list[Suspect] = []
    for (label, suggested), members in pairs.items():
        if counts[label, suggested] == 1:
            single += members
            continue
        with_cards = tuple((cards.of(suspect), suspect) for suspect in members)
        groups.append(SuspectGroup(label, suggested, counts[label, suggested], with_cards))
    if single:
        with_cards = tuple((cards.of(suspect), suspect) for suspect in single)
        groups.append(SuspectGroup("", "", len(single), with_cards))
    return tuple(groups)


def _class_examples(finding: AuditReport, images: AuditImages) -> tuple[ClassExamples, ...]:
    classes = []
    for count in finding.class_counts:
        indices = images.examples.get(count.name, ())
        thumbnails = tuple(images.thumbnails[index] for index in indices)
        classes.append(ClassExamples(count, thumbnails))
    return tuple(classes)


def _headline(finding: AuditReport) -> str:
    lines = audit_lines(finding)
    if not lines:
        return f"Nothing was found in {finding.dataset.name}"
    return (
        f"{counted(len(lines), 'kind of finding', 'kinds of findings')} in {finding.dataset.name}"
    )


def _lead(finding: AuditReport) -> str:
    lines = audit_lines(finding)
    if not lines:
        return absent_findings(finding)
    text = lines[0].text
    return f"{text[0].upper()}{text[1:]}."
