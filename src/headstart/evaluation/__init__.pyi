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
from ._costs import (
    ExpectedCost as ExpectedCost,
    decide as decide,
    expected_cost as expected_cost,
)
from ._ensemble_selection import (
    Score as Score,
    select_ensemble as select_ensemble,
)
from ._equivalence import (
    DEFAULT_MARGIN as DEFAULT_MARGIN,
    check_margin as check_margin,
    model_equivalence_interval as model_equivalence_interval,
    model_equivalence_p_value as model_equivalence_p_value,
    recipe_equivalence_p_value as recipe_equivalence_p_value,
)
from ._fold_sentences import (
    describe_few_folds as describe_few_folds,
    describe_folds as describe_folds,
)
from ._fold_tests import (
    fold_accuracy_interval as fold_accuracy_interval,
    fold_test as fold_test,
)
from ._gallery import (
    choose_gallery as choose_gallery,
    choose_worst as choose_worst,
)
from ._grouped_images import (
    FEWEST_GROUPS as FEWEST_GROUPS,
    count_groups as count_groups,
    groups_to_resample as groups_to_resample,
)
from ._grouped_sentences import (
    describe_groups as describe_groups,
)
from ._label_curves import (
    CurveComparison as CurveComparison,
    LabelEstimate as LabelEstimate,
    compare_curves as compare_curves,
)
from ._looks import (
    FIRST_LOOK as FIRST_LOOK,
    FUTILE as FUTILE,
    MOST_SEEDS as MOST_SEEDS,
    MOST_SEEDS_IN_TIME as MOST_SEEDS_IN_TIME,
    Levels as Levels,
    Looks as Looks,
    look_levels as look_levels,
)
from ._metrics import (
    MIN_PROBABILITY as MIN_PROBABILITY,
    ClassMetrics as ClassMetrics,
    Confusion as Confusion,
    Metrics as Metrics,
    compute_metrics as compute_metrics,
    cross_entropy as cross_entropy,
    most_confused as most_confused,
    wilson_interval as wilson_interval,
)
from ._needed_evidence import (
    ErrorParts as ErrorParts,
    NeededEvidence as NeededEvidence,
    needed_evidence as needed_evidence,
)
from ._overfitting import (
    FitDiagnosis as FitDiagnosis,
    diagnose_fit as diagnose_fit,
)
from ._paired_tests import (
    PairedTest as PairedTest,
    exact_mcnemar as exact_mcnemar,
    mid_p_mcnemar as mid_p_mcnemar,
    minimum_detectable_effect as minimum_detectable_effect,
    paired_bootstrap as paired_bootstrap,
)
from ._prediction_sets import (
    QUANTILES as QUANTILES,
    SetCalibration as SetCalibration,
    class_thresholds as class_thresholds,
    coverage_interval as coverage_interval,
    least_calibration_images as least_calibration_images,
    prediction_sets as prediction_sets,
    set_scores as set_scores,
)
from ._reuse import (
    ReuseOptimism as ReuseOptimism,
    reuse_optimism as reuse_optimism,
)
from ._robustness import (
    Alteration as Alteration,
    Conclude as Conclude,
    Robustness as Robustness,
    RobustnessCheck as RobustnessCheck,
    check_robustness as check_robustness,
    without_images as without_images,
    without_most_influential as without_most_influential,
)
from ._score_text import (
    is_lower_better as is_lower_better,
    is_share as is_share,
    metric_name as metric_name,
    score_text as score_text,
    shown_score as shown_score,
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
from ._selection_gap import (
    gap_interval as gap_interval,
)
from ._selection_metric import (
    SelectionMetric as SelectionMetric,
    score_or_none as score_or_none,
    selection_metric as selection_metric,
)
from ._simultaneous_tests import (
    SelectedComparison as SelectedComparison,
    SelectedComparisons as SelectedComparisons,
    comparisons_with_selected as comparisons_with_selected,
)
from ._slices import (
    SMALLEST_SLICE as SMALLEST_SLICE,
    SliceComparison as SliceComparison,
    SliceDifference as SliceDifference,
    SliceMembers as SliceMembers,
    compare_slices as compare_slices,
)
from ._verdict import (
    Verdict as Verdict,
    verdict as verdict,
)
