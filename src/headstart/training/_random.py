"""Random numbers without a state to save: those of step k depend on the seed and on k alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from headstart.classifier import best_device

Purpose = Literal["order", "augmentation", "dropout", "flip"]
_PURPOSES = ("order", "augmentation", "dropout", "flip")


@dataclass(frozen=True)
class RngKey:
    """The key of the random numbers of one step.

    Attributes:
        seed: Seed of the run.
        step: Number of the step in the run, from 0.
        epoch: Number of the epoch that the step belongs to, from 0.
    """

    seed: int
    step: int
    epoch: int


def derive_seed(seed: int, purpose: Purpose, index: int) -> int:
    """Return a seed for one purpose at one index, unrelated to those of its neighbours.

    Args:
        seed: Seed of the run.
        purpose: What the random numbers are for.
        index: Number of a step, or of an epoch.
    """
    sequence = np.random.SeedSequence([seed, _PURPOSES.index(purpose), index])
    return int(sequence.generate_state(1, np.uint64)[0])


def make_generator(seed: int, purpose: Purpose, index: int) -> torch.Generator:
    """Return a CPU generator for one purpose at one index; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, index))


def seed_step(seed: int, step: int) -> None:
    """Seed what the layers of a network draw in one step.

    Without a GPU, only the generator of the CPU is seeded. `torch.manual_seed` also leaves a seed
    for every other kind of device, which takes longer than a small step.
    """
    derived = derive_seed(seed, "dropout", step)
    if best_device().type == "cpu":
        torch.default_generator.manual_seed(derived)
    else:
        torch.manual_seed(derived)
