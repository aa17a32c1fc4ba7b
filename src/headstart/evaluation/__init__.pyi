from ._attributions import (
    Heat as Heat,
    grad_cam as grad_cam,
    log_odds as log_odds,
    occlusion as occlusion,
)
from ._baselines import (
    FloorResult as FloorResult,
    floor_sentence as floor_sentence,
    majority_class as majority_class,
    nearest_neighbour as nearest_neighbour,
)
from ._calibration import (
    calibrate as calibrate,
    fit_temperature as fit_temperature,
)
from ._comparisons import (
    Pair as Pair,
    holm as holm,
    pairs_with as pairs_with,
)
from ._gallery import (
    choose_gallery as choose_gallery,
)
from ._label_curves import (
    CurvePair as CurvePair,
    Labels as Labels,
    curve_pair as curve_pair,
)
from ._metrics import (
    ClassMetrics as ClassMetrics,
    Confusion as Confusion,
    Metrics as Metrics,
    most_confused as most_confused,
    summarise as summarise,
    wilson_interval as wilson_interval,
)
from ._overfitting import (
    Fit as Fit,
    fit_of as fit_of,
)
from ._paired_tests import (
    PairedTest as PairedTest,
    exact_mcnemar as exact_mcnemar,
    paired_bootstrap as paired_bootstrap,
    smallest_detectable as smallest_detectable,
)
from ._seed_aware_tests import (
    Difference as Difference,
    SeedSpread as SeedSpread,
    accuracy_interval as accuracy_interval,
    difference_of as difference_of,
    mean_interval as mean_interval,
    recipe_test as recipe_test,
    shared_spread as shared_spread,
)
from ._verdict import (
    Verdict as Verdict,
    verdict as verdict,
)
