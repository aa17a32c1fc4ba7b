from ._classifier import (
    Classifier as Classifier,
)
from ._device import (
    best_device as best_device,
    prepare_process as prepare_process,
)
from ._file_format import (
    Calibration as Calibration,
    InferenceMetadata as InferenceMetadata,
    OodThreshold as OodThreshold,
    Preprocessing as Preprocessing,
    TrainingSummary as TrainingSummary,
)
from ._input_transforms import (
    BackboneInput as BackboneInput,
    Standardise as Standardise,
    StandardisedBackbone as StandardisedBackbone,
    as_floats as as_floats,
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
)
from ._save_load import (
    build_untrained as build_untrained,
    describe_classifier as describe_classifier,
    load_classifier as load_classifier,
    save_classifier as save_classifier,
)
from ._torch_module import (
    ImageModule as ImageModule,
)
