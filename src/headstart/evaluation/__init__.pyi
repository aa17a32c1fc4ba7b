from ._baselines import (
    BaselineResult as BaselineResult,
    baseline_sentence as baseline_sentence,
    majority_class as majority_class,
    nearest_neighbour as nearest_neighbour,
)
from ._calibration import (
    apply_temperature as apply_temperature,
    fit_temperature as fit_temperature,
)
from ._comparisons import (
    PairedComparison as PairedComparison,
    comparisons_with as comparisons_with,
    holm as holm,
)
from ._gallery import (
    choose_gallery as choose_gallery,
)
from ._label_curves import (
    CurveComparison as CurveComparison,
    LabelEstimate as LabelEstimate,
    compare_curves as compare_curves,
)
from ._metrics import (
    MIN_PROBABILITY as MIN_PROBABILITY,
    ClassMetrics as ClassMetrics,
    Confusion as Confusion,
    Metrics as Metrics,
    compute_metrics as compute_metrics,
    most_confused as most_confused,
    wilson_interval as wilson_interval,
)
from ._overfitting import (
    FitDiagnosis as FitDiagnosis,
    diagnose_fit as diagnose_fit,
)
from ._paired_tests import (
    PairedTest as PairedTest,
    exact_mcnemar as exact_mcnemar,
    minimum_detectable_effect as minimum_detectable_effect,
    paired_bootstrap as paired_bootstrap,
)
from ._seed_aware_tests import (
    AccuracyDifference as AccuracyDifference,
    SeedVariance as SeedVariance,
    accuracy_difference as accuracy_difference,
    accuracy_interval as accuracy_interval,
    mean_interval as mean_interval,
    pooled_seed_variance as pooled_seed_variance,
    recipe_test as recipe_test,
)
from ._verdict import (
    Verdict as Verdict,
    verdict as verdict,
)
