"""Logits: one or two outputs for two classes, and the result of one training step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def by_class(logits: Tensor) -> Tensor:
    """One logit a class, float32: for one output of two classes, the softmax over (0, logit) is its sigmoid."""
    logits = logits.float()
    return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits


@dataclass(frozen=True)
class Outcome:
    """What one update saw: the summed plain cross-entropy and right answers of its `count` images, before the update."""

    loss: float
    right: int
    count: int
    is_finite: bool  # loss and gradient; if not, nothing was updated
