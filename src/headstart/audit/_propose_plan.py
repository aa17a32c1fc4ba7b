"""The plan that follows from an audit: which images to drop or relabel, each with a reason."""

from __future__ import annotations

from headstart.data import PlanRow
from headstart.formatting import one_line
from headstart.results import AuditedImage, AuditReport, DuplicatePair, Suspect

# A label that is more probably right than wrong is not changed.
LEAST_PROBABILITY = 0.5
# A drawing on a plain ground may look like text, so a person decides.
_UNCERTAIN_REASONS = ("text",)
# If more than this share of the images seems to have no class, the rule is probably wrong for them.
_LARGEST_SHARE = 0.05
# Of two copies the one in the earlier part of this list goes, so that evaluation stays complete.
_DROPPED_FIRST = ("unused", "train", "validation", "test")


def propose_plan(
    report: AuditReport, least_probability: float = LEAST_PROBABILITY
) -> list[PlanRow]:
    """Return one row per proposed change, at most one per image.

    An image of no class is dropped, unless it only looks like text. So are all images of an exact
    copy under two labels, because the copy does not say which label is correct, and the exact
    copies that repeat an image of the same class. A suspect gets the suggested label if that is
    probable enough, and is dropped otherwise. Of a leak, the copy in the earlier part is dropped.

    Args:
        report: The report of the audit.
        least_probability: Probability from which on a suspect counts as wrong. For 0, which suits
            a review, every suspect has a row with its suggested label, and every near copy and
            every image that looks like text has one.

    Returns:
        The rows, in the order of that list.
    """
    rows: dict[int, PlanRow] = {}
    is_common = len(report.no_class) > _LARGEST_SHARE * report.images
    for odd in report.no_class:
        if (odd.reason in _UNCERTAIN_REASONS or is_common) and least_probability > 0:
            continue
        reason = f"belongs to no class ({odd.reason}: {odd.detail})"
        rows.setdefault(odd.index, PlanRow(odd.image, "drop", odd.label, reason=reason))

    for suspect in report.suspects:
        if least_probability == 0 or _is_probable(suspect.wrong_probability, least_probability):
            rows.setdefault(suspect.index, _suspect_row(suspect, least_probability))

    for pair in report.label_conflicts:
        if pair.relation == "exact":
            _add_conflict(rows, pair)

    for leak in report.leaks:
        partner, part = leak.copy_of, leak.image.part
        reason = f"{_copy_word(leak.relation)} of the {part} image {one_line(leak.image.image)}"
        rows.setdefault(partner.index, _drop(partner, reason))

    for pair in report.duplicates:
        first, second = pair.images
        is_certain = pair.relation == "exact" or least_probability == 0
        if first.label == second.label and is_certain:
            _add_copy(rows, pair)
    return list(rows.values())


def _is_probable(probability: float | None, least: float) -> bool:
    return probability is not None and probability >= least


def _suspect_row(suspect: Suspect, least_probability: float) -> PlanRow:
    """Return the row of a wrong label. An improbable suggestion is not followed."""
    reason = "suspected wrong label"
    if suspect.probability < least_probability:
        return PlanRow(
            suspect.image,
            "drop",
            suspect.label,
            reason=f"{reason}, without a clear correction",
        )
    return PlanRow(
        suspect.image,
        "relabel",
        suspect.label,
        suspect.suggested,
        reason,
        suspect.probability,
    )


def _add_conflict(rows: dict[int, PlanRow], pair: DuplicatePair) -> None:
    """Drop both images, unless a relabelled one then agrees with the other."""
    first, second = pair.images
    labels = [_label_after(rows, image) for image in pair.images]
    if labels[0] == labels[1]:
        return
    for image, other in ((first, second), (second, first)):
        reason = f"the same image as {one_line(other.image)} with the label {one_line(other.label)}"
        rows.setdefault(image.index, _drop(image, reason))


def _add_copy(rows: dict[int, PlanRow], pair: DuplicatePair) -> None:
    """Drop the copy in the earlier part; of two in one part the second."""
    first, second = pair.images
    if any(rows.get(image.index, _KEPT).action == "drop" for image in pair.images):
        return
    is_first_dropped = _DROPPED_FIRST.index(first.part) < _DROPPED_FIRST.index(second.part)
    dropped, kept = (first, second) if is_first_dropped else (second, first)
    reason = f"{_copy_word(pair.relation)} of {one_line(kept.image)}"
    rows.setdefault(dropped.index, _drop(dropped, reason))


_KEPT = PlanRow("", "keep")


def _label_after(rows: dict[int, PlanRow], image: AuditedImage) -> str | None:
    """Return the label of an image under the rows so far; None if it is dropped."""
    row = rows.get(image.index, _KEPT)
    if row.action == "drop":
        return None
    return row.new_label or image.label


def _drop(image: AuditedImage, reason: str) -> PlanRow:
    return PlanRow(image.image, "drop", image.label, reason=reason)


def _copy_word(relation: str) -> str:
    words = {"exact": "exact copy", "same": "near copy"}
    return words.get(relation, f"{relation} copy")
