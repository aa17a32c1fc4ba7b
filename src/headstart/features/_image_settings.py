"""Choose the size and the shape to which photographs are brought.

By default, images of different sizes become squares of 128 pixels, with black bars. A pretrained
backbone is better on larger squares without bars (benchmarks/fit_images.md). What is lost by
cropping or squishing images depends on the data, so it is measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import best_device, prepare_process
from headstart.data import (
    DEFAULT_SIZE_PX,
    Resize,
    SplitDataset,
    UnreadableImage,
    content_key,
    map_in_threads,
    read_header,
    read_images,
    stratified_subset,
)
from headstart.errors import ResourceError
from headstart.features._extract import extract_features
from headstart.features._input_size import backbone_options
from headstart.features._linear_probe import Probe, cross_validated_probe
from headstart.models import installed_backbones, load_backbone
from headstart.models.recipes import make_recipe
from headstart.results import ImageSettings

# Raise this when decisions would be others. Old ones are then not reused.
_VERSION = "2"

LARGE_PX = 256
# Images whose shorter side has at least so many pixels gain from LARGE_PX.
_LEAST_PX_TO_ENLARGE = 192
_MOST_IMAGES, _LEAST_IMAGES, _LEAST_PER_CLASS, _FOLDS = 300, 40, 10, 5
# If fewer images than this share are further from a square, all methods give nearly the same.
_SQUARE, _LEAST_SHARE = 1.05, 0.05
_METHODS: tuple[Resize, ...] = ("pad", "squish", "crop")
# Decoding the files again may take this share of the time limit.
_DECODING_SHARE, _TIMED_FILES = 0.1, 16


def choose_image_settings(
    data: SplitDataset,
    files: Mapping[str, Path],
    seconds: float,
    image_size: int | None = None,
    resize: Resize | None = None,
) -> ImageSettings | None:
    """Choose the image size, and how images become square.

    At most 300 training and validation images are used, and no test images. The decision is kept
    in the cache.

    Args:
        data: The images, as they are without the settings.
        files: Their files by name.
        seconds: The time limit of everything.
        image_size: The size that the user set; None to choose it.
        resize: The method that the user set; None to choose it.

    Returns:
        The settings; None if decoding the files again would take too long.
    """
    rows = np.sort(np.concatenate([data.split.train, data.split.validation]))
    key = content_key(
        f"image settings {_VERSION} {image_size} {resize} {installed_backbones()[:1]}",
        data.dataset.fingerprint,
        data.groups_digest,
        rows.tobytes(),
    )
    path = store.cache_folder() / "image-settings" / f"{key}.json"
    cached = store.read_json_or(path, None)
    if isinstance(cached, dict) and "too_long_for" not in cached:
        return ImageSettings.model_validate(cached)
    if isinstance(cached, dict) and seconds <= cached["too_long_for"]:
        return None

    rows = stratified_subset(data.dataset.labels, rows, _MOST_IMAGES, np.random.default_rng(0))
    paths = [files[data.dataset.image_names[row]] for row in rows]
    decoded = len(data.dataset) + len(_METHODS) * len(rows)
    settings = None
    if decoded * _seconds_per_file(paths) <= _DECODING_SHARE * seconds:
        settings = _measure(data, rows, paths, image_size, resize)
    # The same command decides the same again, also on a machine that has become faster.
    content = {"too_long_for": seconds} if settings is None else settings.model_dump(mode="json")
    with suppress(ResourceError):  # A cache that cannot be written ends no training.
        store.write_json(path, content)
    return settings


def _seconds_per_file(paths: Sequence[Path]) -> float:
    """Return the seconds that all usable cores together take to decode one file."""
    timed = paths[:: max(1, len(paths) // _TIMED_FILES)][:_TIMED_FILES]
    started = time.perf_counter()
    read_images(timed, (LARGE_PX, LARGE_PX, 3), "crop")
    return (time.perf_counter() - started) / max(1, len(timed))


def _measure(
    data: SplitDataset,
    rows: NDArray[np.int64],
    paths: Sequence[Path],
    image_size: int | None,
    resize: Resize | None,
) -> ImageSettings:
    sizes = _image_sizes(paths)
    original_px = int(np.median(sizes.min(1))) if len(sizes) else 0
    ratios = sizes.max(1) / np.maximum(1, sizes.min(1))
    accuracy: dict[str, float] = {}
    if resize is None:
        resize = "pad"
        per_class = np.median(np.unique(data.dataset.labels[rows], return_counts=True)[1])
        has_enough = len(rows) >= _LEAST_IMAGES and per_class >= _LEAST_PER_CLASS
        if has_enough and (ratios > _SQUARE).mean() >= _LEAST_SHARE and installed_backbones():
            resize, accuracy = _choose_method(data, rows, paths)
    return ImageSettings(
        image_size=image_size
        or (LARGE_PX if original_px >= _LEAST_PX_TO_ENLARGE else DEFAULT_SIZE_PX),
        resize=resize,
        original_px=original_px,
        images=len(rows) if accuracy else 0,
        accuracy=accuracy,
    )


def _image_sizes(paths: Sequence[Path]) -> NDArray[np.int64]:
    """Return the height and width of each readable image file, int64 of shape (n, 2)."""

    def read(row: int) -> tuple[int, int] | None:
        try:
            header = read_header(paths[row])
        except UnreadableImage:
            return None  # It is in no split, or the file was changed meanwhile.
        return header.height, header.width

    pairs = map_in_threads(read, range(len(paths)), "reading image sizes")
    sizes = [pair for pair in pairs if pair is not None]
    return np.array(sizes, np.int64).reshape(-1, 2)


def _choose_method(
    data: SplitDataset, rows: NDArray[np.int64], paths: Sequence[Path]
) -> tuple[Resize, dict[str, float]]:
    """Return the method with the lowest loss of a cross-validated probe, and all accuracies.

    A method replaces padding only if its accuracy is higher by at least one standard error.
    """
    labels = np.unique(data.dataset.labels[rows], return_inverse=True)[1]
    groups = None if data.dataset.groups is None else data.dataset.groups[rows]
    recipe = make_recipe(installed_backbones()[0])
    prepare_process()
    backbone = load_backbone(recipe.model, backbone_options(recipe), DEFAULT_SIZE_PX, 0).fold()
    backbone = backbone.to(best_device())
    shape = (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX, data.image_shape[2])
    pixel_max = data.dataset.options.get("pixel_max")
    probes: dict[Resize, Probe] = {}
    with progress.waiting("choosing how photographs become square"):
        for method in _METHODS:
            read = read_images(paths, shape, method, pixel_max)  # type: ignore[arg-type]
            images = [image for image in read if not isinstance(image, UnreadableImage)]
            if len(images) < len(read):  # Files were changed meanwhile.
                return "pad", {}
            places = np.arange(len(images))
            batches = extract_features(backbone, np.stack(images), places, recipe.precision)
            features = np.concatenate(list(batches))
            probes[method] = cross_validated_probe(features, labels, _FOLDS, 0, groups)

    padded = probes["pad"].correct
    better = [m for m in _METHODS if m == "pad" or _is_better(probes[m].correct, padded)]
    chosen = min(better, key=lambda method: probes[method].loss)
    accuracy: dict[str, float] = {}
    for method, probe in probes.items():
        accuracy[method] = round(float(probe.correct.mean()), 4)
    return chosen, accuracy


def _is_better(correct: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Return whether an accuracy is higher by one standard error of the paired difference."""
    difference = correct.astype(float) - other
    error = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return float(difference.mean()) >= error > 0
