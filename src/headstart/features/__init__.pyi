from ._feature_cache import (
    Features as Features,
    FeatureWatch as FeatureWatch,
    compute_features as compute_features,
    prepare_features as prepare_features,
)
from ._image_settings import (
    choose_image_settings as choose_image_settings,
)
from ._input_size import (
    FEATURES_FRACTION as FEATURES_FRACTION,
    FeatureTimer as FeatureTimer,
    choose_input_size as choose_input_size,
    describe_backbone_use as describe_backbone_use,
    seconds_per_image as seconds_per_image,
    usual_input_size as usual_input_size,
    warm_up as warm_up,
)
from ._linear_head import (
    SolvedHead as SolvedHead,
    seconds_to_solve as seconds_to_solve,
    solve_head as solve_head,
)
from ._linear_probe import (
    Probe as Probe,
    cross_validated_probe as cross_validated_probe,
)
from ._mirroring import (
    decide_mirroring as decide_mirroring,
)
