"""Features of a frozen backbone, computed once and cached on disk."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import Dataset, Split, content_key, take
from headstart.errors import InputError
from headstart.models import Backbone, BackboneOptions, load_backbone, own_side_px, weights_mark
from headstart.training._classifier import as_floats
from headstart.training._device import best_device, prepare_process, use_bfloat16
from headstart.training._recipe import Recipe, with_net

SIDES_PX = (32, 48, 64, 80, 96, 128, 160, 192, 224)
CALIBRATION_IMAGES = 256  # random weights' batch norm: two moments a channel, over thousands of pixels an image
_SHARE_FOR_FEATURES = 0.7  # of a time limit: the head, its evaluation and a noisy machine need the rest
_BATCH_PIXELS = 1 << 21
_HOPELESS = 0.5  # cost grows with the pixels, at least half as fast as they do: larger sides need not be timed


@dataclass(frozen=True)
class Features:
    """Features of the images of a split.

    Attributes:
        rows: int64 dataset indices, ascending; `values[i]` belongs to image `rows[i]`.
        values: `(len(rows), size)` float16 memory map.
        seconds: what computing them took, also when they came from the cache.
        backbone: folded; what computed them.
        was_cached: whether an earlier run computed them.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float16]
    seconds: float
    backbone: Backbone
    was_cached: bool

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Features of these dataset indices."""
        return self.values[np.searchsorted(self.rows, rows)]


def usual_side_px(recipe: Recipe, image_shape: tuple[int, int, int]) -> int:
    """The backbone's input side for images of this shape: 96 up to 64 pixels, 160 up to 160, else 224; or the only one it takes.

    Small images are enlarged because a backbone halves its input five times; more pixels help, at a cost that grows with them.
    """
    own, is_only = own_side_px(recipe.model)
    largest = max(image_shape[:2])
    return own if is_only else 96 if largest <= 64 else 160 if largest <= 160 else 224


def possible_sides_px(recipe: Recipe) -> tuple[int, ...]:
    """The sides, ascending, at which this backbone can look at images."""
    own, is_only = own_side_px(recipe.model)
    if is_only:
        return (own,)
    options, found = _options(recipe), []
    backbone = load_backbone(recipe.model, options, SIDES_PX[-1], 0, empty=True)
    for side in SIDES_PX:
        with contextlib.suppress(InputError):  # too few pixels for its layers
            found.append(backbone.look_at(side).input_px)
    return tuple(found)


def shown_at(recipe: Recipe, backbone: Backbone, image_shape: tuple[int, int, int]) -> dict[str, Any]:
    """How images are shown to a backbone, and why so: for the record of a run."""
    height, width, channels = image_shape
    own, is_only = own_side_px(recipe.model)
    px = backbone.input_px
    if is_only:
        why = f"it takes no other side than {own} pixels"
    elif recipe.time_limit is not None:
        why = "the largest side whose features are ready in time"
    elif px > max(height, width):
        why = "it was trained on larger images and halves them five times, so that small ones would shrink to nothing"
    else:
        why = "more pixels help, at a cost that grows with them"
    grey = ", grey in all three channels" if channels == 1 else ""
    return {
        "weights": weights_mark(recipe.model, _options(recipe)),
        "input_px": px,
        "features": backbone.size,
        "shown": f"images of {height}x{width} pixels are shown to {recipe.model} at {px}x{px}{grey}: {why}.",
    }


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
            found = backbone(as_floats(take(dataset.images, rows[start : start + size]), device))
            out[start : start + len(found)] = found.half().cpu().numpy()
            task.advance(len(found))
    return time.perf_counter() - start_time


def _ready(recipe: Recipe, side_px: int, dataset: Dataset, split: Split, seed: int) -> Backbone:
    options = _options(recipe)
    backbone = load_backbone(recipe.model, options, side_px, seed).to(best_device())
    if not options.pretrained:
        rows = _calibration_rows(split, seed)
        with torch.autocast(best_device().type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)):
            backbone.calibrate([as_floats(take(dataset.images, part), best_device()) for part in np.array_split(rows, 4)])
    return backbone.fold()


def _calibration_rows(split: Split, seed: int) -> NDArray[np.int64]:
    # Not sorted: batch norm averages the variances within batches, and a batch of one class would hide what tells classes apart.
    return np.random.default_rng(seed).permutation(split.train)[:CALIBRATION_IMAGES]


def _options(recipe: Recipe) -> BackboneOptions:
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    return options


def choose_side_px(recipe: Recipe, dataset: Dataset, split: Split, seconds: float | None) -> int:
    """The input side: the recipe's, or the usual one; with a time limit, the largest whose features are ready in its better part.

    Each candidate is timed on a few hundred images before the first feature is computed.

    Raises:
        InputError: not even the smallest side fits into the time.
    """
    options = _options(recipe)
    if seconds is None or options.input_px is not None:
        return options.input_px or usual_side_px(recipe, dataset.image_shape)
    deadline = time.perf_counter() + _SHARE_FOR_FEATURES * seconds
    sides = possible_sides_px(recipe)
    backbone = load_backbone(recipe.model, options, sides[0], 0, empty=True).to(best_device()).fold()
    rows = np.concatenate([split.train, split.validation, split.test])
    cheapest = needed = len(rows) * _seconds_per_image(backbone, recipe, dataset, rows)
    for side in reversed(sides):
        left = deadline - time.perf_counter()
        if _HOPELESS * cheapest * (side / sides[0]) ** 2 > left:
            continue
        needed = len(rows) * _seconds_per_image(backbone.look_at(side), recipe, dataset, rows)
        if needed <= left:
            return side
    raise InputError(
        f"{recipe.model} has {seconds:.0f} s, but its features of {len(rows):,} images take about {needed:.0f} s even at "
        f"{sides[0]} pixels.",
        "Give a longer --time-limit, or fewer --train-images.",
    )


def _seconds_per_image(backbone: Backbone, recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64]) -> float:
    size = 2 * _BATCH_PIXELS // backbone.input_px**2
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:size])
    out = np.empty((len(sample), backbone.size), np.float16)
    _extract(backbone, dataset, sample[: size // 8], out[: size // 8], recipe, "warming up")
    return _extract(backbone, dataset, sample, out, recipe, "timing the backbone") / len(sample)


def warm_up(recipe: Recipe) -> None:
    """Load and run the backbone once, so that what first use costs is on no contender's account."""
    prepare_process()
    options = _options(recipe)
    with torch.inference_mode(), torch.autocast(best_device().type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)):
        side_px = options.input_px or usual_side_px(recipe, (8, 8, 1))
        load_backbone(recipe.model, options, side_px, 0).to(best_device())(torch.zeros(2, 1, 8, 8, device=best_device()))


def prepare_features(recipe: Recipe, dataset: Dataset, split: Split, seed: int, seconds: float | None) -> tuple[Recipe, float]:
    """Compute a backbone's features ahead of its runs, within `seconds`.

    Returns:
        The recipe with its input side fixed, so that every run of it finds these features in the cache; and the seconds that
        all this took, or that the features took when they were first computed: a contender pays for what it uses.
    """
    prepare_process()
    started = time.perf_counter()
    side_px = choose_side_px(recipe, dataset, split, seconds)
    features = compute_features(recipe, dataset, split, seed, side_px)
    return with_net(recipe, input_px=side_px), max(features.seconds, time.perf_counter() - started)


def compute_features(recipe: Recipe, dataset: Dataset, split: Split, seed: int, side_px: int) -> Features:
    """Features of all images of the split, from the cache when they were computed before.

    Args:
        seed: of the random weights of the control; without effect on a pretrained backbone.

    Raises:
        ResourceError: no space in the cache, or the packaged weights are missing.
    """
    rows = np.sort(np.concatenate([split.train, split.validation, split.test]))
    origin = (
        weights_mark(recipe.model, _options(recipe)).encode()
        if _options(recipe).pretrained
        else dataset.hashes[_calibration_rows(split, seed)].tobytes()
    )
    settings = (
        f"{recipe.model} seed {0 if _options(recipe).pretrained else seed}, {side_px} px, bf16 {use_bfloat16(recipe.precision)}"
    )
    key = content_key(settings, origin, str(dataset.image_shape), dataset.hashes[rows].tobytes())
    folder = store.cache_folder() / "features" / key
    if folder.exists():
        try:
            return _opened(folder, recipe, side_px, rows, was_cached=True)
        except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError, InputError) as error:
            progress.say(f"the cache entry {folder} is damaged ({error}); computing the features again")
            store.remove_folder(folder)
    _compute(folder, recipe, dataset, split, seed, side_px, rows)
    return _opened(folder, recipe, side_px, rows, was_cached=False)


def _opened(folder: Path, recipe: Recipe, side_px: int, rows: NDArray[np.int64], *, was_cached: bool) -> Features:
    backbone = load_backbone(recipe.model, _options(recipe), side_px, 0, empty=True).fold()
    backbone.load_state_dict(safetensors.torch.load((folder / "backbone.safetensors").read_bytes()))
    values = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    return Features(
        rows, values, float(store.read_json(folder / "about.json")["seconds"]), backbone.to(best_device()), was_cached
    )


def _compute(
    folder: Path, recipe: Recipe, dataset: Dataset, split: Split, seed: int, side_px: int, rows: NDArray[np.int64]
) -> None:
    started = time.perf_counter()
    with store.new_folder(folder) as building:
        backbone = _ready(recipe, side_px, dataset, split, seed)
        store.need_space(building, len(rows) * backbone.size * 2)
        shape = (len(rows), backbone.size)
        out = np.lib.format.open_memmap(building / "features.npy", mode="w+", dtype=np.float16, shape=shape)
        store.reserve(building / "features.npy")
        _extract(backbone, dataset, rows, out, recipe)
        out.flush()
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in backbone.state_dict().items()}
        store.write_bytes(building / "backbone.safetensors", safetensors.torch.save(weights))
        seconds = round(time.perf_counter() - started, 3)
        store.write_json(building / "about.json", {"seconds": seconds, "images": len(rows), "side_px": side_px})
