"""The feature cache: features of a frozen backbone, computed once per image and kept on disk."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import as_floats, best_device, prepare_process, use_bfloat16
from headstart.data import SplitDataset, content_key, take, without_test
from headstart.errors import InputError, RunFailed
from headstart.features._extract import extract_features
from headstart.features._input_size import backbone_options, choose_input_size
from headstart.models import Backbone, load_backbone, weights_digest
from headstart.models.recipes import Recipe, with_net

# Version of the cache. Raise it when features would come out differently, or are stored otherwise.
_FORMAT = 7

# Images that calibrate the batch norm of random weights: two moments per channel, over thousands of
# pixels per image.
CALIBRATION_IMAGES = 256
_CALIBRATION_BATCHES = 4

_BYTES_PER_FEATURE = 2

# Called after each batch with the images done, all images to compute, and the seconds so far.
FeatureWatch = Callable[[int, int, float], None]
_BACKBONE_FILE = "backbone.safetensors"


@dataclass(frozen=True)
class Features:
    """Features of the images of a split.

    Attributes:
        rows: int64 dataset indices of shape (n,), ascending.
        places: int64 rows of `values`, shape (n,): `places[i]` belongs to image `rows[i]`.
        values: Float16 memory map of shape (any, features): all features of this backbone, also
            those of other datasets.
        seconds: Seconds of computing them, also when they came from the cache.
        reused_seconds: The part of `seconds` that earlier runs spent.
        backbone: The folded backbone that computed them.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float16]
    seconds: float
    reused_seconds: float
    backbone: Backbone

    def select(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Return the features of these dataset indices, float16 of shape (n, features)."""
        return take(self.values, self.places[np.searchsorted(self.rows, rows)])


def prepare_features(
    recipe: Recipe, data: SplitDataset, seed: int, watch: FeatureWatch | None = None
) -> tuple[Recipe, float]:
    """Compute a backbone's features ahead of its runs.

    Args:
        recipe: A recipe with a backbone.
        data: The images.
        seed: Seed of the random weights of the control; without effect on a pretrained backbone.
        watch: Called while features are computed. What it raises stops that; what is done remains.

    Returns:
        The recipe with its input size fixed, so that every run of it finds these features in the
        cache; and the seconds that this took, or that the features took when they were first
        computed. A contender pays for what it uses.
    """
    prepare_process()
    started = time.perf_counter()
    input_px = choose_input_size(recipe, data, None)
    decided = with_net(recipe, input_px=input_px)
    if not recipe.on_features and not backbone_options(recipe).pretrained:
        return decided, time.perf_counter() - started

    # Fine-tuning needs features only for the head that it starts from.
    visible = data if recipe.on_features else without_test(data)
    features = compute_features(recipe, visible, seed, input_px, watch)
    return decided, max(features.seconds, time.perf_counter() - started)


def compute_features(
    recipe: Recipe,
    data: SplitDataset,
    seed: int,
    input_px: int,
    watch: FeatureWatch | None = None,
) -> Features:
    """Compute the features of all images of the split that are not in the cache.

    The cache knows an image by its content. Another split, a subset, or another dataset with the
    same image finds its features. A pass that is interrupted, or killed, keeps what it had done.

    Args:
        recipe: A recipe with a backbone.
        data: The images.
        seed: Seed of the random weights of the control; without effect on a pretrained backbone.
        input_px: Image size that the backbone receives, in pixels.
        watch: Called while features are computed. What it raises stops that; what is done remains.

    Raises:
        ResourceError: No space in the cache, or the weights are missing.
    """
    split = data.split
    rows = np.sort(np.concatenate([split.train, split.validation, split.test]))
    keys = data.dataset.hashes[rows]
    folder = store.cache_folder() / "features" / _cache_key(recipe, data, seed, input_px)
    with store.claim(folder, wait=True):
        backbone = _load_cached_backbone(folder, recipe, data, seed, input_px)
        cache = store.RowStore(folder, backbone.num_features)
        missing, present = _find_missing(cache, keys)
        reused_seconds = cache.seconds(present)
        if len(missing):
            images, new = data.dataset.images, rows[missing]
            batches = extract_features(backbone, images, new, recipe.precision)
            with contextlib.closing(batches):
                _fill(cache, keys[missing], batches, recipe.model, watch)

    places = cache.find(keys)
    seconds = cache.seconds(np.unique(places))
    return Features(rows, places, cache.values(), seconds, reused_seconds, backbone)


def _cache_key(recipe: Recipe, data: SplitDataset, seed: int, input_px: int) -> str:
    """Return a digest of everything that features depend on: weights, size, precision, device."""
    options = backbone_options(recipe)
    settings = (
        f"{recipe.model}, {input_px} px, cut {options.cut}, pool {options.pool}, "
        f"bf16 {use_bfloat16(recipe.precision)}"
    )
    if best_device().type != "cpu":  # a GPU rounds in other places than the layers for CPUs
        settings += f", on {best_device().type}"
    origin = [weights_digest(recipe.model, options)]
    if not options.pretrained:  # statistics of batch norm come from images, and their order
        calibration = data.dataset.hashes[_calibration_rows(data, seed)]
        origin += [str(seed), calibration.tobytes().hex()]
    return content_key(f"features {_FORMAT}", settings, *origin)


def _load_cached_backbone(
    folder: Path, recipe: Recipe, data: SplitDataset, seed: int, input_px: int
) -> Backbone:
    """Return the backbone of the features in `folder`, folded.

    It is kept there, so that later runs do not need its origin.
    """
    path = folder / _BACKBONE_FILE
    if path.exists() and store.is_sealed(folder):
        try:
            weights = safetensors.torch.load(store.read_verified(path))
            options = backbone_options(recipe)
            backbone = load_backbone(recipe.model, options, input_px, 0, empty=True).fold()
            backbone.load_state_dict(weights)
            return backbone.to(best_device())
        except (OSError, RuntimeError, InputError, safetensors.SafetensorError) as error:
            reason = str(error).splitlines()[0]
            progress.warn(f"WARNING: {path} is damaged and is recreated: {reason}")

    backbone = _make_backbone(recipe, data, seed, input_px)
    weights = {}
    for name, tensor in backbone.state_dict().items():
        weights[name] = tensor.detach().cpu().contiguous()
    store.seal(folder, final=(_BACKBONE_FILE, safetensors.torch.save(weights)), used_by={})
    return backbone


def _make_backbone(recipe: Recipe, data: SplitDataset, seed: int, input_px: int) -> Backbone:
    """Load the backbone from its origin, calibrate random weights, and fold batch norms."""
    options, device = backbone_options(recipe), best_device()
    backbone = load_backbone(recipe.model, options, input_px, seed).to(device)
    if options.pretrained:
        return backbone.fold()

    is_rounded = use_bfloat16(recipe.precision)
    with torch.autocast(device.type, torch.bfloat16, enabled=is_rounded):
        batches = np.array_split(_calibration_rows(data, seed), _CALIBRATION_BATCHES)
        images = [as_floats(take(data.dataset.images, batch), device) for batch in batches]
        backbone.calibrate_batch_norm(images)
    return backbone.fold()


def _calibration_rows(data: SplitDataset, seed: int) -> NDArray[np.int64]:
    # Not sorted: batch norm averages the variances within batches, and a batch of one class would
    # hide what distinguishes classes.
    rows = data.split.train
    if data.split.cross_validated is not None:  # no labels are used: all folds share the features
        rows = data.split.cross_validated
    return np.random.default_rng(seed).permutation(rows)[:CALIBRATION_IMAGES]


def _find_missing(
    cache: store.RowStore, keys: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the images without intact features.

    Args:
        cache: The features that are there.
        keys: Content hashes of the images, uint8 of shape (n, 16).

    Returns:
        Positions of the missing images in `keys`, each content once; and the rows of the present
        ones in the cache. Both int64.
    """
    places = cache.find(keys)
    is_present = places >= 0
    is_present[is_present] = cache.are_intact(places[is_present])
    damaged = int(((places >= 0) & ~is_present).sum())
    if damaged:
        progress.warn(
            f"WARNING: {damaged:,} rows of the cache {cache.folder} are damaged; their features "
            "are computed again."
        )
    missing = np.flatnonzero(~is_present)
    _, first = np.unique(keys[missing], axis=0, return_index=True)
    return missing[np.sort(first)], np.unique(places[is_present])


def _fill(
    cache: store.RowStore,
    keys: NDArray[np.uint8],
    batches: Iterable[NDArray[np.float16]],
    model: str,
    watch: FeatureWatch | None,
) -> None:
    """Add features to the cache while they are computed.

    What is done when the process stops remains.

    Args:
        cache: The cache.
        keys: Content hashes of the images, uint8 of shape (n, 16).
        batches: Their features, batch by batch.
        model: Name of the backbone.
        watch: Called after each batch.
    """
    store.require_space(cache.folder, len(keys) * cache.size * _BYTES_PER_FEATURE)
    done, started = 0, time.perf_counter()
    try:
        for features in batches:
            if not np.isfinite(features).all():
                raise RunFailed(
                    f"features of {model} are not finite in 16 bits.",
                    "Try --precision float32, or cut at another layer.",
                )
            cache.add(keys[done : done + len(features)], features)
            done += len(features)
            if watch is not None:
                watch(done, len(keys), time.perf_counter() - started)
    finally:
        cache.commit()
