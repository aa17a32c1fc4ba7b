from ._feature_cache import (
    Features as Features,
    choose_side_px as choose_side_px,
    compute_features as compute_features,
    prepare_features as prepare_features,
    seconds_per_image as seconds_per_image,
    shown_at as shown_at,
    usual_side_px as usual_side_px,
    warm_up as warm_up,
)
from ._linear_head import (
    seconds_to_solve as seconds_to_solve,
    solve_head as solve_head,
)
from ._linear_probe import (
    Probe as Probe,
    cross_validated_probe as cross_validated_probe,
)
