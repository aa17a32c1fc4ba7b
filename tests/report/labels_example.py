"""A label study that is built from the models, for the tests of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from examples import Data, Example, common_fields, seed_spread, write_finding, write_run

from headstart.results import (
    LabelComparison,
    LabelContender,
    LabelCurves,
    LabelDifference,
    LabelEstimate,
    LabelMatch,
    LabelPoint,
)


def build_labels(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write a label study in which 10 labels per class with a backbone are worth 63 with cnn.

    The accuracy is linear in the logarithm of the labels. The curves cross at 215 labels per class.
    """
    data = data or Data(images=200)
    counts = (10, 30, 100, 300, 1000)
    lines = {"cnn": (0.10, 0.25), "efficientnet-lite0": (0.45, 0.10)}
    contenders: list[LabelContender] = []
    for place, (name, (start, slope)) in enumerate(lines.items()):
        points: list[LabelPoint] = []
        for per_class in counts:
            accuracy = start + slope * float(np.log10(per_class))
            runs = tuple(f"runs/{place}-{per_class}-seed{seed}" for seed in range(seeds))
            points.append(
                LabelPoint(
                    per_class=per_class,
                    labels=10 * per_class,
                    accuracy=seed_spread(accuracy, 0.02, seeds),
                    loss=None,
                    epochs=40.0,
                    seconds=0.2 * per_class,
                    runs=runs,
                    failures=(),
                )
            )
        for seed, run in enumerate(points[-1].runs):
            write_run(folder / run, Example(name, accuracy), data, noise=10 * place + seed)
        contenders.append(LabelContender(name=name, model=name, points=tuple(points)))

    gaps = [0.35 - 0.15 * float(np.log10(per_class)) for per_class in counts]
    differences = tuple(
        LabelDifference(
            per_class=per_class,
            difference=gap,
            interval=(gap - 0.02, gap + 0.02),
            p_adjusted=0.001 if abs(gap) > 0.03 else 0.4,
            is_significant=abs(gap) > 0.03,
        )
        for per_class, gap in zip(counts, gaps, strict=True)
    )
    comparison = LabelComparison(
        a="efficientnet-lite0",
        b="cnn",
        leader="efficientnet-lite0",
        follower="cnn",
        differences=differences,
        crossing=LabelEstimate(per_class=215.0, where="inside", interval=(180.0, 260.0)),
        matches=(
            _match(10, 0.55, 63.1),
            _match(30, 0.598, 98.2),
            _match(100, 0.65, None),
        ),
        match=0,
        sentence="cnn needs 6.3 times as many labels.",
    )
    finding = LabelCurves(
        **common_fields("labels", data, seeds),
        seeds=tuple(range(seeds)),
        classes=10,
        contenders=tuple(contenders),
        per_class=counts,
        compared_with="cnn",
        comparisons=(comparison,),
        main=0,
        sentence="With few labels efficientnet-lite0 is better.",
        notes=("Left out: 3,000 labels per class.",),
    )
    return write_finding(folder, finding)


def _match(per_class: int, accuracy: float, needs: float | None) -> LabelMatch:
    if needs is None:
        estimate = LabelEstimate(per_class=None, where="above", interval=(None, None))
        return LabelMatch(
            per_class=per_class,
            accuracy=accuracy,
            needs=estimate,
            factor=None,
            factor_interval=(None, None),
        )
    factor = needs / per_class
    return LabelMatch(
        per_class=per_class,
        accuracy=accuracy,
        needs=LabelEstimate(per_class=needs, where="inside", interval=(0.8 * needs, 1.2 * needs)),
        factor=factor,
        factor_interval=(0.8 * factor, 1.2 * factor),
    )
