"""A backbone that is trained together with its head."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from headstart.models._backbone import Backbone
from headstart.models.fused import use_float32_depthwise


class BackboneWithHead(nn.Module):
    """A trainable backbone with a head.

    Maps images that `Backbone.standardise` has prepared, of shape (N, 3, input_px, input_px), to
    logits.

    With pretrained weights, batch norms keep their statistics. Those come from a million images.
    The statistics of batches of 64 would drift away from them and change the inputs that all later
    layers were trained on. Each batch norm is therefore folded into the convolution before it and
    trained as a part of it. With random weights there are no such statistics, and batch norms work
    as usual, over each batch.

    Attributes:
        backbone: The backbone.
        head: Maps standardised features to logits.
        mean: Mean of the features before training, of shape (num_features,).
        std: Standard deviation of the features before training, of shape (num_features,).
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
        # A folded copy for predictions. In a tuple, so that it is not a submodule with weights of
        # its own.
        self._folded: tuple[Backbone, ...] = ()
        self.register_load_state_dict_post_hook(_drop_folded)  # type: ignore[no-untyped-call]

    def forward(self, standardised: Tensor) -> Tensor:
        features = self._current_backbone().features(standardised)
        logits: Tensor = self.head((features - self.mean) / self.std)
        return logits

    def _current_backbone(self) -> Backbone:
        """Return the backbone, or its folded copy in inference mode, which is faster."""
        is_predicting = not self.training and torch.is_inference_mode_enabled()
        if not is_predicting or not self.backbone.trains_batch_norm:
            return self.backbone
        if not self._folded:
            # Packed weights are cached by the version of the weights, and tensors that are made in
            # inference mode have no version.
            with torch.inference_mode(False):
                self._folded = (copy.deepcopy(self.backbone).eval().fold(),)
        return self._folded[0]

    def train(self, mode: bool = True) -> BackboneWithHead:
        if mode:
            self._folded = ()
        return super().train(mode)

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the trainable parameters by stage, from the input to the output.

        The parameters of the head are the last group.
        """
        from timm.models import group_parameters

        parameters = dict(self.backbone.net.named_parameters())
        matcher = getattr(self.backbone.net, "group_matcher")(coarse=True)  # noqa: B009
        names_by_stage: dict[int, list[str]] = group_parameters(self.backbone.net, matcher)

        groups: list[list[nn.Parameter]] = []
        for _, names in sorted(names_by_stage.items()):
            trainable = [parameters[name] for name in names if parameters[name].requires_grad]
            if trainable:
                groups.append(trainable)
        return [*groups, list(self.head.parameters())]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_folded": ()}


def _drop_folded(net: nn.Module, _: object) -> None:
    assert isinstance(net, BackboneWithHead)
    net._folded = ()
