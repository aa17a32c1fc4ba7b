from ._classifier import (
    Classifier as Classifier,
    Shown as Shown,
    Standardise as Standardise,
    StandardisedBackbone as StandardisedBackbone,
    as_floats as as_floats,
    familiarity as familiarity,
    file_about as file_about,
    load_classifier as load_classifier,
    outputs_for as outputs_for,
    save_classifier as save_classifier,
    to_probabilities as to_probabilities,
    untrained as untrained,
)
from ._device import (
    best_device as best_device,
    prepare_process as prepare_process,
    self_test as self_test,
    use_bfloat16 as use_bfloat16,
)
from ._file_format import (
    Calibration as Calibration,
    Familiarity as Familiarity,
    Preprocessing as Preprocessing,
    Training as Training,
    Use as Use,
)
from ._logits import (
    Outcome as Outcome,
    by_class as by_class,
)
from ._torch_module import (
    ImageModule as ImageModule,
)
