"""A backbone study that is built from the models, for the tests of reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from examples import Data, common_fields, measured_difference, write_finding

from headstart.evaluation import wilson_interval
from headstart.results import (
    BackboneCandidate,
    BackboneRanking,
    RecommendedBackbone,
)


def build_backbones(folder: Path, data: Data | None = None) -> Path:
    """Write a backbone study in which the fastest is worse and the middle one is recommended."""
    data = replace(data or Data(), has_test=False)
    results = ((64, 0.70, 900.0), (96, 0.90, 420.0), (128, 0.905, 130.0))
    candidates = tuple(
        BackboneCandidate(
            name=f"efficientnet-lite0@{input_px}",
            model="efficientnet-lite0",
            input_px=input_px,
            features=1280,
            accuracy=accuracy,
            interval=wilson_interval(round(400 * accuracy), 400),
            loss=1 - accuracy,
            l2=0.01,
            images_per_second=speed,
            is_best=input_px == 128,
            as_good=input_px > 64,
            is_recommended=input_px == 96,
            difference=None if input_px == 128 else measured_difference(accuracy - 0.905),
        )
        for input_px, accuracy, speed in results
    )
    finding = BackboneRanking(
        **{**common_fields("backbones", data, 1), "evaluated_on": "train", "test_reads": 0},
        images=400,
        candidates=candidates,
        best="efficientnet-lite0@128",
        recommended=RecommendedBackbone(model="efficientnet-lite0", input_px=96),
        sentence="efficientnet-lite0 at 96 pixels is recommended.",
        notes=("The time limit allowed 400 images.",),
    )
    return write_finding(folder, finding)
