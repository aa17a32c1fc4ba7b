"""A backbone that learns together with its head."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from headstart.models._backbone import Backbone
from headstart.models.fused import use_float32_depthwise


class BackboneWithHead(nn.Module):
    """Images as a backbone wants to see them, `(N, 3, px, px)`, to logits: the backbone learns, and the head on it.

    Batch norm of pretrained weights stays what it was: its statistics come from a million images, those of a batch of 64 would
    drift away from them and change what all layers behind were trained on. So it is a part of the convolution before it, and
    learns as such. With random weights there are no such statistics: batch norm works as usual, over each batch.

    Attributes:
        mean, std: of the backbone's features before it learnt; the head sees them standardised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, head: nn.Module, *, trains_batch_norm: bool) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        if trains_batch_norm:
            use_float32_depthwise(backbone.net)
        else:
            backbone.fold()
        backbone.unfreeze(statistics=trains_batch_norm)
        self.register_buffer("mean", torch.zeros(backbone.num_features))
        self.register_buffer("std", torch.ones(backbone.num_features))
        self._folded: tuple[
            Backbone, ...
        ] = ()  # for predictions; no submodule, since its weights are the same
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    def forward(self, shown: Tensor) -> Tensor:
        found: Tensor = self.head((self._backbone().features(shown) - self.mean) / self.std)
        return found

    def _backbone(self) -> Backbone:
        """The backbone; for predictions, in inference mode, one with batch norms in its convolutions, which is faster."""
        if (
            self.training
            or not torch.is_inference_mode_enabled()
            or not self.backbone.trains_batch_norm
        ):
            return self.backbone
        if not self._folded:
            with torch.inference_mode(
                False
            ):  # tensors made in that mode have no version, by which packed weights are known
                self._folded = (copy.deepcopy(self.backbone).eval().fold(),)
        return self._folded[0]

    def train(self, mode: bool = True) -> BackboneWithHead:
        if mode:
            self._folded = ()
        return super().train(mode)

    def groups(self) -> list[list[nn.Parameter]]:
        """The weights that learn, stage by stage from the image upwards; the head's come last."""
        from timm.models import group_parameters

        own = dict(self.backbone.net.named_parameters())
        matcher = getattr(self.backbone.net, "group_matcher")(coarse=True)  # noqa: B009
        found: dict[int, list[str]] = group_parameters(self.backbone.net, matcher)
        stages = [
            [own[name] for name in names if own[name].requires_grad]
            for _, names in sorted(found.items())
        ]
        return [*(stage for stage in stages if stage), list(self.head.parameters())]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_folded": ()}


def _forget(net: nn.Module, _: object) -> None:
    assert isinstance(net, BackboneWithHead)
    net._folded = ()
