from ._backbone import (
    Backbone as Backbone,
    load_backbone as load_backbone,
    own_side_px as own_side_px,
)
from ._build import (
    build as build,
    build_head as build_head,
)
from ._cnn import (
    Cnn as Cnn,
)
from ._layer_summary import (
    Layer as Layer,
    summarise as summarise,
)
from ._options import (
    MODELS as MODELS,
    WAYS as WAYS,
    BackboneOptions as BackboneOptions,
    CnnOptions as CnnOptions,
    FashionOptions as FashionOptions,
    MlpOptions as MlpOptions,
    NetOptions as NetOptions,
    ScenesOptions as ScenesOptions,
    is_backbone as is_backbone,
    options_of as options_of,
    usual_layers as usual_layers,
)
from ._transfer import (
    Transfer as Transfer,
)
from ._weights import (
    installed_backbones as installed_backbones,
    pinned as pinned,
    weights_mark as weights_mark,
)
