"""What a result is worth: metrics, intervals, paired tests, floors, and the verdict of a comparison.

Numpy arrays in, numbers and sentences out. Does not belong here: files, models, torch, figures, or which runs were needed.
"""

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
from headstart.evaluation._verdict import Verdict, verdict

__all__ = [
    "ClassMetrics",
    "Confusion",
    "CurvePair",
    "Difference",
    "Fit",
    "FloorResult",
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
    "fit_of",
    "fit_temperature",
    "floor_sentence",
    "holm",
    "majority_class",
    "mean_interval",
    "most_confused",
    "nearest_neighbour",
    "paired_bootstrap",
    "pairs_with",
    "recipe_test",
    "shared_spread",
    "smallest_detectable",
    "summarise",
    "verdict",
    "wilson_interval",
]
