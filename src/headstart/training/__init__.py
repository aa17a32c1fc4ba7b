"""The run itself: from recipe to result, and what it leaves behind.

Belongs here: recipe, plan, optimizers, augmentation, precision, features cache, classifier. Does not: which runs a question
needs (studies), what a network looks like (models).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart._lazy import door
from headstart.training._format import Preprocessing
from headstart.training._machine import usable_cores, usable_memory_bytes
from headstart.training._observe import Observe, Observer, observed_by, present_observe
from headstart.training._recipe import (
    PRESETS,
    WITHOUT_MOMENTUM,
    Recipe,
    are_characters,
    by_steps,
    keys_of,
    make_recipe,
    resolve,
    with_depth,
    with_net,
)
from headstart.training._results import (
    RunFacts,
    finished,
    identity,
    list_runs,
    read_correct,
    read_curves,
    read_losses,
    read_metrics,
    read_recipe_file,
    read_run,
    run_summary,
    slim,
)
from headstart.training._spaces import default_space
from headstart.training._stop import listening

if TYPE_CHECKING:
    from headstart.training._classifier import (
        Classifier,
        Standardise,
        StandardisedBackbone,
        as_floats,
        familiarity,
        file_about,
        load_classifier,
        to_probabilities,
    )
    from headstart.training._device import prepare_process
    from headstart.training._estimate import Work, expected_seconds, work_of
    from headstart.training._features import (
        Features,
        compute_features,
        prepare_features,
        seconds_per_image,
        usual_side_px,
        warm_up,
    )
    from headstart.training._layers import network_layers
    from headstart.training._module import ImageModule
    from headstart.training._probe import Probe, cross_validated_probe
    from headstart.training._range_test import RangeTest, range_test
    from headstart.training._run import check, train

_LAZY = {
    "Classifier": "_classifier",
    "Standardise": "_classifier",
    "as_floats": "_classifier",
    "StandardisedBackbone": "_classifier",
    "familiarity": "_classifier",
    "file_about": "_classifier",
    "load_classifier": "_classifier",
    "Features": "_features",
    "compute_features": "_features",
    "to_probabilities": "_classifier",
    "prepare_features": "_features",
    "seconds_per_image": "_features",
    "usual_side_px": "_features",
    "Probe": "_probe",
    "cross_validated_probe": "_probe",
    "warm_up": "_features",
    "prepare_process": "_device",
    "expected_seconds": "_estimate",
    "Work": "_estimate",
    "work_of": "_estimate",
    "ImageModule": "_module",
    "RangeTest": "_range_test",
    "range_test": "_range_test",
    "network_layers": "_layers",
    "check": "_run",
    "train": "_run",
}

__all__ = [
    "PRESETS",
    "WITHOUT_MOMENTUM",
    "Classifier",
    "Features",
    "ImageModule",
    "Observe",
    "Observer",
    "Preprocessing",
    "Probe",
    "RangeTest",
    "Recipe",
    "RunFacts",
    "Standardise",
    "StandardisedBackbone",
    "Work",
    "are_characters",
    "as_floats",
    "by_steps",
    "check",
    "compute_features",
    "cross_validated_probe",
    "default_space",
    "expected_seconds",
    "familiarity",
    "file_about",
    "finished",
    "identity",
    "keys_of",
    "list_runs",
    "listening",
    "load_classifier",
    "make_recipe",
    "network_layers",
    "observed_by",
    "prepare_features",
    "prepare_process",
    "present_observe",
    "range_test",
    "read_correct",
    "read_curves",
    "read_losses",
    "read_metrics",
    "read_recipe_file",
    "read_run",
    "resolve",
    "run_summary",
    "seconds_per_image",
    "slim",
    "to_probabilities",
    "train",
    "usable_cores",
    "usable_memory_bytes",
    "usual_side_px",
    "warm_up",
    "with_depth",
    "with_net",
    "work_of",
]

__getattr__ = door(__name__, _LAZY)
