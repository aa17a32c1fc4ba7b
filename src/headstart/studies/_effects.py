"""Change one hyper-parameter of a recipe at a time, and test what each change does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.evaluation import (
    describe_folds,
    diagnose_fit,
)
from headstart.formatting import enumeration, points
from headstart.models.recipes import Recipe, make_iterative_recipe, with_depth
from headstart.results import (
    EffectResult,
    Effects,
    EvaluationPart,
    FitDiagnosis,
    JsonObject,
    UnchangedRecipe,
)
from headstart.studies._change_tests import FAILED, UNCHANGED, compare_changes
from headstart.studies._design import StudyDesign, check_seed_count, design_study
from headstart.studies._grid import Grid, Variant
from headstart.studies._grid_plan import plan_grid
from headstart.studies._grid_runs import run_grid
from headstart.studies._grid_scores import grid_fields, seed_scores, with_features
from headstart.studies._group_notes import group_notes
from headstart.studies._knobs import (
    AUGMENTATION,
    Change,
    changed_recipe,
    changes_of,
    knobs_of,
    value_of,
)
from headstart.studies._study import (
    Study,
    StudyContext,
    given_values,
    to_json,
)
from headstart.studies._time_limit import WhenSlow, check_when_slow, given_when_slow
from headstart.training import check_recipe, read_curves, resolve_recipe, training_correct

_TRAINING_IMAGES = 2000  # that the diagnosis classifies per recipe, over all seeds
_MAX_LISTED = 8  # labels in a sentence


@dataclass(frozen=True)
class EffectsConfig(Study[Effects]):
    """The configuration of a study of effects.

    Attributes:
        model: The model whose recipe is changed.
        hyperparameters: Names of the hyper-parameters to change; None for all usual ones.
        seeds: The number of runs per recipe.
        time_limit: Seconds for everything; None without a limit.
        when_slow: What a machine that slows down costs; see `TimeLimit`.
        values: Values of the recipe.
        preset: The preset of the recipe.
        folds: Number of folds of a cross-validation, which has one repeat per seed; None for one
            split.
    """

    model: str
    hyperparameters: tuple[str, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"
    when_slow: WhenSlow = "shorten"
    folds: int | None = None

    finding_type = Effects

    def check(self) -> None:
        """Check the recipe and the names of the hyper-parameters.

        Raises:
            InputError: A model, hyper-parameter or value is unknown, or there are no seeds.
        """
        self.recipe()
        knobs_of(self.model, self.hyperparameters)
        check_when_slow(self.when_slow)
        check_seed_count(self.seeds, "each recipe")

    def check_data(self, data: SplitDataset) -> None:
        """Check that the recipe suits the data and that something evaluates it."""
        data = design_study(data, self.folds, range(self.seeds)).data
        check_recipe(self._resolved_recipe(data), data)

    def recipe(self) -> Recipe:
        """Return the unchanged recipe. It always trains in steps."""
        return make_iterative_recipe(self.model, self.values, self.preset)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json(
            {
                "model": self.model,
                "of": knobs_of(self.model, self.hyperparameters),
                "seeds": self.seeds,
                "time_limit": self.time_limit,
                "values": given_values(self.values),
                "preset": self.preset,
                **given_when_slow(self.when_slow),
                **given_values({"folds": self.folds}),
            }
        )

    def run(self, context: StudyContext) -> Effects:
        """Train the unchanged recipe and every changed one over seeds, and test the differences.

        Raises:
            InputError: The time limit is too short.
            RunFailed: The unchanged recipe failed.
        """
        design = design_study(context.data, self.folds, range(self.seeds))
        data, part, folder = design.data, design.part, context.folder
        context = context.with_data(data)
        recipe = with_features(self._resolved_recipe(data), data)
        changes = self._changed_variants(recipe, data)
        variants = [Variant(UNCHANGED, recipe), *(change.variant for change in changes)]
        grid = Grid(variants, design.runs, folds=design.folds)
        with context.open_executor() as executor:
            grid = plan_grid(
                grid,
                context,
                self.time_limit,
                executor.slots,
                when_slow=self.when_slow,
            )
            run_grid(grid, executor, folder, "effects")

        baseline = grid.variants[0]
        if baseline.failures:
            reason = next(iter(baseline.failures.values()))
            raise RunFailed(f"the unchanged recipe failed: {reason}", "Try a lower --lr.")
        scores = seed_scores(baseline, part, design.groups, grid)
        assert scores is not None, "the unchanged recipe was evaluated"

        effects = _effect_results(grid, changes, design, folder)
        return Effects(
            **grid_fields(grid, context, part, self.time_limit),
            model=recipe.model,
            epochs=baseline.recipe.epochs,
            baseline=UnchangedRecipe(
                recipe=recipe.model_dump(mode="json"),
                accuracy=scores.accuracy,
                loss=scores.loss,
                runs=baseline.relative_runs(folder),
                fit=_diagnosis(baseline, data),
            ),
            effects=tuple(effects),
            sentence=_sentence(effects, recipe, part),
            notes=(
                *group_notes(grid.correct_predictions(part), part, design.groups),
                *_notes(grid, effects),
            ),
        )

    def _resolved_recipe(self, data: SplitDataset) -> Recipe:
        return resolve_recipe(self.recipe(), data)

    def _changed_variants(self, base: Recipe, data: SplitDataset) -> list[_ChangedVariant]:
        """Return a variant for each change.

        If time is short, the later changes of a hyper-parameter are dropped first. Changes that
        these images do not allow are left out.
        """
        variants = []
        with_open_values = with_depth(base, data.image_shape)
        for name in knobs_of(self.model, self.hyperparameters):
            baseline = value_of(with_open_values, name) if name != AUGMENTATION else "as it is"
            for rank, change in enumerate(changes_of(with_open_values, name)):
                recipe = changed_recipe(base, change.keys, dict(self.values), self.preset)
                kept = _unchanged_net_values(base, change)
                recipe = recipe.model_copy(update={"net": recipe.net.model_copy(update=kept)})
                try:
                    check_recipe(recipe, data)
                except InputError as error:
                    progress.say(f"{change.label} is left out: {error.message}")
                    continue
                variant = Variant(_file_name(change.label), recipe, rank)
                variants.append(_ChangedVariant(name, change, baseline, variant))
        return variants


@dataclass(frozen=True)
class _ChangedVariant:
    """A change of one hyper-parameter and the variant that it leads to."""

    hyperparameter: str
    change: Change
    baseline_value: Any
    variant: Variant


def _unchanged_net_values(base: Recipe, change: Change) -> dict[str, object]:
    """Return what was decided for the network, such as the image size, without what changes."""
    return {key: value for key, value in base.net.model_dump().items() if key not in change.keys}


def _file_name(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in label)


def _effect_results(
    grid: Grid, changes: Sequence[_ChangedVariant], design: StudyDesign, folder: Path
) -> list[EffectResult]:
    """Return the results of the changes that the grid still holds."""
    variants = {variant.name: variant for variant in grid.variants}
    correct = grid.correct_predictions(design.part)
    statistics = compare_changes(correct, design.groups, grid.fold_of)
    results = []
    for changed in changes:
        variant = variants.get(changed.variant.name)
        if variant is None:
            continue
        scores = seed_scores(variant, design.part, design.groups, grid)
        results.append(
            EffectResult(
                hyperparameter=changed.hyperparameter,
                value=changed.change.value,
                label=changed.change.label,
                baseline_value=changed.baseline_value,
                accuracy=None if scores is None else scores.accuracy,
                loss=None if scores is None else scores.loss,
                **statistics.get(variant.name, FAILED),
                runs=variant.relative_runs(folder),
                failures=variant.failure_sentences(grid.folds),
                fit=_diagnosis(variant, design.data) if variant.runs else None,
            )
        )
    return results


def _diagnosis(variant: Variant, data: SplitDataset) -> FitDiagnosis | None:
    """Return overfitting or underfitting, from the mean validation curves over seeds.

    The validation curves are read as far as the shortest one goes. The training accuracy is that of
    the trained models on training images, without dropout and augmentation. Returns None without
    validation images.
    """
    curves = [read_curves(run) for run in variant.runs.values()]
    epochs = min(len(curve["epoch"]) for curve in curves)
    columns = ("validation_accuracy", "validation_loss")
    means = [
        np.mean([curve[column][:epochs] for curve in curves], axis=0).tolist() for column in columns
    ]
    if np.isnan(means).any():
        return None

    images = _TRAINING_IMAGES // len(variant.runs)
    correct = [training_correct(run, data, seed, images) for seed, run in variant.runs.items()]
    train_accuracy = float(np.mean([run.mean() for run in correct]))
    diagnosis = diagnose_fit(
        [train_accuracy],
        *means,
        train_images=sum(map(len, correct)),
        validation_images=len(data.split.validation),
        is_clean=True,
    )
    return FitDiagnosis(
        summary=diagnosis.words,
        train_accuracy=diagnosis.train_accuracy,
        validation_accuracy=diagnosis.validation_accuracy,
        gap=diagnosis.gap,
    )


def _sentence(effects: Sequence[EffectResult], recipe: Recipe, part: EvaluationPart) -> str:
    """Return which changes help, which hurt, and which have no significant effect."""
    clauses = []
    for outcome, singular, plural in (("helps", "helps", "help"), ("hurts", "hurts", "hurt")):
        significant = [effect for effect in effects if effect.outcome == outcome]
        significant.sort(key=lambda effect: -abs(effect.difference or 0.0))
        if significant:
            labels = [
                f"{effect.label} ({100 * (effect.difference or 0.0):+.1f} points)"
                for effect in significant
            ]
            verb = singular if len(significant) == 1 else plural
            clauses.append(f"{', '.join(labels)} {verb}")

    undecided = [effect for effect in effects if effect.outcome == "undecided"]
    if undecided:
        clauses.append(_undecided_clause(undecided, is_rest=bool(clauses)))

    failed = [effect.label for effect in effects if effect.outcome == "failed"]
    if failed:
        clauses.append(f"{', '.join(failed)} failed")
    if not clauses:
        return f"The time limit left no time for a change of the {recipe.model} recipe."
    return f"Changes of the {recipe.model} recipe, on {part} images: {'; '.join(clauses)}."


def _correction_note(effects: Sequence[EffectResult]) -> list[str]:
    """Return why changes are undecided whose own interval does not contain zero."""
    apart = [
        effect.label
        for effect in effects
        if effect.outcome == "undecided"
        and effect.interval is not None
        and not effect.interval[0] <= 0 <= effect.interval[1]
    ]
    if not apart:
        return []
    verb = "is" if len(apart) == 1 else "are"
    return [
        f"{enumeration(apart)} {verb} undecided, although zero is not in the interval. An interval "
        f"is of one change alone, and the p-values are corrected for all {len(effects)} changes."
    ]


def _undecided_clause(undecided: Sequence[EffectResult], *, is_rest: bool) -> str:
    if len(undecided) <= _MAX_LISTED:
        labels = ", ".join(effect.label for effect in undecided)
    else:
        labels = f"the {'other ' if is_rest else ''}{len(undecided)} changes"
    largest = max(max(map(abs, effect.interval or (-1.0, 1.0))) for effect in undecided)
    return (
        f"no significant effect of {labels} "
        f"(95% intervals: at most {points(largest)} points in either direction)"
    )


def _notes(grid: Grid, effects: Sequence[EffectResult]) -> tuple[str, ...]:
    notes = [*grid.notes, *_correction_note(effects)]
    if grid.fold_of is not None:
        notes.append(describe_folds(grid.fold_of))
    if grid.has_one_seed:
        notes.append(
            "One seed: differences are about these trained models, not about the hyper-parameters."
        )
    return tuple(notes)
