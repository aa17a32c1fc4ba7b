"""Copies and suspected labels among evaluated images, from a finished audit of the same data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.audit import picture_numbers
from headstart.data import Dataset, connected_groups
from headstart.errors import InputError
from headstart.results import AuditReport, read_finding

Indices = NDArray[np.int64]

# Labels that are more probably wrong than right are corrected. More of them are left out.
LEAST_TO_CORRECT = 0.5
LEAST_TO_LEAVE_OUT = 0.1


@dataclass(frozen=True)
class SuspectedLabels:
    """Labels of a dataset that an audit suspects, in no order.

    Attributes:
        rows: Int64 dataset indices of shape (K,).
        suggested: Int64 array of shape (K,), the class that each image probably has.
        probability: Float64 array of shape (K,), the probability that the label is wrong.
    """

    rows: Indices
    suggested: Indices
    probability: NDArray[np.float64]


@dataclass(frozen=True)
class AuditEvidence:
    """Evidence about the images that does not come from the contenders. None means not known.

    Attributes:
        pictures: Int64 array of shape (N,): images with the same number are near copies.
        suspects: Suspected labels.
    """

    pictures: Indices | None
    suspects: SuspectedLabels | None


def audit_evidence(dataset: Dataset, folder: Path) -> AuditEvidence:
    """Return what audits say about the data: a quick search, and finished audits.

    Args:
        dataset: The dataset.
        folder: A study folder. Audits of the same images and labels are looked for beside it.
    """
    pictures = picture_numbers(dataset)
    suspects = None
    for report, is_quick in _audits_beside(folder, dataset.fingerprint):
        if pictures is None:
            pictures = _pictures_in_report(report)
        if suspects is None and not is_quick:
            suspects = _suspects_in_report(report)
    return AuditEvidence(pictures, suspects)


def _audits_beside(folder: Path, fingerprint: str) -> list[tuple[AuditReport, bool]]:
    """Return the finished audits of a dataset, and whether each left out the labels."""
    audits = []
    for path in sorted(folder.absolute().parent.glob("*/study.json")):
        study = store.read_json_or(path, {})
        is_audit = study.get("study") == "audit" and study.get("dataset") == fingerprint
        if not is_audit or not (path.parent / "finding.json").exists():
            continue
        try:
            report = read_finding(path.parent)
        except InputError:
            continue  # A damaged audit is not part of this study.
        if isinstance(report, AuditReport):
            audits.append((report, bool(study.get("quick"))))
    return audits


def _pictures_in_report(report: AuditReport) -> Indices:
    first = np.array([pair.images[0].index for pair in report.duplicates], np.int64)
    second = np.array([pair.images[1].index for pair in report.duplicates], np.int64)
    return connected_groups(report.images, first, second)


def _suspects_in_report(report: AuditReport) -> SuspectedLabels:
    number = {name: label for label, name in enumerate(report.dataset.class_names)}
    listed = [suspect for suspect in report.suspects if suspect.wrong_probability is not None]
    return SuspectedLabels(
        rows=np.array([suspect.index for suspect in listed], np.int64),
        suggested=np.array([number[suspect.suggested] for suspect in listed], np.int64),
        probability=np.array([suspect.wrong_probability for suspect in listed], np.float64),
    )
