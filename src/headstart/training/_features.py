"""Features of a frozen backbone, computed once and cached on disk."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import Dataset, Split, content_key
from headstart.errors import InputError
from headstart.models import Backbone, BackboneOptions, load_backbone
from headstart.training._classifier import as_floats
from headstart.training._device import best_device, prepare_process, use_bfloat16
from headstart.training._recipe import Recipe

SIDES_PX = (32, 48, 64, 80, 96, 128, 160, 192, 224)
CALIBRATION_IMAGES = 1024
_SHARE_FOR_FEATURES = 0.7  # of a time limit: the head, its evaluation and a noisy machine need the rest
_BATCH_PIXELS = 1 << 21


@dataclass(frozen=True)
class Features:
    """Features of the images of a split.

    Attributes:
        rows: int64 dataset indices, ascending; `values[i]` belongs to image `rows[i]`.
        values: `(len(rows), size)` float16 memory map.
        seconds: what computing them took, also when they came from the cache.
        backbone: folded; what computed them.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float16]
    seconds: float
    backbone: Backbone

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Features of these dataset indices."""
        return self.values[np.searchsorted(self.rows, rows)]


def usual_side_px(image_shape: tuple[int, int, int]) -> int:
    """The backbone's input side for images of this shape: 96 up to 64 pixels, 160 up to 160, else 224.

    Upscaling small images helps because the backbone halves its input five times: on 10,000 CIFAR-10 images a linear probe
    reached 80.8% at 96 and 83.9% at 128 pixels, at half the speed.
    """
    largest = max(image_shape[:2])
    return 96 if largest <= 64 else 160 if largest <= 160 else 224


def _extract(
    backbone: Backbone, dataset: Dataset, rows: NDArray[np.int64], out: NDArray[np.float16], recipe: Recipe, title: str = ""
) -> float:
    """Fill `out`; returns seconds."""
    device = best_device()
    size = max(8, _BATCH_PIXELS // backbone.input_px**2)
    start_time = time.perf_counter()
    with (
        progress.task(title or f"features at {backbone.input_px} px", len(rows), "images") as task,
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)),
    ):
        for start in range(0, len(rows), size):
            found = backbone(as_floats(dataset.images[rows[start : start + size]], device))
            out[start : start + len(found)] = found.half().cpu().numpy()
            task.advance(len(found))
    return time.perf_counter() - start_time


def _ready(options: BackboneOptions, side_px: int, dataset: Dataset, split: Split, seed: int) -> Backbone:
    backbone = load_backbone(options, side_px, seed).to(best_device())
    if not options.pretrained:
        rows = np.sort(np.random.default_rng(seed).permutation(split.train)[:CALIBRATION_IMAGES])
        backbone.calibrate(
            [as_floats(dataset.images[part], best_device()) for part in np.array_split(rows, max(1, len(rows) // 128))]
        )
    return backbone.fold()


def choose_side_px(recipe: Recipe, dataset: Dataset, split: Split, seconds: float | None) -> int:
    """The input side: the recipe's, or the usual one, or the largest below it whose features are ready within `seconds`.

    Each candidate is timed on a few hundred images before the first feature is computed.

    Raises:
        InputError: not even the smallest side fits into the time.
    """
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    usual = options.input_px or usual_side_px(dataset.image_shape)
    if seconds is None or options.input_px is not None:
        return usual
    needed = 0.0
    rows = np.concatenate([split.train, split.validation, split.test])
    for side in [side for side in reversed(SIDES_PX) if side <= usual]:
        needed = len(rows) * _seconds_per_image(recipe, dataset, rows, side)
        if needed <= _SHARE_FOR_FEATURES * seconds:
            return side
    raise InputError(
        f"{recipe.model} has {seconds:.0f} s, but its features of {len(rows):,} images take about {needed:.0f} s even at "
        f"{SIDES_PX[0]} pixels.",
        "Give a longer --time-limit, or fewer --train-images.",
    )


def _seconds_per_image(recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64], side_px: int) -> float:
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    backbone = load_backbone(options, side_px, 0, empty=True).to(best_device()).fold()
    size = 2 * _BATCH_PIXELS // side_px**2
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:size])
    out = np.empty((len(sample), backbone.size), np.float16)
    _extract(backbone, dataset, sample[: size // 2], out[: size // 2], recipe, "warming up")
    return _extract(backbone, dataset, sample, out, recipe, "timing the backbone") / len(sample)


def prepare_features(recipe: Recipe, dataset: Dataset, split: Split, seed: int, seconds: float | None) -> tuple[Recipe, float]:
    """Compute a backbone's features ahead of its runs, within `seconds`.

    Returns:
        The recipe with its input side fixed, so that every run of it finds these features in the cache; and the seconds that
        they took, now or when they were first computed: a contender pays for what it uses.
    """
    prepare_process()
    side_px = choose_side_px(recipe, dataset, split, seconds)
    features = compute_features(recipe, dataset, split, seed, side_px)
    return recipe.model_copy(update={"net": recipe.net.model_copy(update={"input_px": side_px})}), features.seconds


def compute_features(recipe: Recipe, dataset: Dataset, split: Split, seed: int, side_px: int) -> Features:
    """Features of all images of the split, from the cache when they were computed before.

    Args:
        seed: of the random weights of the control; without effect on a pretrained backbone.

    Raises:
        ResourceError: no space in the cache, or the packaged weights are missing.
    """
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    rows = np.sort(np.concatenate([split.train, split.validation, split.test]))
    backbone = _ready(options, side_px, dataset, split, seed)
    weights = b"".join(tensor.detach().cpu().numpy().tobytes() for tensor in backbone.state_dict().values())
    key = content_key(
        recipe.model,
        weights,
        str(side_px),
        str(use_bfloat16(recipe.precision)),
        dataset.hashes[rows].tobytes(),
        str(dataset.image_shape),
    )
    folder = store.cache_folder() / "features" / key
    if not (folder / "about.json").exists():
        with store.new_folder(folder) as building:
            store.need_space(building, len(rows) * backbone.size * 2)
            out = np.lib.format.open_memmap(
                building / "features.npy", mode="w+", dtype=np.float16, shape=(len(rows), backbone.size)
            )
            store.reserve(building / "features.npy")
            seconds = _extract(backbone, dataset, rows, out, recipe)
            out.flush()
            store.write_json(building / "about.json", {"seconds": round(seconds, 3), "images": len(rows), "side_px": side_px})
    values = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    return Features(rows, values, float(store.read_json(folder / "about.json")["seconds"]), backbone)
