"""What labels are worth: contenders on nested parts of the training images, and how many labels one needs to match another."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data import (
    Dataset,
    Split,
    SplitDataset,
    draw_labelled_subset,
    max_labels_per_class,
    with_train,
    without_validation,
)
from headstart.errors import InputError
from headstart.execution import Where, open_executor
from headstart.features import seconds_per_image
from headstart.formatting import enumeration
from headstart.models.recipes import Recipe
from headstart.studies._contenders import Contender, contenders, folder_name
from headstart.studies._grid import (
    Grid,
    Variant,
    common_facts,
    follow,
    plan_grid,
    relative,
    run_grid,
    scores,
    shrink,
    with_features,
)
from headstart.studies._label_matching import findings
from headstart.studies._study_folder import answer, part_that_judges, plain
from headstart.training import check, read_metrics

USUAL_PER_CLASS, FEW_PER_CLASS = (10, 30, 100, 300, 1000), (1, 3, 10)
_SHARE_FOR_FEATURES = 0.6  # of a time limit, at most; the rest is for runs


@dataclass(frozen=True)
class LabelStudy:
    """Which contenders to compare, with how many labels.

    Attributes:
        models: a model, `model:preset`, or a `recipe.json`.
        per_class: labels of each class; None for 10, 30, 100, 300 and 1,000, or 1, 3 and 10 where images are few.
        seeds: of each contender with each number of labels; each seed draws labelled images of its own.
        time_limit: seconds for everything.
        values: recipe keys for all models; a key that only some have goes to those.
    """

    models: tuple[str, ...]
    per_class: tuple[int, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: unknown or repeated models, fewer than two numbers of labels, no seeds, unknown keys or bad values.
        """
        if self.seeds < 1:
            raise InputError(
                f"--seeds is {self.seeds}, but each point needs one or more.",
                "Three show how much chance matters.",
            )
        counts = (1, 2) if self.per_class is None else self.per_class
        if len(set(counts)) < 2 or min(counts) < 1:
            shown = ",".join(map(str, counts)) or "empty"
            raise InputError(
                f"--per-class is {shown}, but a curve needs two or more numbers of labels from 1.",
                "Example: --per-class 10,100",
            )
        for one in contenders(self.models, self.values):
            if one.run is not None:
                raise InputError(
                    f"{one.run[0]} is a finished run, with the training images it had; this study draws others.",
                    f"Enter its recipe: {one.run[0] / 'recipe.json'}",
                )
            if one.recipe.patience is not None or one.recipe.target is not None:
                raise InputError(
                    f"{one.name} would stop by validation images, whose labels this study would not count.",
                    "Leave --patience and --target out; --epochs says how long runs are.",
                )

    def as_json(self) -> dict[str, Any]:
        """What defines the study."""
        return plain(
            {
                **vars(self),
                "values": {key: value for key, value in self.values.items() if value is not None},
            }
        )


def labels(
    asked: LabelStudy,
    data: SplitDataset,
    folder: Path,
    *,
    where: Where | None = None,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Train every contender with every number of labels over seeds, and write `finding.json`.

    With the same seed all contenders get the same labelled images, and fewer are a part of more; all are judged on the same test
    images. Validation images have no part, or a contender could choose by labels that are not counted; where there are no test
    images they judge.

    Args:
        asked: which contenders, and how many labels.
        data: labelled images are drawn from its training images.
        folder: of the study; a finished one answers at once, and finished runs are reused.
        where: the executor.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` when the time limit began to run.

    Raises:
        InputError: bad contenders or options, too few images, too short a time, another study in the folder.
        RunFailed: no run finished.
    """
    started = time.perf_counter() if started is None else started
    asked.check()
    part = part_that_judges(data.split)
    entries = contenders(asked.models, asked.values)
    counts, notes = _counts(asked, data)
    visible = data if part == "validation" else without_validation(data)
    fewest = with_train(visible, draw_labelled_subset(data, counts[0], 0))
    for one in entries:
        check(one.recipe, fewest)

    def work() -> dict[str, Any]:
        drawn = {
            count: {seed: draw_labelled_subset(data, count, seed) for seed in range(asked.seeds)}
            for count in counts
        }
        grid = Grid(_variants(entries, drawn), tuple(range(asked.seeds)))
        if follow(grid, folder) is None and asked.time_limit is not None:
            _fit_features(grid, entries, visible, asked.time_limit, started)
        _compute_features(grid, entries, visible)
        with open_executor(where or Where(), visible) as executor:
            grid = plan_grid(
                grid.variants,
                grid.seeds,
                asked.time_limit,
                visible,
                folder,
                executor.slots,
                started,
                grid.notes,
            )
            run_grid(grid, executor, folder, "labels")
        facts = common_facts(grid, part, asked.time_limit, time.perf_counter() - started)
        found = [_curve(one, grid, data.dataset, part, folder) for one in entries]
        kept = sorted({one.per_class for one in grid.variants})
        right = grid.correct(part)
        correct = {
            (one.of, one.per_class): right[one.name] for one in grid.variants if one.name in right
        }
        said = findings(entries, correct, kept, part)
        one_seed = [
            "One seed: the differences are about these trained models, not about the contenders."
        ]
        notes.extend(
            [
                *grid.notes,
                *(one_seed if asked.seeds == 1 else []),
                *_about_validation(data.split, part),
                *_failures(grid),
            ]
        )
        return {
            **facts,
            "classes": len(data.class_names),
            "contenders": found,
            **said,
            "notes": notes,
        }

    digests = [
        one.recipe.digest for one in entries
    ]  # a file of that name may hold another recipe by now
    return answer("labels", {**asked.as_json(), "recipes": digests}, data, folder, command, work)


def _counts(asked: LabelStudy, data: SplitDataset) -> tuple[list[int], list[str]]:
    """The numbers of labels that the data can give, ascending, and what is to be said about the others."""
    most = max_labels_per_class(data)
    wanted = sorted(
        set(asked.per_class or (USUAL_PER_CLASS if most >= USUAL_PER_CLASS[1] else FEW_PER_CLASS))
    )
    counts = [count for count in wanted if count <= most]
    if len(counts) < 2:
        raise InputError(
            f"the smallest class of {data.dataset.name} has {most:,} different training image{'s' * (most != 1)}, so no curve can be "
            f"drawn through {_numbers(wanted)} labels a class.",
            f"Give --per-class with two or more numbers up to {most:,}, or add images.",
        )
    gone = wanted[len(counts) :]
    said = (
        [
            f"Left out: {_numbers(gone)} labels a class; the smallest class has {most:,} different training images."
        ]
        if gone
        else []
    )
    return counts, said


def _numbers(counts: Sequence[int]) -> str:
    return enumeration([f"{count:,}" for count in counts])


def _variants(
    entries: Sequence[Contender], drawn: Mapping[int, Mapping[int, NDArray[np.int64]]]
) -> list[Variant]:
    """The fewest labels come first; the two smallest numbers stay, larger ones go first where time is short."""
    return [
        Variant(
            f"{folder_name(one.name)}-{count}",
            one.recipe,
            max(0, place - 1),
            train,
            one.name,
            count,
        )
        for place, (count, train) in enumerate(drawn.items())
        for one in entries
    ]


def _union(grid: Grid, data: SplitDataset) -> SplitDataset:
    """Return all images that any run of the grid will read, as one split."""
    return with_train(
        data,
        np.unique(
            np.concatenate([one.train[seed] for one in grid.variants for seed in grid.seeds])
        ),
    )


def _fit_features(
    grid: Grid,
    entries: Sequence[Contender],
    data: SplitDataset,
    time_limit: float,
    started: float,
) -> None:
    """Shrink the grid until the features of its images are ready in their share of the time."""
    frozen = {
        (one.recipe.model, one.recipe.net.model_dump_json()): one.recipe
        for one in entries
        if one.recipe.on_features
    }
    if not frozen:
        return
    an_image = sum(seconds_per_image(recipe, data) for recipe in frozen.values())

    def total() -> float:
        split = _union(grid, data).split
        return an_image * (len(split.train) + len(split.validation) + len(split.test))

    left = _SHARE_FOR_FEATURES * (time_limit - (time.perf_counter() - started))
    shrink(grid, total, left)
    if (needed := total()) > left:
        raise InputError(
            f"a time limit of {time_limit:g} s leaves {max(0.0, left):.0f} s for features that take about {needed:.0f} s.",
            f"Give --time-limit {needed / _SHARE_FOR_FEATURES + time_limit - left / _SHARE_FOR_FEATURES:.0f}s or more.",
        )


def _compute_features(grid: Grid, entries: Sequence[Contender], data: SplitDataset) -> None:
    """Features of all images at once, before the runs that share them; the recipes say at which size images are shown."""
    union = _union(grid, data)
    decided: dict[str, Recipe] = {}
    for one in entries:
        if one.recipe.net.is_pretrained or one.recipe.on_features:
            progress.say(f"{one.name}: features, once for all runs")
        decided[one.name] = with_features(one.recipe, union)
    for variant in grid.variants:
        variant.recipe = decided[variant.of]


def _curve(one: Contender, grid: Grid, dataset: Dataset, part: str, folder: Path) -> dict[str, Any]:
    """A contender's points, fewest labels first; the last one's runs stand for it."""
    points = []
    for variant in (variant for variant in grid.variants if variant.of == one.name):
        seconds = [read_metrics(run)["seconds"]["train"] for run in variant.runs.values()]
        points.append(
            {
                "per_class": variant.per_class,
                "labels": variant.per_class * len(dataset.class_names),
                **(scores(variant, part) or {"accuracy": None, "loss": None}),
                "epochs": variant.recipe.epochs,
                "seconds": float(np.median(seconds)) if seconds else None,
                "runs": relative(variant.runs, folder),
                "failed": [
                    f"seed {seed}: {text}" for seed, text in sorted(variant.failures.items())
                ],
            }
        )
    last = next((point for point in reversed(points) if point["accuracy"]), points[-1])
    spread = last["accuracy"] or {}
    score = {"accuracy": spread.get("mean"), "per_seed": spread.get("per_seed")}
    score["interval"] = [spread["low"], spread["high"]] if spread else None
    return {
        "name": one.name,
        "role": "contender",
        "model": one.recipe.model,
        "points": points,
        part: score,
        "runs": last["runs"],
    }


def _about_validation(split: Split, part: str) -> list[str]:
    count = len(split.validation)
    if part == "validation":
        return [
            f"There are no test images: the {count:,} validation images judged. No run stopped by them."
        ]
    if not count:
        return []
    return [
        f"The {count:,} validation images had no part: they are labels too, and who chooses by so many is not short of labels. "
        "No run saw them, so none was stopped or chosen by its score on them."
    ]


def _failures(grid: Grid) -> list[str]:
    return [
        f"{one.of} with {one.per_class:,} a class failed with {len(one.failures)} of {len(grid.seeds)} seeds: it is left out of "
        f"the tests{', and its point is of the others' if one.runs else ''}."
        for one in grid.variants
        if one.failures
    ]
