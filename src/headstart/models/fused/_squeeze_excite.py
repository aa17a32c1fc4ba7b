"""timm's squeeze-and-excite layer with a faster mean of its feature maps."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from headstart.models.fused._fused_conv import can_fuse


class FastSqueezeExcite(nn.Module):
    """The layer `SqueezeExcite` of timm's EfficientNet and MobileNet families.

    In bfloat16 on a CPU, torch's mean over pixels takes ten times as long as its average pool
    (benchmarks/features.md). The modules inside keep their names.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.conv_reduce, self.act1 = layer.conv_reduce, layer.act1
        self.conv_expand, self.gate = layer.conv_expand, layer.gate

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            means = functional.avg_pool2d(x, x.shape[2:])
        else:
            means = x.mean((2, 3), keepdim=True)
        scales: Tensor = self.gate(self.conv_expand(self.act1(self.conv_reduce(means))))
        return x * scales


def use_fast_squeeze_excite(net: nn.Module) -> None:
    """Replace the squeeze-and-excite layers of timm's EfficientNet and MobileNet families."""
    from timm.models._efficientnet_blocks import SqueezeExcite

    for parent in list(net.modules()):
        for name, module in list(parent.named_children()):
            if type(module) is SqueezeExcite:
                setattr(parent, name, FastSqueezeExcite(module))
