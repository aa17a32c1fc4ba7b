"""Loading of a backbone with pretrained or random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from headstart.errors import InputError, ResourceError
from headstart.models._backbone import Backbone, Preprocessing
from headstart.models._options import BackboneOptions
from headstart.models._packaged import PACKAGED, timm_name
from headstart.models._weights import read_weights

_USUAL_INPUT_PX = 224


def load_backbone(
    model: str, options: BackboneOptions, input_px: int, seed: int, *, empty: bool = False
) -> Backbone:
    """Load a backbone without its classifier and without the layers after its cut.

    Args:
        model: Name of a backbone.
        options: Options with pinned weights. `pretrained=False` gives the control with random
            weights.
        input_px: Input size in pixels.
        seed: Seed of the random weights.
        empty: Whether to skip the pretrained weights, because others will be loaded.

    Raises:
        InputError: The network or the layer does not exist, the input size is not supported, or the
            weights are those of another network.
        ResourceError: The weights are missing or have another digest.
    """
    import timm

    name = timm_name(model)
    native_px, is_fixed = native_input_size(model)
    if is_fixed and input_px != native_px:
        raise InputError(
            f"invalid input_px: {model} accepts only {native_px}, got {input_px}.",
            f"Omit it, or pass --set input_px={native_px}.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = timm.create_model(name, pretrained=False, num_classes=0)

    if options.pretrained and not empty:
        tensors = read_weights(model, options)
        if options.weights is None:
            _copy_in_order(tensors, net)
        else:
            _copy_by_name(tensors, net, model)
    backbone = Backbone(net, _preprocessing(name), input_px, options.cut, options.pool)
    backbone.corrects_rounding = model in PACKAGED
    return backbone.to(memory_format=torch.channels_last)


def native_input_size(model: str) -> tuple[int, bool]:
    """Return the input size that a backbone was trained with.

    Returns:
        The size in pixels, and whether the backbone accepts no other size.
    """
    config = _pretrained_config(timm_name(model))
    if config is None:
        return _USUAL_INPUT_PX, False
    return config.input_size[-1], config.fixed_input_size


def _preprocessing(name: str) -> Preprocessing:
    config = _pretrained_config(name)
    if config is None:
        return Preprocessing()
    return Preprocessing(config.mean, config.std, config.interpolation)


def _pretrained_config(name: str) -> Any:
    import timm

    return timm.get_pretrained_cfg(name)


def _without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if "num_batches_tracked" not in name}


def _copy_in_order(state: dict[str, Tensor], net: nn.Module) -> None:
    """Copy packaged weights. Their names differ from timm's, but their order is the same."""
    expected = _without_counters(net.state_dict())
    packaged = _without_counters(state)
    # The packaged weights end with the classifier, which `net` does not have.
    pairs = zip(expected.items(), packaged.items(), strict=False)
    for (name, tensor), (packaged_name, packaged_tensor) in pairs:
        is_same_kind = name.rpartition(".")[2] == packaged_name.rpartition(".")[2]
        if tensor.shape != packaged_tensor.shape or not is_same_kind:
            raise ResourceError(
                f"the packaged weights do not fit timm's network: expected {name} of shape "
                f"{tuple(tensor.shape)}, got {packaged_name} of shape "
                f"{tuple(packaged_tensor.shape)}.",
                "Install the timm version that Headstart requires.",
            )
        tensor.copy_(packaged_tensor)


def _copy_by_name(state: dict[str, Tensor], net: nn.Module, model: str) -> None:
    """Copy weights with timm's names. Tensors that `net` does not have are ignored."""
    expected = _without_counters(net.state_dict())
    mismatches = []
    for name, tensor in expected.items():
        if name not in state:
            mismatches.append(f"{name} {tuple(tensor.shape)} is missing")
        elif state[name].shape != tensor.shape:
            mismatches.append(
                f"{name} has shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
            )
    if mismatches:
        raise InputError(
            f"the weights do not fit {model}: {len(mismatches)} of {len(expected)} tensors are "
            f"missing or have another shape. {'; '.join(mismatches[:2])}. The file starts with "
            f"{', '.join(list(state)[:2])}.",
            "Use the weights of this network under timm's names.",
        )
    for name, tensor in expected.items():
        tensor.copy_(state[name])
