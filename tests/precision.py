"""The choice between bfloat16 and float32, the same for all processes of a test."""

from __future__ import annotations

import json
from dataclasses import asdict

import torch

from headstart.classifier import _precision


def keep_precision() -> None:
    """Write the decision of this process into the cache folder.

    A process that a test starts on a busy machine could decide otherwise.
    """
    capabilities = torch.cpu.get_capabilities()
    units = [name for key, name in _precision._BFLOAT16_UNITS if capabilities.get(key)]
    if units:
        path = _precision._decision_file(units)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(_precision.decide_bfloat16())), encoding="utf-8")
