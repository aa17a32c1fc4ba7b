"""Choose the size and the shape to which photographs are brought.

By default, images of different sizes become squares of 128 pixels, with black bars. A pretrained
backbone is better on larger squares without bars (benchmarks/fit_images.md). What is lost by
cropping or distorting images depends on the data, so it is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import best_device, prepare_process
from headstart.data import (
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
from headstart.features._linear_probe import cross_validated_probe
from headstart.models import installed_backbones, load_backbone
from headstart.models.recipes import make_recipe
from headstart.results import ImageSettings

# Raise this when decisions would be others. Old ones are then not reused.
_VERSION = "1"

LARGE_PX, SMALL_PX = 256, 128
# Images whose smaller side has at least so many pixels gain from LARGE_PX.
_LEAST_PX_TO_ENLARGE = 192
_MOST_IMAGES, _LEAST_IMAGES, _FOLDS = 300, 40, 5
_PROBE_PX = 128
# If fewer images than this share are further from a square, all ways give nearly the same.
_SQUARE, _LEAST_SHARE = 1.05, 0.05
_WAYS: tuple[Resize, ...] = ("pad", "squish", "crop")  # the first wins a tie


def choose_image_settings(
    data: SplitDataset, files: Mapping[str, Path], resize: Resize | None = None
) -> ImageSettings:
    """Choose the image size, and how images become square.

    At most 300 training and validation images are used, and no test images. The decision is kept
    in the cache.

    Args:
        data: The images, at their default size.
        files: Their files by name.
        resize: How images become square; None to choose it.
    """
    key = content_key(
        f"image settings {_VERSION} {resize}",
        data.dataset.fingerprint,
        np.sort(np.concatenate([data.split.train, data.split.validation])).tobytes(),
    )
    path = store.cache_folder() / "image-settings" / f"{key}.json"
    known = store.read_json_or(path, None)
    if isinstance(known, dict):
        return ImageSettings.model_validate(known)

    settings = measure_image_settings(data, files, resize)
    with suppress(ResourceError):  # A cache that cannot be written ends no training.
        store.write_json(path, settings.model_dump(mode="json"))
    return settings


def measure_image_settings(
    data: SplitDataset, files: Mapping[str, Path], resize: Resize | None = None
) -> ImageSettings:
    """Measure what `choose_image_settings` decides, without its cache."""
    rows = np.concatenate([data.split.train, data.split.validation])
    rng = np.random.default_rng(0)
    rows = stratified_subset(data.dataset.labels, rows, _MOST_IMAGES, rng)
    paths = [files[data.dataset.image_names[row]] for row in rows]
    sides = _sides(paths)
    original_px = int(np.median(sides.min(1))) if len(sides) else 0
    ratios = sides.max(1) / np.maximum(1, sides.min(1))
    accuracy: dict[str, float] = {}
    if resize is None:
        resize = "pad"
        is_worth_it = len(rows) >= _LEAST_IMAGES and (ratios > _SQUARE).mean() >= _LEAST_SHARE
        if is_worth_it and installed_backbones():
            resize, accuracy = _best_way(data, rows, paths)
    return ImageSettings(
        image_size=LARGE_PX if original_px >= _LEAST_PX_TO_ENLARGE else SMALL_PX,
        resize=resize,
        original_px=original_px,
        images=len(rows) if accuracy else 0,
        accuracy=accuracy,
    )


def _sides(paths: Sequence[Path]) -> NDArray[np.int64]:
    """Return the height and width of each readable image file, int64 of shape (n, 2)."""

    def read(row: int) -> tuple[int, int] | None:
        try:
            header = read_header(paths[row])
        except UnreadableImage:
            return None  # The decoder filled its place, or left it out.
        return header.height, header.width

    pairs = map_in_threads(read, range(len(paths)), "reading image sizes")
    sides = [pair for pair in pairs if pair is not None]
    return np.array(sides, np.int64).reshape(-1, 2)


def _best_way(
    data: SplitDataset, rows: NDArray[np.int64], paths: Sequence[Path]
) -> tuple[Resize, dict[str, float]]:
    """Return the way with the lowest loss of a cross-validated probe, and all accuracies."""
    labels = np.unique(data.dataset.labels[rows], return_inverse=True)[1]
    groups = None if data.dataset.groups is None else data.dataset.groups[rows]
    recipe = make_recipe(installed_backbones()[0])
    prepare_process()
    backbone = load_backbone(recipe.model, backbone_options(recipe), _PROBE_PX, 0).fold()
    backbone = backbone.to(best_device())
    losses: dict[Resize, float] = {}
    accuracy: dict[str, float] = {}
    with progress.waiting("choosing how photographs become square"):
        for way in _WAYS:
            shape = (_PROBE_PX, _PROBE_PX, data.image_shape[2])
            pixel_max = data.dataset.options.get("pixel_max")
            read = read_images(paths, shape, way, pixel_max)  # type: ignore[arg-type]
            images = [image for image in read if not isinstance(image, UnreadableImage)]
            if len(images) < len(read):  # Files were changed meanwhile.
                return "pad", {}
            places = np.arange(len(images))
            batches = extract_features(backbone, np.stack(images), places, recipe.precision)
            probe = cross_validated_probe(np.concatenate(list(batches)), labels, _FOLDS, 0, groups)
            losses[way] = probe.loss
            accuracy[way] = round(float(probe.correct.mean()), 4)
    return min(losses, key=losses.__getitem__), accuracy
