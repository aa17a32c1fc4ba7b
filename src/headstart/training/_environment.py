"""The environment of a run: versions and machine, recorded in `environment.json`."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from headstart.classifier import best_device, decide_bfloat16
from headstart.machine import processor_name

_PACKAGES = ("headstart", "torch", "timm", "numpy", "scikit-learn", "scipy", "pillow")

# Settings that decide the last bits of the weights. The precision is not among them: a resumed run
# follows its plan.
_DECIDES_BITS = ("torch", "threads", "device", "cpu")


def describe_environment() -> dict[str, object]:
    """Return the versions of packages and the settings of the machine."""
    bfloat16 = decide_bfloat16()
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "cpu": processor_name(),
        "threads": torch.get_num_threads(),
        "device": str(best_device()),
        "bfloat16": bfloat16.is_used,
        "bfloat16_because": bfloat16.reason,
        "executable": Path(sys.executable).name,
    }


def describe_changes(before: dict[str, object], now: dict[str, object]) -> str | None:
    """Describe the changes that may alter the last bits of a resumed run's weights.

    Args:
        before: The environment in which the run started; empty for a new run.
        now: The present environment.

    Returns:
        A sentence; None if nothing that matters has changed.
    """
    changes = [
        f"{key} {before[key]} before, {now[key]} now"
        for key in _DECIDES_BITS
        if before.get(key, now[key]) != now[key]
    ]
    if not changes:
        return None
    return (
        f"resumed in another environment ({'; '.join(changes)}): the weights are not bit for bit "
        "those of an uninterrupted run."
    )


@cache  # reading the metadata of seven packages takes as long as fifty small steps
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
