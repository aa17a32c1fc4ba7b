"""Features of a frozen backbone, computed once and cached on disk."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import as_floats, best_device, prepare_process, use_bfloat16
from headstart.data import Dataset, Split, SplitDataset, content_key, take, without_test
from headstart.errors import InputError, RunFailed
from headstart.models import (
    Backbone,
    BackboneOptions,
    load_backbone,
    native_input_size,
    weights_digest,
)
from headstart.models.recipes import Recipe, with_net

Precision = Literal["auto", "float32", "bfloat16"]
_FORMAT = 5  # of the cache; raise it when features would come out otherwise
SIDES_PX = (32, 48, 64, 80, 96, 128, 160, 192, 224)
CALIBRATION_IMAGES = (
    256  # random weights' batch norm: two moments a channel, over thousands of pixels an image
)
_SHARE_FOR_FEATURES = (
    0.7  # of a time limit: the head, its evaluation and a noisy machine need the rest
)
_BATCH_PIXELS = (
    1 << 20
)  # of one thread; 64 images at 128 pixels, where larger parts are slower, but of a backbone that splits
_HOPELESS = 0.5  # cost grows with the pixels, at least half as fast as they do: larger sides need not be timed


@dataclass(frozen=True)
class Features:
    """Features of the images of a split.

    Attributes:
        rows: int64 dataset indices, ascending; `places[i]` is where the features of image `rows[i]` are.
        places: int64 rows of `values`.
        values: `(any, size)` float16 memory map of all features of this backbone, of other datasets too.
        seconds: what computing them took, also when they came from the cache.
        reused_seconds: the part of it that earlier runs spent.
        backbone: folded; what computed them.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    values: NDArray[np.float16]
    seconds: float
    reused_seconds: float
    backbone: Backbone

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """Features of these dataset indices, `(n, size)`."""
        return take(self.values, self.places[np.searchsorted(self.rows, rows)])


def usual_side_px(recipe: Recipe, image_shape: tuple[int, int, int]) -> int:
    """The backbone's input side for images of this shape: 128 up to 64 pixels, 160 up to 160, else 224; or the only one it takes.

    Small images are enlarged because a backbone halves its input five times; more pixels help, at a cost that grows with them:
    128 instead of 96 gave 4 points on CIFAR-10 (docs/backbones.md). A backbone that learns sees each image many times, at 96.
    """
    own, is_only = native_input_size(recipe.model)
    largest = max(image_shape[:2])
    small = 128 if recipe.on_features else 96
    return own if is_only else small if largest <= 64 else 160 if largest <= 160 else 224


def possible_sides_px(recipe: Recipe) -> tuple[int, ...]:
    """The sides, ascending, at which this backbone can look at images."""
    own, is_only = native_input_size(recipe.model)
    if is_only:
        return (own,)
    backbone: Backbone | None = None
    found = []
    for side in SIDES_PX:
        with contextlib.suppress(
            InputError
        ):  # too few pixels for its layers, or too many for a head on a flattened map
            if backbone is None:
                backbone = load_backbone(recipe.model, _options(recipe), side, 0, empty=True)
            backbone.set_input_size(side)
            found.append(side)
    return tuple(found)


def shown_at(
    recipe: Recipe, backbone: Backbone, image_shape: tuple[int, int, int]
) -> dict[str, Any]:
    """How images are shown to a backbone, and why so: for the record of a run."""
    height, width, channels = image_shape
    own, is_only = native_input_size(recipe.model)
    px = backbone.input_px
    if is_only:
        why = f"it takes no other side than {own} pixels"
    elif px != usual_side_px(recipe, image_shape):
        why = "as input_px or the time that there was decided"
    elif px > max(height, width):
        why = "it was trained on larger images and halves them five times, so that small ones would shrink to nothing"
    else:
        why = "more pixels help, at a cost that grows with them"
    grey = ", grey in all three channels" if channels == 1 else ""
    return {
        "weights": weights_digest(recipe.model, _options(recipe)),
        "input_px": px,
        "features": backbone.num_features,
        "shown": f"images of {height}x{width} pixels are shown to {recipe.model} at {px}x{px}{grey}: {why}.",
    }


def _extract(
    backbone: Backbone,
    dataset: Dataset,
    rows: NDArray[np.int64],
    precision: Precision,
    title: str = "",
) -> Iterator[NDArray[np.float16]]:
    """The features of these rows, part by part, in their order.

    On a processor every thread takes parts of its own: threads that share a layer wait for each other at its end, which costs a
    fifth where nothing else runs, and most of the speed where another process holds one core for a moment.
    """
    device, threads = best_device(), torch.get_num_threads()
    size = _batch(backbone)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]

    def one(part: NDArray[np.int64]) -> NDArray[np.float16]:
        if device.type == "cpu":
            torch.set_num_threads(1)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16(precision)),
        ):
            found = backbone(
                torch.from_numpy(take(dataset.images, part)).to(device).permute(0, 3, 1, 2)
            )
            features: NDArray[np.float16] = found.half().cpu().numpy()
            return features

    # In the thread of the caller on a GPU, whose "current device" is each thread's own.
    found_in_order = _in_threads(one, parts, threads) if device.type == "cpu" else map(one, parts)
    with progress.task(title or f"features at {backbone.input_px} px", len(rows), "images") as task:
        try:
            for found in found_in_order:
                task.advance(len(found))
                yield found
        finally:
            torch.set_num_threads(threads)  # for threads that start later, too


def _batch(backbone: Backbone) -> int:
    """Images that a thread takes at once; twice as many where the backbone splits them itself (benchmarks/features.md)."""
    return max(8, (1 + backbone.splits_batches) * _BATCH_PIXELS // backbone.input_px**2)


def _in_threads(
    one: Callable[[NDArray[np.int64]], NDArray[np.float16]],
    parts: list[NDArray[np.int64]],
    threads: int,
) -> Iterator[NDArray[np.float16]]:
    """`one` of each part in their order; no more than two parts a thread are waiting."""
    workers = max(1, min(threads, len(parts)))
    waiting: deque[Future[NDArray[np.float16]]] = deque()
    left = iter(parts)
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting.extend(pool.submit(one, part) for part in itertools.islice(left, 2 * workers))
            while waiting:
                found = waiting.popleft().result()
                waiting.extend(pool.submit(one, part) for part in itertools.islice(left, 1))
                yield found
        finally:
            pool.shutdown(cancel_futures=True)


def _ready(recipe: Recipe, side_px: int, data: SplitDataset, seed: int) -> Backbone:
    options = _options(recipe)
    backbone = load_backbone(recipe.model, options, side_px, seed).to(best_device())
    if not options.pretrained:
        rows = _calibration_rows(data.split, seed)
        with torch.autocast(
            best_device().type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)
        ):
            backbone.calibrate_batch_norm(
                [
                    as_floats(take(data.dataset.images, part), best_device())
                    for part in np.array_split(rows, 4)
                ]
            )
    return backbone.fold()


def _calibration_rows(split: Split, seed: int) -> NDArray[np.int64]:
    # Not sorted: batch norm averages the variances within batches, and a batch of one class would hide what tells classes apart.
    return np.random.default_rng(seed).permutation(split.train)[:CALIBRATION_IMAGES]


def _options(recipe: Recipe) -> BackboneOptions:
    options = recipe.net
    assert isinstance(options, BackboneOptions)
    return options


def choose_side_px(recipe: Recipe, data: SplitDataset, seconds: float | None) -> int:
    """The input side: the recipe's, or the usual one; with a time limit, the largest whose features are ready in its better part.

    Each candidate is timed on a few hundred images before the first feature is computed.

    Raises:
        InputError: not even the smallest side fits into the time.
    """
    options = _options(recipe)
    if (
        seconds is None or options.input_px is not None or options.learns_end_to_end
    ):  # else learning, too, has to fit in
        return options.input_px or usual_side_px(recipe, data.image_shape)
    deadline = time.perf_counter() + _SHARE_FOR_FEATURES * seconds
    sides = possible_sides_px(recipe)
    backbone = (
        load_backbone(recipe.model, options, sides[0], 0, empty=True).to(best_device()).fold()
    )
    rows = np.concatenate([data.split.train, data.split.validation, data.split.test])
    cheapest = needed = len(rows) * _seconds_per_image(backbone, recipe, data.dataset, rows)
    for side in reversed(sides):
        left = deadline - time.perf_counter()
        if _HOPELESS * cheapest * (side / sides[0]) ** 2 > left:
            continue
        needed = len(rows) * _seconds_per_image(
            backbone.set_input_size(side), recipe, data.dataset, rows
        )
        if needed <= left:
            return side
    raise InputError(
        f"{recipe.model} has {seconds:.0f} s, but its features of {len(rows):,} images take about {needed:.0f} s even at "
        f"{sides[0]} pixels.",
        "Give a longer --time-limit, or fewer --train-images.",
    )


def seconds_per_image(recipe: Recipe, data: SplitDataset) -> float:
    """What one image's features cost here at the recipe's side, timed on a few hundred training images; nothing is kept."""
    prepare_process()
    side_px = _options(recipe).input_px or usual_side_px(recipe, data.image_shape)
    backbone = (
        load_backbone(recipe.model, _options(recipe), side_px, 0, empty=True)
        .to(best_device())
        .fold()
    )
    return _seconds_per_image(backbone, recipe, data.dataset, data.split.train)


def _seconds_per_image(
    backbone: Backbone, recipe: Recipe, dataset: Dataset, rows: NDArray[np.int64]
) -> float:
    parts = 2 * torch.get_num_threads()
    size = min(len(rows), parts * _batch(backbone))
    sample = np.sort(np.random.default_rng(0).permutation(rows)[:size])
    for _ in _extract(
        backbone, dataset, sample[: max(8, size // parts)], recipe.precision, "warming up"
    ):
        pass
    started = time.perf_counter()
    for _ in _extract(backbone, dataset, sample, recipe.precision, "timing the backbone"):
        pass
    return (time.perf_counter() - started) / len(sample)


def warm_up(recipe: Recipe) -> None:
    """Load and run the backbone once, so that what first use costs is on no contender's account."""
    prepare_process()
    options = _options(recipe)
    with (
        torch.inference_mode(),
        torch.autocast(best_device().type, torch.bfloat16, enabled=use_bfloat16(recipe.precision)),
    ):
        side_px = options.input_px or usual_side_px(recipe, (8, 8, 1))
        load_backbone(recipe.model, options, side_px, 0).to(best_device())(
            torch.zeros(2, 1, 8, 8, device=best_device())
        )


def prepare_features(
    recipe: Recipe, data: SplitDataset, seed: int, seconds: float | None
) -> tuple[Recipe, float]:
    """Compute a backbone's features ahead of its runs, within `seconds`.

    Returns:
        The recipe with its input side fixed, so that every run of it finds these features in the cache; and the seconds that
        all this took, or that the features took when they were first computed: a contender pays for what it uses.
    """
    prepare_process()
    started = time.perf_counter()
    side_px = choose_side_px(recipe, data, seconds)
    if not recipe.on_features and not _options(recipe).pretrained:
        return with_net(recipe, input_px=side_px), time.perf_counter() - started
    # Fine-tuning needs features only for the head that it starts from.
    visible = data if recipe.on_features else without_test(data)
    features = compute_features(recipe, visible, seed, side_px)
    return with_net(recipe, input_px=side_px), max(features.seconds, time.perf_counter() - started)


def compute_features(recipe: Recipe, data: SplitDataset, seed: int, side_px: int) -> Features:
    """Features of all images of the split; those that are in the cache are not computed again.

    The cache knows an image by its content, so another split of it, a subset, or another dataset with the same image finds its
    features. A pass that is interrupted, or killed, leaves what it had done.

    Args:
        seed: of the random weights of the control; without effect on a pretrained backbone.

    Raises:
        ResourceError: no space in the cache, or the weights are missing.
    """
    rows = np.sort(np.concatenate([data.split.train, data.split.validation, data.split.test]))
    folder = store.cache_folder() / "features" / _key(recipe, data, seed, side_px)
    keys = data.dataset.hashes[rows]
    with store.claim(folder, wait=True):
        backbone = _kept_backbone(folder, recipe, data, seed, side_px)
        known = store.RowStore(folder, backbone.num_features)
        missing, there = _missing(known, keys)
        reused = known.seconds(there)
        if len(missing):
            _fill(known, keys[missing], rows[missing], backbone, data.dataset, recipe)
    places = known.find(keys)
    return Features(
        rows, places, known.values(), known.seconds(np.unique(places)), reused, backbone
    )


def _key(recipe: Recipe, data: SplitDataset, seed: int, side_px: int) -> str:
    """Of what decides the features of an image: weights, and how the image is shown to them."""
    options = _options(recipe)
    settings = f"{recipe.model}, {side_px} px, cut {options.cut}, pool {options.pool}, bf16 {use_bfloat16(recipe.precision)}"
    origin = [weights_digest(recipe.model, options)]
    if not options.pretrained:  # batch norm's statistics come from images, and their order
        origin += [
            str(seed),
            data.dataset.hashes[_calibration_rows(data.split, seed)].tobytes().hex(),
        ]
    return content_key(f"features {_FORMAT}", settings, *origin)


def _kept_backbone(
    folder: Path, recipe: Recipe, data: SplitDataset, seed: int, side_px: int
) -> Backbone:
    """The backbone that computes the features in `folder`, folded; kept there, so that a run needs its origin no more."""
    path = folder / "backbone.safetensors"
    if path.exists():
        try:
            backbone = load_backbone(recipe.model, _options(recipe), side_px, 0, empty=True).fold()
            backbone.load_state_dict(safetensors.torch.load(path.read_bytes()))
            return backbone.to(best_device())
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            progress.say(f"{path} is damaged ({str(error).splitlines()[0]}); making it again")
    backbone = _ready(recipe, side_px, data, seed)
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in backbone.state_dict().items()
    }
    store.write_bytes(path, safetensors.torch.save(weights))
    return backbone


def _missing(
    known: store.RowStore, keys: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of these images have no whole features yet, each content once; and where those of the others are."""
    places = known.find(keys)
    is_there = places >= 0
    is_there[is_there] = known.are_intact(places[is_there])
    lacking = np.flatnonzero(~is_there)
    _, first = np.unique(keys[lacking], axis=0, return_index=True)
    return lacking[np.sort(first)], np.unique(places[is_there])


def _fill(
    known: store.RowStore,
    keys: NDArray[np.uint8],
    rows: NDArray[np.int64],
    backbone: Backbone,
    dataset: Dataset,
    recipe: Recipe,
) -> None:
    """Compute and keep the features of `rows`; what is done when the process stops stays."""
    store.require_space(known.folder, len(rows) * backbone.num_features * 2)
    done = 0
    try:
        for found in _extract(backbone, dataset, rows, recipe.precision):
            if not np.isfinite(found).all():
                raise RunFailed(
                    f"features of {recipe.model} are not finite in 16 bits.",
                    "Try --precision float32, or cut at another layer.",
                )
            known.add(keys[done : done + len(found)], found)
            done += len(found)
    finally:
        known.commit()
