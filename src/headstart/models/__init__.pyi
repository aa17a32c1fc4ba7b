from ._backbone import (
    Backbone as Backbone,
)
from ._backbone_with_head import (
    BackboneWithHead as BackboneWithHead,
)
from ._build import (
    build_head as build_head,
    build_network as build_network,
)
from ._cnn import (
    Cnn as Cnn,
)
from ._layer_summary import (
    Layer as Layer,
    summarise_layers as summarise_layers,
)
from ._load_backbone import (
    load_backbone as load_backbone,
    native_input_size as native_input_size,
)
from ._option_metadata import (
    Neighbours as Neighbours,
    Option as Option,
)
from ._options import (
    MODELS as MODELS,
    TRANSFER_MODES as TRANSFER_MODES,
    BackboneOptions as BackboneOptions,
    CnnOptions as CnnOptions,
    FashionOptions as FashionOptions,
    MlpOptions as MlpOptions,
    NetOptions as NetOptions,
    ScenesOptions as ScenesOptions,
    default_layers as default_layers,
    input_reduction as input_reduction,
    is_backbone as is_backbone,
    options_of as options_of,
    reduced_shape as reduced_shape,
)
from ._packaged import (
    installed_backbones as installed_backbones,
)
from ._weights import (
    pin_weights as pin_weights,
    weights_digest as weights_digest,
)
