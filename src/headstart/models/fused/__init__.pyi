from ._conv3x3 import (
    Conv3x3 as Conv3x3,
)
from ._folding import (
    fold_and_fuse as fold_and_fuse,
    use_float32_depthwise as use_float32_depthwise,
)
from ._fused_conv import (
    FusedConv as FusedConv,
    FusedLinear as FusedLinear,
    can_fuse as can_fuse,
    fused_ops_work as fused_ops_work,
    round_weights as round_weights,
)
from ._rounding import (
    correct_rounding as correct_rounding,
    dead_leaves_images as dead_leaves_images,
)
