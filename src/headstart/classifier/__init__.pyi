from ._average_weights import (
    average_weights as average_weights,
)
from ._base_classifier import (
    BaseClassifier as BaseClassifier,
)
from ._classifier import (
    Classifier as Classifier,
)
from ._device import (
    best_device as best_device,
    prepare_process as prepare_process,
    to_device as to_device,
    wait_for_device as wait_for_device,
    without_denormals as without_denormals,
)
from ._ensemble import (
    EnergyScale as EnergyScale,
    Ensemble as Ensemble,
    calibrated_outputs as calibrated_outputs,
)
from ._ensemble_files import (
    choose_members as choose_members,
    classifier_files as classifier_files,
    is_ensemble as is_ensemble,
    load_classifier as load_classifier,
    member_manifests as member_manifests,
    open_ensemble as open_ensemble,
    save_ensemble as save_ensemble,
)
from ._file_format import (
    ENSEMBLE_FORMAT as ENSEMBLE_FORMAT,
    FORMAT as FORMAT,
    Calibration as Calibration,
    ImageDistribution as ImageDistribution,
    InferenceMetadata as InferenceMetadata,
    OodThreshold as OodThreshold,
    Preprocessing as Preprocessing,
    SetScores as SetScores,
    TrainingSummary as TrainingSummary,
)
from ._fit_ood import (
    OOD_QUANTILE as OOD_QUANTILE,
    MeasuredImages as MeasuredImages,
    fit_ood_threshold as fit_ood_threshold,
    measure_images as measure_images,
)
from ._image_statistics import (
    image_statistics as image_statistics,
)
from ._input_transforms import (
    BackboneInput as BackboneInput,
    Standardise as Standardise,
    StandardisedBackbone as StandardisedBackbone,
    as_floats as as_floats,
)
from ._latency import (
    measure_ms_per_image as measure_ms_per_image,
)
from ._logits import (
    average_over_mirror as average_over_mirror,
    energy_score as energy_score,
    expand_binary_logit as expand_binary_logit,
    outputs_for as outputs_for,
    to_probabilities as to_probabilities,
)
from ._precision import (
    Bfloat16Decision as Bfloat16Decision,
    DecidedPrecision as DecidedPrecision,
    Precision as Precision,
    decide_bfloat16 as decide_bfloat16,
    decide_precision as decide_precision,
    use_bfloat16 as use_bfloat16,
)
from ._predictions import (
    Predictions as Predictions,
    concatenate_predictions as concatenate_predictions,
    find_odd_brightness as find_odd_brightness,
    mean_brightness as mean_brightness,
    with_mean_rows as with_mean_rows,
)
from ._save_load import (
    build_untrained as build_untrained,
    describe_classifier as describe_classifier,
    load_network as load_network,
    replace_metadata as replace_metadata,
    save_classifier as save_classifier,
)
from ._threads import (
    choose_threads_again as choose_threads_again,
    fewer_threads_under_load as fewer_threads_under_load,
    independent_threads as independent_threads,
    suggest_fewer_threads_under_load as suggest_fewer_threads_under_load,
)
from ._torch_module import (
    ImageModule as ImageModule,
)
