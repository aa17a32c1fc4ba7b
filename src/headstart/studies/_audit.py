"""The audit as a study: every check of a dataset, and its report."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.audit import (
    Duplicates,
    ImageNames,
    SuspectReport,
    class_counts,
    class_imbalance,
    duplicate_pairs,
    file_counts,
    find_duplicates,
    find_odd_images,
    find_quality_issues,
    find_shortcuts,
    group_report,
    leaks,
    measure_pixels,
    odd_images,
    quality_issues,
    shortcut_report,
    unreadable_images,
)
from headstart.data import (
    Dataset,
    InferredGroups,
    SplitDataset,
    connected_groups,
    infer_groups,
    read_file_facts,
    with_train,
)
from headstart.results import AuditReport, EvaluationPart, JsonObject
from headstart.studies._study import Study, StudyContext, to_json

# Raise this when the checks find other things in the same data. Old reports are then not reused.
_CHECKS = 4


@dataclass(frozen=True)
class AuditConfig(Study[AuditReport]):
    """The configuration of an audit.

    Attributes:
        quick: Whether to leave out what needs training: suspect labels and the effect of leaks.
        seen: Digest of what is audited besides the images and labels; see `audited_content`.
        next_command: The command that the report recommends, if it lists images to decide about.
        next_without_images: The command that it recommends otherwise.
        notes: Sentences about what happened before the audit.
    """

    quick: bool = False
    seen: str = ""
    next_command: str = ""
    next_without_images: str = ""
    notes: tuple[str, ...] = ()

    finding_type = AuditReport

    def check(self) -> None:
        """Check nothing: every configuration is valid."""

    def check_data(self, data: SplitDataset) -> None:
        """Check nothing: an audit suits all data."""

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json({"quick": self.quick, "seen": self.seen, "checks": _CHECKS})

    def run(self, context: StudyContext) -> AuditReport:
        """Carry out all checks."""
        data = context.data
        with_copies = _with_removed_copies(data)
        dataset, names = data.dataset, ImageNames(with_copies)
        facts = read_file_facts(dataset)
        statistics = measure_pixels(dataset, facts)

        duplicates = find_duplicates(dataset, with_copies.split)
        inferred = None
        if dataset.groups is None:
            inferred = infer_groups(dataset, duplicates.pairs, facts)
        odd = find_odd_images(dataset, duplicates, statistics)
        quality = find_quality_issues(dataset, facts, statistics)
        shortcuts = find_shortcuts(dataset, facts, statistics)

        suspects = SuspectReport()
        if not self.quick:
            # Imported here: torch takes 500 MB, and a quick audit does not need it.
            from headstart.audit import suspect_report

            clusters = _clusters(dataset, duplicates, inferred)
            suspects = suspect_report(data, duplicates, clusters, names)

        pairs = duplicate_pairs(duplicates, names)
        conflicts = tuple(pair for pair in pairs if pair.images[0].label != pair.images[1].label)
        counts = class_counts(data, [suspect.label for suspect in suspects.suspects])
        unclassified, poor = odd_images(odd, names), quality_issues(quality, names)
        # A leak is a pair of duplicates.
        has_images = bool(pairs or suspects.suspects or unclassified or poor)
        return AuditReport(
            **context.common_fields(_evaluation_part(data), 0, context.budget(None, ())),
            images=len(dataset),
            classes=len(dataset.class_names),
            unreadable=unreadable_images(dataset),
            duplicates=pairs,
            leaks=leaks(duplicates, names),
            leak_effect=suspects.leak_effect,
            label_conflicts=conflicts,
            suspects=suspects.suspects,
            expected_wrong=suspects.expected_wrong,
            no_class=unclassified,
            shortcuts=shortcut_report(shortcuts),
            quality=poor,
            groups=group_report(with_copies, inferred, names),
            class_counts=counts,
            imbalance=class_imbalance(counts),
            files=file_counts(facts),
            plan=None,
            next_command=self.next_command if has_images else self.next_without_images,
            notes=(*self.notes, *suspects.notes),
        )


def audited_content(dataset: Dataset) -> str:
    """Return a digest of names, groups and unreadable files, which the fingerprint leaves out."""
    digest = hashlib.sha256(json.dumps(dataset.image_names).encode("utf-8", "surrogatepass"))
    digest.update(json.dumps([list(file) for file in dataset.unreadable]).encode())
    if dataset.groups is not None:
        digest.update(dataset.groups.tobytes())
    return digest.hexdigest()


def _with_removed_copies(data: SplitDataset) -> SplitDataset:
    """Return the split with the exact copies that it removed from training back in it.

    They are leaks of the data, although no run trains on them.
    """
    dataset, split = data.dataset, data.split
    held_out = np.concatenate([split.validation, split.test])
    used = np.concatenate([split.train, held_out])
    unused = np.setdiff1d(np.arange(len(dataset)), used)
    hashes = {row.tobytes() for row in dataset.hashes[held_out]}
    removed = [row for row in unused.tolist() if dataset.hashes[row].tobytes() in hashes]
    if not removed:
        return data
    train = np.sort(np.concatenate([split.train, np.array(removed, np.int64)]))
    return with_train(data, train)


def _clusters(
    dataset: Dataset, duplicates: Duplicates, inferred: InferredGroups | None
) -> NDArray[np.int64]:
    """Return the number of the cluster of related images of each image, int64 of shape (N,)."""
    if inferred is not None:
        return inferred.groups
    pairs = duplicates.pairs
    return connected_groups(len(dataset), pairs.first, pairs.second)


def _evaluation_part(data: SplitDataset) -> EvaluationPart:
    if len(data.split.test):
        return "test"
    return "validation" if len(data.split.validation) else "train"
