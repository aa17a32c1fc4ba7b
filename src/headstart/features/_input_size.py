"""The image size that a backbone receives, chosen by rule or by the time that there is."""

from __future__ import annotations

import contextlib
import time

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.classifier import (
    best_device,
    independent_threads,
    prepare_process,
    use_bfloat16,
)
from headstart.data import Dataset, SplitDataset
from headstart.errors import InputError
from headstart.features._extract import batch_size, extract_features
from headstart.models import (
    Backbone,
    BackboneOptions,
    load_backbone,
    native_input_size,
    weights_digest,
)
from headstart.models.recipes import Recipe
from headstart.results import BackboneUse

INPUT_SIZES_PX = (32, 48, 64, 80, 96, 128, 160, 192, 224)

# Fraction of a time limit for features. The head, its evaluation and a noisy machine need the rest.
FEATURES_FRACTION = 0.7

# The cost grows with the number of pixels, by at least this factor. Larger sizes that cannot fit
# are not timed.
_LEAST_GROWTH = 0.5

_LEAST_WARM_UP_IMAGES = 8


def backbone_options(recipe: Recipe) -> BackboneOptions:
    """Return the options of a recipe's backbone."""
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    return options


def usual_input_size(recipe: Recipe, image_shape: tuple[int, int, int]) -> int:
    """Return the usual input size in pixels for images of this shape.

    It is 128 for images of up to 64 pixels, 160 up to 160, else 224; or the only size that the
    backbone accepts. A backbone that is fine-tuned sees each image many times; small images are
    enlarged to 96 only.

    Small images are enlarged because a backbone halves its input five times. More pixels help, at a
    cost that grows with them: 128 instead of 96 gave 4 points on CIFAR-10 (docs/backbones.md).
    """
    native, is_only = native_input_size(recipe.model)
    if is_only:
        return native
    largest = max(image_shape[:2])
    if largest <= 64:
        return 128 if recipe.on_features else 96
    return 160 if largest <= 160 else 224


def possible_input_sizes(recipe: Recipe) -> tuple[int, ...]:
    """Return the input sizes in pixels that this backbone accepts, ascending."""
    native, is_only = native_input_size(recipe.model)
    if is_only:
        return (native,)

    backbone: Backbone | None = None
    sizes = []
    for size in INPUT_SIZES_PX:
        # Too few pixels for its layers, or too many for a head on a flattened map.
        with contextlib.suppress(InputError):
            if backbone is None:
                options = backbone_options(recipe)
                backbone = load_backbone(recipe.model, options, size, 0, empty=True)
            backbone.set_input_size(size)
            sizes.append(size)
    return tuple(sizes)


def choose_input_size(recipe: Recipe, data: SplitDataset, seconds: float | None) -> int:
    """Choose the input size in pixels: the recipe's, or the usual one.

    With a time limit, it is the largest size whose features are ready in 70% of the time. For a
    backbone that is fine-tuned the time limit does not matter here, because training must fit in as
    well.

    Args:
        recipe: A recipe with a backbone.
        data: The images.
        seconds: The time limit; None if there is none.

    Raises:
        InputError: Not even the smallest size fits into the time.
    """
    options = backbone_options(recipe)
    if options.input_px is not None:
        return options.input_px
    if seconds is None or options.learns_end_to_end:
        return usual_input_size(recipe, data.image_shape)

    timer, available = FeatureTimer(recipe, data), FEATURES_FRACTION * seconds
    size = timer.largest_size(available)
    if size is None:
        raise InputError(
            timer.describe_excess(available), "Pass a longer --time-limit, or fewer --train-images."
        )
    return size


class FeatureTimer:
    """Times the features of all images of a split, each image size at most once.

    The computation of a few batches is timed, and nothing is kept.

    Args:
        recipe: A recipe with a backbone. If it has an image size, that is the only one.
        data: The images.
        timing_seconds: Seconds that timing one size should take at most, where this leaves some
            images; None for a few batches.
    """

    def __init__(
        self, recipe: Recipe, data: SplitDataset, timing_seconds: float | None = None
    ) -> None:
        given = backbone_options(recipe).input_px
        self._sizes = possible_input_sizes(recipe) if given is None else (given,)
        self._recipe, self._dataset = recipe, data.dataset
        self._timing_seconds = timing_seconds
        split = data.split
        self._rows = np.concatenate([split.train, split.validation, split.test])
        self._backbone: Backbone | None = None
        self._measured: dict[int, float] = {}

    def restart(self) -> None:
        """Forget all timings: the machine has changed its pace."""
        self._measured = {}

    @property
    def least_seconds(self) -> float:
        """The seconds that the features take at the smallest size."""
        return self._seconds(self._sizes[0])

    def largest_size(self, seconds: float) -> int | None:
        """Return the largest input size in pixels whose features are ready in so many seconds.

        The time of timing counts. None if not even the smallest size is fast enough.
        """
        deadline = time.perf_counter() + seconds
        cheapest = self.least_seconds
        for size in reversed(self._sizes):
            left = deadline - time.perf_counter()
            if _LEAST_GROWTH * cheapest * (size / self._sizes[0]) ** 2 > left:
                continue
            if self._seconds(size) <= deadline - time.perf_counter():
                return size
        return None

    @property
    def smallest_size(self) -> int:
        """The smallest input size in pixels."""
        return self._sizes[0]

    def describe_excess(self, seconds: float) -> str:
        """Return a sentence that says how far the smallest size exceeds so many seconds.

        On a busy machine, everything before may have taken the whole limit.
        """
        left = f"There are {seconds:.0f} s for them" if seconds >= 1 else "No time is left for them"
        return (
            f"the features of {len(self._rows):,} images with {self._recipe.model} take about "
            f"{self.least_seconds:.0f} s even at {self._sizes[0]} pixels. {left}."
        )

    def _seconds(self, size: int) -> float:
        if size not in self._measured:
            if self._backbone is None:
                self._backbone = _load_for_timing(self._recipe, self._sizes[0])
            self._backbone = self._backbone.set_input_size(size)
            per_image = _seconds_per_image(
                self._backbone, self._recipe, self._dataset, self._rows, self._timing_seconds
            )
            self._measured[size] = len(self._rows) * per_image
        return self._measured[size]


def seconds_per_image(recipe: Recipe, data: SplitDataset, seconds: float | None = None) -> float:
    """Return the seconds per image of computing features on this machine.

    Timed on a few hundred training images at the recipe's input size; nothing is kept.

    Args:
        recipe: A recipe with a backbone.
        data: The images.
        seconds: The seconds that timing should take at most, where this leaves some images; None
            for all of them.
    """
    prepare_process()
    size = backbone_options(recipe).input_px or usual_input_size(recipe, data.image_shape)
    backbone = _load_for_timing(recipe, size)
    return _seconds_per_image(backbone, recipe, data.dataset, data.split.train, seconds)


def warm_up(recipe: Recipe) -> None:
    """Load and run the backbone once, so no contender is charged for one-time start-up costs."""
    prepare_process()
    options, device = backbone_options(recipe), best_device()
    is_rounded = use_bfloat16(recipe.precision)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=is_rounded):
        size = options.input_px or usual_input_size(recipe, (8, 8, 1))
        backbone = load_backbone(recipe.model, options, size, 0).to(device)
        backbone(torch.zeros(2, 1, 8, 8, device=device))


def describe_backbone_use(
    recipe: Recipe, backbone: Backbone, image_shape: tuple[int, int, int]
) -> BackboneUse:
    """Describe the backbone of a run and the images that it receives, for the record."""
    height, width, channels = image_shape
    size = backbone.input_px
    channel_note = ", grey in all three channels" if channels == 1 else ""
    return BackboneUse(
        weights=weights_digest(recipe.model, backbone_options(recipe)),
        input_px=size,
        features=backbone.num_features,
        input_note=(
            f"{recipe.model} receives images of {height}x{width} pixels at {size}x{size}"
            f"{channel_note}: {_reason(recipe, size, image_shape)}."
        ),
    )


def _reason(recipe: Recipe, size: int, image_shape: tuple[int, int, int]) -> str:
    """Return the reason for an input size."""
    native, is_only = native_input_size(recipe.model)
    if is_only:
        return f"it accepts {native} pixels only"
    if size != usual_input_size(recipe, image_shape):
        return "input_px or the available time decided this"
    if size > max(image_shape[:2]):
        return "it halves its input five times, so small images are enlarged"
    return "more pixels help, at a cost that grows with them"


def _load_for_timing(recipe: Recipe, size: int) -> Backbone:
    """Return the backbone without its weights, folded, on the device."""
    backbone = load_backbone(recipe.model, backbone_options(recipe), size, 0, empty=True)
    return backbone.to(best_device()).fold()


def _seconds_per_image(
    backbone: Backbone,
    recipe: Recipe,
    dataset: Dataset,
    rows: NDArray[np.int64],
    seconds: float | None = None,
) -> float:
    """Time the backbone on a random sample of two batches per thread.

    Where `seconds` are too few for it, the batches become smaller, so that all threads work.
    """
    threads = independent_threads()
    batches, size = 2 * threads, batch_size(backbone)
    sample = np.random.default_rng(0).permutation(rows)[: batches * size]

    def compute(images: NDArray[np.int64], title: str) -> float:
        started = time.perf_counter()
        images = np.sort(images)
        for _ in extract_features(backbone, dataset.images, images, recipe.precision, title, size):
            pass
        return (time.perf_counter() - started) / len(images)

    if seconds is not None:
        whole, size = size, _LEAST_WARM_UP_IMAGES
        few = sample[: size * threads]
        compute(few, "warming up")
        affordable = max(len(few), int(seconds / compute(few, "warming up")))
        sample = sample[:affordable]
        size = min(whole, -(-len(sample) // batches))

    compute(sample[: max(_LEAST_WARM_UP_IMAGES, len(sample) // batches)], "warming up")
    return compute(sample, "timing the backbone")
