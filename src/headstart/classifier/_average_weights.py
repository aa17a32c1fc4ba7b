"""One network whose weights are the mean of those of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from headstart.classifier._classifier import Classifier
from headstart.classifier._ensemble import require_same_images
from headstart.classifier._ensemble_files import choose_members
from headstart.classifier._file_format import InferenceMetadata
from headstart.classifier._save_load import load_network
from headstart.errors import InputError


def average_weights(members: Sequence[Path], weights: Sequence[float]) -> Classifier:
    """Return one network whose weights are the weighted mean of those of finished runs.

    It costs as much per image as one member. It is about as good as an ensemble of runs that were
    fine-tuned from the same start, because their weights lie in one basin of the loss. The mean of
    networks that were trained from random weights is useless. Compare it with its members on
    validation images before it is used.

    Args:
        members: Folders of finished runs of one architecture, image size and dataset.
        weights: The weight of each, as for `open_ensemble`.

    Returns:
        The network, which is not calibrated yet. `training.build_average` calibrates and saves it.

    Raises:
        InputError: The members have other architectures, classes or images, or the weights are
            invalid.

    References:
        Wortsman et al. (2022), Model soups, arXiv:2203.05482.
    """
    chosen = choose_members(members, weights)
    networks = [load_network(folder) for folder, _ in chosen]
    require_same_images(networks)
    first = networks[0]
    for network, (folder, _) in zip(networks, chosen, strict=True):
        if _architecture(network) != _architecture(first):
            raise InputError(
                f"cannot average the weights of {chosen[0][0]} and {folder}: expected the same "
                "model, options, image size and mirror setting.",
                "Average their predictions instead: `training.build_ensemble`.",
            )

    states = [network.state_dict() for network in networks]
    shares = [share for _, share in chosen]
    with torch.no_grad():
        mean = {name: _mean([state[name] for state in states], shares) for name in states[0]}
        first.load_state_dict(mean)
    first.metadata = InferenceMetadata(preprocessing=first.preprocessing)
    return first


def _architecture(network: Classifier) -> tuple[object, ...]:
    shapes = [(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()]
    recipe = network.recipe
    return recipe.model, recipe.net, network.input_px, network.mirror, shapes


def _mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted mean of tensors; the first one if they are integers."""
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    pairs = zip(tensors, weights, strict=True)
    total = torch.stack([weight * tensor.double() for tensor, weight in pairs]).sum(0)
    return total.to(tensors[0].dtype)
