"""Which runs a question needs, and what their results say: a study is a question, its runs, its finding.

Belongs here: compare, tune, lr, labels, effects, backbones. Does not: how a run is made (training), where it executes
(execution), how a finding looks (report).
"""

from headstart.studies._backbones import BackboneStudy, backbones
from headstart.studies._compare import Comparison, compare
from headstart.studies._effects import EffectStudy, effects
from headstart.studies._labels import LabelStudy, labels
from headstart.studies._lr import RateStudy, lr
from headstart.studies._space import Draw, read_space
from headstart.studies._tune import tune
from headstart.studies._tuning import Tuning

__all__ = [
    "BackboneStudy",
    "Comparison",
    "Draw",
    "EffectStudy",
    "LabelStudy",
    "RateStudy",
    "Tuning",
    "backbones",
    "compare",
    "effects",
    "labels",
    "lr",
    "read_space",
    "tune",
]
