"""A training job: everything that defines a run, and the folder that holds its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.data import SplitDataset
from headstart.models.recipes import Recipe

if TYPE_CHECKING:
    from headstart.classifier import DecidedPrecision

Watch = Callable[[int, float], None]


@dataclass(frozen=True)
class TrainingJob:
    """One run to train.

    Attributes:
        recipe: How to train. The run decides what the recipe leaves open, from data and time limit.
        data: The images. Test images are read once, at the end.
        seed: Seed of the initial weights, the order of images and the augmentation.
        folder: The run folder.
        command: The command line that does the same, for the record.
        repeat: Folder of a run of the same recipe, data and seed, whose steps are repeated, also
            those that a time limit decided.
        after: Folder of a finished run to continue with more epochs of the same recipe.
        precision: What precision "auto" stands for in the study that the run belongs to. None
            decides it on this machine. A run that is resumed or repeated follows its plan instead.
        watch: Called after each step with the steps done and the seconds of training. What it
            raises ends the run, which leaves its folder unfinished.
    """

    recipe: Recipe
    data: SplitDataset
    seed: int
    folder: Path
    command: str = ""
    repeat: Path | None = None
    after: Path | None = None
    precision: DecidedPrecision | None = None
    watch: Watch | None = None
