"""Train contenders on nested subsets of the training images, and compare their learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data import (
    SplitDataset,
    draw_labelled_subset,
    max_labels_per_class,
    with_train,
    without_validation,
)
from headstart.errors import InputError
from headstart.evaluation import describe_folds
from headstart.features import seconds_per_image
from headstart.formatting import counted, enumeration
from headstart.models import BackboneOptions
from headstart.models.recipes import Recipe
from headstart.results import (
    EvaluationPart,
    JsonObject,
    LabelContender,
    LabelCurves,
    LabelPoint,
    read_metrics,
)
from headstart.studies._contenders import NamedContender, folder_name, make_contenders
from headstart.studies._design import StudyDesign, check_seed_count, design_study
from headstart.studies._grid import Grid, Variant
from headstart.studies._grid_plan import follow_plan, plan_grid, shrink
from headstart.studies._grid_runs import run_grid
from headstart.studies._grid_scores import grid_fields, seed_scores, with_features
from headstart.studies._group_notes import group_notes
from headstart.studies._label_matching import Sampling, compare_label_curves, reference_of
from headstart.studies._study import (
    Study,
    StudyContext,
    given_values,
    to_json,
)
from headstart.studies._time_limit import WhenSlow, check_when_slow, given_when_slow
from headstart.training import check_recipe

USUAL_PER_CLASS = (10, 30, 100, 300, 1000)
FEW_PER_CLASS = (1, 3, 10)
_NamedPredictions = dict[str, NDArray[np.bool_]]

_FEATURE_SHARE = 0.6  # of a time limit, at most; the rest is for runs


@dataclass(frozen=True)
class LabelCurvesConfig(Study[LabelCurves]):
    """The configuration of a study of labels.

    Attributes:
        models: The contenders: models, `model:preset`, or paths of a `recipe.json`.
        per_class: Numbers of labels per class; None for 10, 30, 100, 300 and 1,000, or for 1, 3
            and 10 if there are few images.
        seeds: The number of runs per contender and number of labels. Each seed draws its own
            labelled images.
        time_limit: Seconds for everything; None without a limit.
        when_slow: What a machine that slows down costs; see `TimeLimit`.
        values: Recipe values for all contenders. A value that only some models have applies to
            those.
        folds: Number of folds of a cross-validation, which has one repeat per seed; None for one
            split.
    """

    models: tuple[str, ...]
    per_class: tuple[int, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    when_slow: WhenSlow = "shorten"
    folds: int | None = None

    finding_type = LabelCurves

    def check(self) -> None:
        """Check the contenders and the numbers of labels.

        Raises:
            InputError: A model or value is unknown or repeated, there are fewer than two numbers of
                labels, or no seeds.
        """
        check_when_slow(self.when_slow)
        check_seed_count(self.seeds, "each point")
        counts = (1, 2) if self.per_class is None else self.per_class
        if len(set(counts)) < 2 or min(counts) < 1:
            raise InputError(
                f"invalid --per-class {','.join(map(str, counts)) or '(empty)'}: a curve needs at "
                "least two numbers of labels from 1.",
                "Example: --per-class 10,100",
            )
        for contender in self._contenders():
            _check_contender(contender)

    def check_data(self, data: SplitDataset) -> None:
        """Check that the classes are large enough and that every recipe suits the data."""
        design = self._design(data)
        counts, _ = self._label_counts(design)
        smallest = with_train(
            _visible_data(design.data, design.part),
            draw_labelled_subset(design.data, counts[0], 0),
        )
        for contender in self._contenders():
            check_recipe(contender.recipe, smallest)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json(
            {
                "models": self.models,
                "per_class": self.per_class,
                "seeds": self.seeds,
                "time_limit": self.time_limit,
                "values": given_values(self.values),
                **given_when_slow(self.when_slow),
                **given_values({"folds": self.folds}),
            }
        )

    def identity(self) -> JsonObject:
        """Return the configuration and the recipes, because the files of recipes may change."""
        digests = [contender.recipe.digest for contender in self._contenders()]
        return to_json({**self.as_json(), "recipes": digests})

    def run(self, context: StudyContext) -> LabelCurves:
        """Train every contender with every number of labels over seeds, and compare the curves.

        With the same seed, all contenders get the same labelled images, and fewer labels are a
        subset of more. All are evaluated on the same test images. Validation images are not used:
        a contender could select on labels that are not counted. They evaluate if there are no test
        images. With folds, labelled images are drawn from all images outside the tested fold.

        Raises:
            InputError: The time limit is too short.
            RunFailed: No run finished.
        """
        design = self._design(context.data)
        data, part = design.data, design.part
        context = context.with_data(data)
        visible = _visible_data(data, part)
        contenders = self._contenders()
        counts, notes = self._label_counts(design)
        cells = _make_cells(contenders, counts, design)
        visible_context = context.with_data(visible)

        variants = [cell.variant for cell in cells.values()]
        grid = Grid(variants, design.runs, folds=design.folds)
        if follow_plan(grid, context.folder) is None and self.time_limit is not None:
            _fit_features_into_time(grid, contenders, visible_context, self.time_limit)
        _compute_features(grid, cells, contenders, visible)
        with visible_context.open_executor() as executor:
            grid = plan_grid(
                grid,
                visible_context,
                self.time_limit,
                executor.slots,
                when_slow=self.when_slow,
            )
            run_grid(grid, executor, context.folder, "labels")

        correct_by_name = grid.correct_predictions(part)
        correct: dict[tuple[str, int], NDArray[np.bool_]] = {}
        for name, predictions in correct_by_name.items():
            correct[cells[name].contender, cells[name].per_class] = predictions
        per_class = sorted({cells[variant.name].per_class for variant in grid.variants})
        sampling = Sampling(design.groups, grid.fold_of)
        names, reference = [entry.name for entry in contenders], reference_of(contenders)
        comparison = compare_label_curves(names, reference, correct, per_class, part, sampling)
        return LabelCurves(
            **grid_fields(grid, context, part, self.time_limit),
            classes=len(data.class_names),
            contenders=tuple(
                _curve(contender, grid, cells, context, part) for contender in contenders
            ),
            per_class=tuple(per_class),
            compared_with=comparison.reference,
            comparisons=comparison.comparisons,
            main=comparison.main,
            sentence=comparison.sentence,
            notes=(
                *group_notes(_named_curves(correct), part, design.groups),
                *notes,
                *self._notes(grid, cells, data, part),
            ),
        )

    def _design(self, data: SplitDataset) -> StudyDesign:
        return design_study(data, self.folds, range(self.seeds), has_validation=False)

    def _contenders(self) -> list[NamedContender]:
        return make_contenders(self.models, self.values)

    def _label_counts(self, design: StudyDesign) -> tuple[list[int], list[str]]:
        """Return the numbers of labels per class that the data allow, and notes about the others.

        Raises:
            InputError: The data allow fewer than two.
        """
        most = min(max_labels_per_class(data) for data in design.all_data)
        usual = USUAL_PER_CLASS if most >= USUAL_PER_CLASS[1] else FEW_PER_CLASS
        wanted = sorted(set(self.per_class or usual))
        counts = [count for count in wanted if count <= most]
        if len(counts) < 2:
            raise InputError(
                f"the smallest class of {design.data.dataset.name} has "
                f"{counted(most, 'distinct training image')}: a curve through "
                f"{_listed(wanted)} labels per class needs more.",
                f"Set --per-class to at least two numbers up to {most:,}, or add images.",
            )
        dropped = wanted[len(counts) :]
        if not dropped:
            return counts, []
        return counts, [
            f"Left out: {_listed(dropped)} labels per class. The smallest class has "
            f"{counted(most, 'distinct training image')}."
        ]

    def _notes(
        self, grid: Grid, cells: Mapping[str, _Cell], data: SplitDataset, part: EvaluationPart
    ) -> list[str]:
        notes = list(grid.notes)
        if grid.fold_of is not None:
            notes.append(describe_folds(grid.fold_of, are_training_images_drawn=True))
        elif grid.has_one_seed:
            notes.append(
                "One seed: differences are about these trained models, not about the contenders."
            )
        notes += _validation_notes(data, part)
        for variant in grid.variants:
            if variant.failures:
                notes.append(_failure_note(variant, cells[variant.name], grid))
        return notes


@dataclass(frozen=True)
class _Cell:
    """One contender with one number of labels per class."""

    contender: str
    per_class: int
    variant: Variant


def _make_cells(
    contenders: Sequence[NamedContender], counts: Sequence[int], design: StudyDesign
) -> dict[str, _Cell]:
    """Return a variant for each contender and number of labels, by its name.

    The fewest labels come first. The two smallest numbers are kept; if time is short, the larger
    ones are dropped first.
    """
    runs = {number: design.run(number) for number in design.runs}
    cells = {}
    for place, count in enumerate(counts):
        indices = {
            number: draw_labelled_subset(run.data, count, run.seed) for number, run in runs.items()
        }
        for contender in contenders:
            name = f"{folder_name(contender.name)}-{count}"
            variant = Variant(name, contender.recipe, max(0, place - 1), indices)
            cells[name] = _Cell(contender.name, count, variant)
    return cells


def _named_curves(correct: Mapping[tuple[str, int], NDArray[np.bool_]]) -> _NamedPredictions:
    """Return predictions by names such as "cnn with 100 labels per class"."""
    return {
        f"{name} with {counted(count, 'label')} per class": predictions
        for (name, count), predictions in correct.items()
    }


def _check_contender(contender: NamedContender) -> None:
    if contender.run is not None:
        folder = contender.run.folder
        raise InputError(
            f"{folder} is a finished run on its own training images: this study draws others.",
            f"Enter its recipe: {folder / 'recipe.json'}",
        )
    if contender.recipe.patience is not None or contender.recipe.target is not None:
        raise InputError(
            f"{contender.name} would stop early by validation images, whose labels this study does "
            "not count.",
            "Leave out --patience and --target, and set the length of runs with --epochs.",
        )


def _visible_data(data: SplitDataset, part: EvaluationPart) -> SplitDataset:
    """Return what the runs see: no validation images, unless these evaluate."""
    return data if part == "validation" else without_validation(data)


def _listed(counts: Sequence[int]) -> str:
    return enumeration([f"{count:,}" for count in counts])


def _all_images(grid: Grid, visible: SplitDataset) -> SplitDataset:
    """Return all images that any run of the grid sees, as one split."""
    if grid.folds is not None:
        return visible  # Every image is in the training or test part of every fold.
    indices = []
    for variant in grid.variants:
        indices += [variant.train_indices[seed] for seed in grid.seeds]
    return with_train(visible, np.unique(np.concatenate(indices)))


def _fit_features_into_time(
    grid: Grid, contenders: Sequence[NamedContender], context: StudyContext, time_limit: float
) -> None:
    """Shrink the grid until the features of its images fit into their part of the time limit.

    Raises:
        InputError: They do not fit into the time limit.
    """
    frozen = {
        (contender.recipe.model, contender.recipe.net.model_dump_json()): contender.recipe
        for contender in contenders
        if contender.recipe.on_features
    }
    if not frozen:
        return
    cost = sum(seconds_per_image(recipe, context.data) for recipe in frozen.values())

    def total() -> float:
        split = _all_images(grid, context.data).split
        return cost * (len(split.train) + len(split.validation) + len(split.test))

    available = _FEATURE_SHARE * (time_limit - context.seconds_spent())
    shrink(grid, total, available)
    if (seconds := total()) > available:
        needed = time_limit + (seconds - available) / _FEATURE_SHARE
        raise InputError(
            f"a time limit of {time_limit:g} s leaves {max(0.0, available):.0f} s for features "
            f"that take about {seconds:.0f} s.",
            f"Pass --time-limit {needed:.0f}s or more.",
        )


def _compute_features(
    grid: Grid,
    cells: Mapping[str, _Cell],
    contenders: Sequence[NamedContender],
    visible: SplitDataset,
) -> None:
    """Compute the features of all images together, and decide the image size of each recipe."""
    images = _all_images(grid, visible)
    recipes: dict[str, Recipe] = {}
    for contender in contenders:
        options = contender.recipe.net
        if isinstance(options, BackboneOptions) and (
            options.is_pretrained or contender.recipe.on_features
        ):
            progress.say(f"{contender.name}: computing features once for all runs")
        recipes[contender.name] = with_features(contender.recipe, images)
    for variant in grid.variants:
        variant.recipe = recipes[cells[variant.name].contender]


def _curve(
    contender: NamedContender,
    grid: Grid,
    cells: Mapping[str, _Cell],
    context: StudyContext,
    part: EvaluationPart,
) -> LabelContender:
    points = []
    for variant in grid.variants:
        cell = cells[variant.name]
        if cell.contender == contender.name:
            points.append(_point(variant, cell.per_class, grid, context, part))
    return LabelContender(name=contender.name, model=contender.recipe.model, points=tuple(points))


def _point(
    variant: Variant, per_class: int, grid: Grid, context: StudyContext, part: EvaluationPart
) -> LabelPoint:
    scores = seed_scores(variant, part, context.data.groups_of(part), grid)
    return LabelPoint(
        per_class=per_class,
        labels=per_class * len(context.data.class_names),
        accuracy=None if scores is None else scores.accuracy,
        loss=None if scores is None else scores.loss,
        epochs=variant.recipe.epochs,
        seconds=_median_seconds(list(variant.runs.values())),
        runs=variant.relative_runs(context.folder),
        failures=variant.failure_sentences(grid.folds),
    )


def _median_seconds(runs: Sequence[Path]) -> float | None:
    """Return the median seconds of training; None without runs."""
    if not runs:
        return None
    return float(np.median([read_metrics(run).seconds.train for run in runs]))


def _validation_notes(data: SplitDataset, part: EvaluationPart) -> list[str]:
    images = len(data.split.validation)
    if part == "validation":
        return [
            f"There are no test images: runs are evaluated on the {images:,} validation images, "
            "which stopped none of them."
        ]
    if not images:
        return []
    return [
        f"The {images:,} validation images are not used. They are labels too, and selecting on "
        "them would hide a shortage of labels. No run was stopped or selected by its score on them."
    ]


def _failure_note(variant: Variant, cell: _Cell, grid: Grid) -> str:
    what = "seed" if grid.folds is None else "run"
    note = (
        f"{cell.contender} with {counted(cell.per_class, 'label')} per class failed with "
        f"{len(variant.failures)} of {counted(len(grid.seeds), what)}. It is left out of the tests"
    )
    has_point = bool(variant.runs) and grid.folds is None
    return f"{note}, and its point is of the other seeds." if has_point else f"{note}."
