"""An audit with every kind of finding, for the tests of its page, table and review."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from examples import Data, write_finding

from headstart.data import Dataset, load
from headstart.report import make_audit_images, write_audit_images
from headstart.results import (
    AuditedImage,
    AuditReport,
    Budget,
    ClassCount,
    DuplicatePair,
    ExpectedWrong,
    FileCounts,
    GroupReport,
    InferredGroup,
    Leak,
    LeakEffect,
    OddImage,
    PropertyScore,
    QualityIssue,
    ShortcutReport,
    Suspect,
    UnreadableImage,
)

IMAGES = 60


def audited_dataset(data: Data, image_px: int = 8) -> Dataset:
    """Return 60 random images of these classes."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, image_px, image_px, 1)).astype(np.uint8)
    return load((images, np.arange(IMAGES) % len(data.class_names), tuple(data.class_names)))


def audit_report(folder: Path, data: Data, dataset: Dataset) -> AuditReport:
    """Return a report with every kind of finding; image 10 is in three of them."""

    def image(index: int, part: str = "train") -> AuditedImage:
        name, label = dataset.image_names[index], dataset.class_names[dataset.labels[index]]
        return AuditedImage.model_validate(
            {"image": name, "index": index, "label": label, "part": part}
        )

    def suspect(index: int, suggested: int) -> Suspect:
        return Suspect(
            **image(index).model_dump(),
            suggested=dataset.class_names[suggested],
            probability=0.9 - index / 100,
            label_probability=0.01,
            wrong_probability=0.8,
        )

    copies = DuplicatePair(images=(image(20), image(21)), relation="exact", distance=0.0)
    repeated = DuplicatePair(images=(image(30), image(40)), relation="flipped", distance=0.05)
    classes = len(dataset.class_names)
    return AuditReport(
        study="audit",
        headstart="0.1.0",
        created="2026-11-28T12:00:00+00:00",
        command=f"headstart audit '{data.name}'",
        dataset=data.summary(),
        report=str(folder / "report.html"),
        evaluated_on="test",
        test_reads=0,
        budget=Budget(time_limit=None, seeds=(), seconds_spent=12.5),
        images=IMAGES,
        classes=classes,
        unreadable=(UnreadableImage(image="<b>a.jpg", reason="is empty (0 bytes)", part="test"),),
        duplicates=(copies, repeated),
        leaks=(
            Leak(image=image(50, "test"), copy_of=image(10), relation="cropped", distance=0.1),
            Leak(image=image(51, "validation"), copy_of=image(11), relation="exact", distance=0.0),
        ),
        leak_effect=LeakEffect(
            part="test",
            n=270,
            accuracy=0.91,
            interval=(0.87, 0.94),
            n_without_leaks=269,
            accuracy_without_leaks=0.909,
            interval_without_leaks=(0.869, 0.939),
            accuracy_of_leaks=1.0,
        ),
        label_conflicts=(copies,),
        suspects=(suspect(10, 7), suspect(20, 7), suspect(0, 7), suspect(2, 5)),
        expected_wrong=ExpectedWrong(
            number=3.1,
            interval=(2.0, 4.0),
            suspects=4,
            copies=24,
            sentence="Of these 4 suspects, 2 to 4 are wrong (95% interval).",
        ),
        no_class=(
            OddImage(
                **image(33).model_dump(), reason="blank", detail="one colour, 0 of 255", score=1.0
            ),
        ),
        shortcuts=ShortcutReport(
            guessing=1 / classes,
            properties=(
                PropertyScore(
                    name="file size",
                    accuracy=0.61,
                    interval=(0.58, 0.64),
                    p_value=0.001,
                    is_shortcut=True,
                    detail="Files of one class are larger.",
                ),
            ),
            joint=None,
            skipped=("camera",),
        ),
        quality=(
            QualityIssue(**image(34).model_dump(), problem="dark", value=0.02, threshold=0.05),
        ),
        groups=GroupReport(
            source="inferred",
            groups=12,
            images=40,
            largest=5,
            divided=3,
            divided_images=4,
            evidence=("12 groups rest on numbers in file names",),
            examples=(
                InferredGroup(
                    images=(image(41), image(42, "test")), size=2, parts=("train", "test")
                ),
            ),
        ),
        class_counts=tuple(
            ClassCount(name=name, images=6, train=4, validation=1, test=1, suspects=1)
            for name in dataset.class_names
        ),
        imbalance=7.0,
        files=FileCounts(
            sizes={"8x8": 60}, modes={"L": 60}, formats={"PNG": 60}, cameras={"unknown": 60}
        ),
        plan=None,
        next_command="headstart audit photos/ --review",
        notes=("A check was left out.",),
    )


def build_audit(folder: Path, data: Data) -> Path:
    """Write an audit with every kind of finding, and return its folder."""
    dataset = audited_dataset(data)
    report = audit_report(folder, data, dataset)
    write_finding(folder, report)
    write_audit_images(folder, make_audit_images(report, dataset))
    return folder
