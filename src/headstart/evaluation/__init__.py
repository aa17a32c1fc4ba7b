"""What a result is worth and rests on: metrics, intervals, paired tests, floors, the verdict of a comparison, explanations.

Numpy arrays in, numbers and sentences out; an explanation asks a torch module. Does not belong here: files, figures, which
networks there are, or which runs were needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart._lazy import door
from headstart.evaluation._calibration import calibrate, fit_temperature
from headstart.evaluation._crossing import CurvePair, Labels, curve_pair
from headstart.evaluation._fit import Fit, fit_of
from headstart.evaluation._floors import FloorResult, floor_sentence, majority_class, nearest_neighbour
from headstart.evaluation._gallery import choose_gallery
from headstart.evaluation._metrics import ClassMetrics, Confusion, Metrics, most_confused, summarise, wilson_interval
from headstart.evaluation._paired import PairedTest, exact_mcnemar, paired_bootstrap, smallest_detectable
from headstart.evaluation._pairs import Pair, holm, pairs_with
from headstart.evaluation._recipes import (
    Difference,
    SeedSpread,
    accuracy_interval,
    difference_of,
    mean_interval,
    recipe_test,
    shared_spread,
)
from headstart.evaluation._sentences import factor, listed, rounded
from headstart.evaluation._verdict import Verdict, verdict

if TYPE_CHECKING:
    from headstart.evaluation._explain import Heat, grad_cam, log_odds, occlusion

__all__ = [
    "ClassMetrics",
    "Confusion",
    "CurvePair",
    "Difference",
    "Fit",
    "FloorResult",
    "Heat",
    "Labels",
    "Metrics",
    "Pair",
    "PairedTest",
    "SeedSpread",
    "Verdict",
    "accuracy_interval",
    "calibrate",
    "choose_gallery",
    "curve_pair",
    "difference_of",
    "exact_mcnemar",
    "factor",
    "fit_of",
    "fit_temperature",
    "floor_sentence",
    "grad_cam",
    "holm",
    "listed",
    "log_odds",
    "majority_class",
    "mean_interval",
    "most_confused",
    "nearest_neighbour",
    "occlusion",
    "paired_bootstrap",
    "pairs_with",
    "recipe_test",
    "rounded",
    "shared_spread",
    "smallest_detectable",
    "summarise",
    "verdict",
    "wilson_interval",
]

# With torch.
__getattr__ = door(__name__, dict.fromkeys(("Heat", "grad_cam", "log_odds", "occlusion"), "_explain"))
