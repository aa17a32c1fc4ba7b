"""The costs of the rungs of a ladder on this machine, from a few timed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from headstart.data import SplitDataset, without_test
from headstart.errors import TooLittleMemory
from headstart.features import seconds_per_image, seconds_to_solve, usual_input_size
from headstart.formatting import approximate_duration
from headstart.models import installed_backbones
from headstart.models.recipes import Recipe, make_recipe, resolve
from headstart.results import JsonObject
from headstart.studies.fit._rung import FROZEN, RungResult, full_epochs, input_px_of
from headstart.training import RunTimer, resolve_recipe

# The cost grows with the number of pixels, so one size is timed.
TIMED_PX = 96
SIZES_PX = (64, 80, 96, 128, 160, 192, 224)

# A step of fine-tuning against a forward pass of the folded backbone, per image. From 96 to 224
# pixels on two cores with bfloat16 it was 3 to 4.
_TRAINING_FACTOR = 3.5

# The same where only the top stages learn. A part of a time limit is reserved there.
_TOP_STAGES_FACTOR, _USED_SHARE = 2.0, 0.8

# A cnn sees every image once, or takes so many steps: after less it was far from what it can learn
# (benchmarks/fit_plan.md). The last seconds of a run are reserved, so the steps get more of them.
_TRIAL_STEPS, _TRIAL_MARGIN = 40, 1.15

# Fine-tuning of fewer steps rarely improves on the head that it starts from
# (benchmarks/never_below.md).
_LEAST_FINE_TUNING_STEPS = 60

# Timing the backbone may take this share of the time limit. On an AVX2 processor, two batches per
# thread took longer than the features of the first rung.
_TIMING_SHARE = 0.02

# The first batch of features takes longer than the others: by 0.35 s of processor time at 96 pixels
# and 0.8 s at 160. The time of the others grows with the pixels (benchmarks/fit_plan.md).
_WARM_UP_SECONDS, _LEAST_STEADY = 0.4, 0.75

# Multiply-adds of other backbones relative to efficientnet-lite0.
_RELATIVE_COST = {"efficientnet-lite1": 1.5, "efficientnet-lite2": 2.2}
_FEATURES = 1280


@dataclass(frozen=True)
class LadderCosts:
    """The costs of the cnn and of backbones for one dataset.

    Attributes:
        backbones: The installed backbones, the usual one first.
        seconds_per_image: Seconds per image of the first one at 96 pixels; 0 without backbones.
        frozen_px: The usual image size of a frozen backbone for these images.
        fine_tuned_px: The usual image size of fine-tuning.
        train: Number of training images.
        validation: Number of validation images.
        test: Number of test images.
        classes: Number of classes.
        cnn_start: Seconds until the cnn takes its first step.
        cnn_pass: Seconds of one pass of the cnn over the training images, with its validation; 0 in
            files that do not know it.
    """

    backbones: tuple[str, ...]
    seconds_per_image: float
    frozen_px: int
    fine_tuned_px: int
    train: int
    validation: int
    test: int
    classes: int
    cnn_start: float = 0.0
    cnn_pass: float = 0.0

    def as_json(self) -> JsonObject:
        """Return the costs as they are written to `ladder.json`."""
        return {**asdict(self), "backbones": list(self.backbones)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LadderCosts:
        """Return the costs that `as_json` described."""
        return cls(**{**content, "backbones": tuple(content["backbones"])})

    def corrected(self, results: Sequence[RungResult]) -> LadderCosts:
        """Return the costs with the speed of the last frozen rung of the first backbone.

        A few images, timed at the start, were up to 2.4 times as slow as its features
        (benchmarks/fit_plan.md).

        Args:
            results: The finished rungs, in their order.
        """
        for result in reversed(results):
            recipe, seconds = result.rung.recipe, result.metrics.seconds.prepare
            if result.family == FROZEN and recipe.model == self.backbones[0] and seconds:
                steady = max(seconds - _WARM_UP_SECONDS, _LEAST_STEADY * seconds)
                per_image = steady / (self.train + self.validation)
                scale = (TIMED_PX / input_px_of(recipe)) ** 2
                return replace(self, seconds_per_image=scale * per_image)
        return self

    def forward(self, backbone: str, px: int) -> float:
        """Return the seconds per image of a folded backbone at an image size in pixels."""
        relative = _RELATIVE_COST.get(backbone, 1.0)
        return relative * self.seconds_per_image * (px / TIMED_PX) ** 2

    def frozen(self, backbone: str, px: int) -> float:
        """Return the seconds of features and head of a frozen backbone, without the test images."""
        return (self.train + self.validation) * self.forward(backbone, px) + self.head()

    def evaluation(self, backbone: str, px: int) -> float:
        """Return the seconds of classifying the test images with a backbone, once it is chosen."""
        return self.test * self.forward(backbone, px)

    def why_not_frozen(self, usable: float, share: float, evaluated_share: float) -> str:
        """Return why a frozen backbone is too expensive even with the fewest pixels.

        Args:
            usable: Seconds for all rungs.
            share: The share of them that it may take.
            evaluated_share: The share that it may take together with the test images.
        """
        backbone, px = self.backbones[0], SIZES_PX[0]
        seconds, work = self.frozen(backbone, px), ""
        if seconds <= share * usable:
            seconds += self.evaluation(backbone, px)
            share, work = evaluated_share, ", with the test images"
        return (
            f"a frozen backbone needs {approximate_duration(seconds)} even at {px} pixels{work}, "
            f"more than {share:.0%} of the time"
        )

    def trial_of_cnn(self, recipe: Recipe) -> float:
        """Return the fewest seconds in which a cnn shows what it can learn."""
        batch = resolve(recipe, self.train).batch or 1
        passes = min(1.0, _TRIAL_STEPS * batch / self.train)
        return self.cnn_start + _TRIAL_MARGIN * passes * self.cnn_pass

    def cnn(self, recipe: Recipe, share: float) -> float:
        """Return the seconds of a share of the epochs of a cnn."""
        return self.cnn_start + share * full_epochs(recipe, self.train) * self.cnn_pass

    def head(self) -> float:
        """Return the seconds of solving a linear head."""
        recipe = make_recipe(self.backbones[0])
        return seconds_to_solve(self.train, _FEATURES, self.classes, recipe)

    def least_fine_tuning_epochs(self, recipe: Recipe) -> float:
        """Return the fewest epochs of fine-tuning that are likely to improve on its head."""
        resolved = resolve(recipe, self.train)
        steps_per_epoch = max(1, self.train // (resolved.batch or 1))
        epochs = max(1.0, _LEAST_FINE_TUNING_STEPS / steps_per_epoch)
        return min(epochs, resolved.epochs or epochs)

    def shortest_fine_tuning(self, recipe: Recipe) -> float:
        """Return the seconds in which the top stages of a backbone learn for the fewest epochs.

        They start from the head of the frozen backbone. `training` fits a head only if there is
        less time than for one epoch.
        """
        backbone, px = recipe.model, input_px_of(recipe)
        images = _TOP_STAGES_FACTOR * self.train + self.validation
        epochs = self.least_fine_tuning_epochs(recipe)
        seconds = self.frozen(backbone, px) + epochs * images * self.forward(backbone, px)
        return seconds / _USED_SHARE

    def epoch_of_fine_tuning(self, backbone: str, px: int) -> float:
        """Return the seconds of one pass of fine-tuning, with its validation."""
        images = _TRAINING_FACTOR * self.train + self.validation
        return images * self.forward(backbone, px)


def measure_costs(data: SplitDataset, cnn: Recipe, time_limit: float) -> LadderCosts:
    """Time a few steps of the cnn, and the first installed backbone on a few hundred images.

    Args:
        data: The images.
        cnn: The recipe of the cnn.
        time_limit: Seconds of the study, of which timing takes a small share.
    """
    backbones = tuple(installed_backbones())
    split, per_image, sizes = data.split, 0.0, (0, 0)
    if backbones:
        frozen = make_recipe(backbones[0], {"input_px": TIMED_PX})
        per_image = seconds_per_image(frozen, data, _TIMING_SHARE * time_limit)
        fine_tuned = make_recipe(backbones[0], {"transfer": "finetune"})
        shape = data.image_shape
        sizes = (usual_input_size(frozen, shape), usual_input_size(fine_tuned, shape))
    start, one_pass = _measure_cnn(without_test(data), cnn)
    return LadderCosts(
        backbones=backbones,
        seconds_per_image=per_image,
        frozen_px=sizes[0],
        fine_tuned_px=sizes[1],
        train=len(split.train),
        validation=len(split.validation),
        test=len(split.test),
        classes=len(data.class_names),
        cnn_start=start,
        cnn_pass=one_pass,
    )


def _measure_cnn(data: SplitDataset, recipe: Recipe) -> tuple[float, float]:
    """Return the seconds until the first step of the cnn, and those of one pass.

    Both are 0 if there is not enough memory for it. Its run then fails, and the study continues.
    """
    try:
        # Resolved before the timer starts: the check of horizontal flips takes seconds only once.
        timer = RunTimer(resolve_recipe(recipe, data), data)
        timer.measure()
    except TooLittleMemory:
        return 0.0, 0.0
    return round(timer.cost.fixed, 3), round(timer.cost.epoch, 3)
