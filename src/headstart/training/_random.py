"""Random numbers without a state to save: what step k draws depends on the run's seed and on k alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

_PURPOSES = ("order", "augmentation", "dropout", "flip")


def seed_of(
    seed: int, purpose: Literal["order", "augmentation", "dropout", "flip"], index: int
) -> int:
    """A seed for one purpose at one index (a step, or an epoch), unrelated to its neighbours'."""
    mixed = np.random.SeedSequence([seed, _PURPOSES.index(purpose), index])
    return int(mixed.generate_state(1, np.uint64)[0])


def generator(
    seed: int, purpose: Literal["order", "augmentation", "dropout", "flip"], index: int
) -> torch.Generator:
    """A generator on the processor, for one purpose at one index."""
    return torch.Generator().manual_seed(seed_of(seed, purpose, index))
