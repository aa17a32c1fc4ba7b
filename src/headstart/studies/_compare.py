"""Compare contenders on the same split and seeds, with the same time per run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.evaluation import (
    DEFAULT_MARGIN,
    BaselineResult,
    check_margin,
    majority_class,
    nearest_neighbour,
)
from headstart.models.recipes import Recipe, make_recipe, with_net
from headstart.results import Comparison, EvaluationPart, JsonObject
from headstart.studies._comparison_entries import (
    CONTROL_SUFFIX,
    WITHOUT_PLAN_SUFFIX,
    ComparisonEntry,
)
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._comparison_results import EntryResults, compare_entries
from headstart.studies._comparison_schedule import ComparisonSchedule
from headstart.studies._comparison_verdict import VerdictRules
from headstart.studies._contenders import make_contenders
from headstart.studies._design import StudyDesign, check_seed_count, design_study
from headstart.studies._finished_runs import check_same_test_images, note_of_other_training
from headstart.studies._folds import keep_representative_weights, require_no_folds
from headstart.studies._looks import StudyLooks, extends
from headstart.studies._robustness import examine_verdict
from headstart.studies._study import Study, StudyContext, to_json
from headstart.studies._time_limit import (
    TimeLimit,
    WhenSlow,
    check_when_slow,
    given_when_slow,
)
from headstart.studies._too_short import no_verdict, verdict_without_left_out
from headstart.studies._training_rounds import TrainingRounds
from headstart.training import check_recipe

_BASELINE_SHARE = 0.04  # of the time limit, for the nearest neighbour
_MULTIPLY_ADDS_PER_SECOND = 5e10  # of the nearest neighbour on 2 cores
_MAX_MULTIPLY_ADDS = 1.2e12


@dataclass(frozen=True)
class ComparisonConfig(Study[Comparison]):
    """The configuration of a comparison.

    Attributes:
        models: The contenders: models, `model:preset`, paths of a `recipe.json`, or folders of
            finished runs. A finished run is not trained again.
        seeds: The seeds of each contender.
        time_limit: Seconds for everything, the report included; None for the epochs of the recipes.
        values: Recipe values for all contenders. A value that only some models have applies to
            those.
        when_slow: What a machine that slows down costs; see `TimeLimit`.
        without_plan: The same data without their plan, if the contenders are trained on both. See
            `headstart.data.with_and_without_plan`.
        margin: The largest difference that counts as equivalent, a fraction.
        folds: Number of folds of a cross-validation, which has one repeat per seed; None for one
            split.
        until_decided: Whether seeds are added one by one until the comparison is decided. `seeds`
            are then the most that are trained.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    time_limit: float | None
    values: Mapping[str, Any] = field(default_factory=dict)
    without_plan: SplitDataset | None = None
    when_slow: WhenSlow = "shorten"
    margin: float = DEFAULT_MARGIN
    folds: int | None = None
    until_decided: bool = False

    finding_type = Comparison

    @property
    def can_cross_validate(self) -> bool:
        """False for finished runs, which have their split, and for a plan, which has two.

        Also False if seeds are added until the comparison is decided: the sequential test is about
        one split.
        """
        if self.without_plan is not None or self.until_decided:
            return False
        return not any(entry.runs for entry in self._entries())

    def check(self) -> None:
        """Check the contenders and their recipes.

        Raises:
            InputError: A model or value is unknown or repeated, there are no seeds, the margin is
                not between 0 and 1, or folds cannot be combined with a plan or `until_decided`.
        """
        check_when_slow(self.when_slow)
        check_margin(self.margin)
        if self.until_decided and self.folds is not None:
            raise InputError(
                "--seeds auto cannot be combined with --folds: its test is about one split.",
                "Pass a number of seeds, or --folds none.",
            )
        self._entries()
        if self.folds is not None and self.without_plan is not None:
            raise InputError(
                f"--folds {self.folds} cannot be combined with --plan: the two versions of the "
                "data have different images.",
                "Leave one of them out.",
            )

    def check_data(self, data: SplitDataset) -> None:
        """Check that every recipe and every finished run suits the data.

        Raises:
            InputError: A recipe does not suit the data, or a run was evaluated on other images.
        """
        data = design_study(data, self.folds, self.seeds).data
        for entry in self._entries():
            check_recipe(entry.recipe, data)
            for run in entry.runs.values():
                check_same_test_images(run, data)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        content: dict[str, object] = {
            "models": self.models,
            "seeds": self.seeds,
            "time_limit": self.time_limit,
            "values": dict(self.values),
        }
        content |= given_when_slow(self.when_slow)
        if self.without_plan is not None:
            content["without_plan"] = self.without_plan.split.fingerprint
        if self.margin != DEFAULT_MARGIN:
            # Only then, so that the folders of earlier comparisons keep their names.
            content["equivalence_margin"] = self.margin
        if self.folds is not None:
            content["folds"] = self.folds
        if self.until_decided:
            content["until_decided"] = True
        return to_json(content)

    def identity(self) -> JsonObject:
        """Return the configuration and the recipes, because the files of recipes may change."""
        digests = [entry.recipe.digest for entry in self._entries()]
        content = {**self.as_json(), "equivalence_margin": self.margin, "recipes": digests}
        return to_json(content)

    def extends(self, recorded: JsonObject, identity: JsonObject, folder: Path) -> bool:
        """Return whether this study adds seeds to the finished one in the folder."""
        return extends(recorded, identity, folder)

    def run(self, context: StudyContext) -> Comparison:
        """Train all contenders and controls, and compare them.

        Raises:
            InputError: The time limit is too short.
            RunFailed: No contender finished.
        """
        entries = self._entries()
        design = design_study(context.data, self.folds, self.seeds)
        context = context.with_data(design.data)
        for entry in entries:
            entry.seeds = design.run_numbers(entry.seeds)
        baselines = _baselines(design, self.time_limit)

        waiting = [entry for entry in entries if not entry.runs]
        limit = TimeLimit(self.time_limit, self.when_slow)
        finished = len(entries) - len(waiting)
        plan = ComparisonPlan(waiting, len(design.runs), design.runs_per_seed, finished)
        schedule = ComparisonSchedule(plan, limit, context, design.folds)
        looks = StudyLooks(context.folder, self.until_decided, self.margin)
        notes = _notes_of_other_training(entries, context.data)
        if waiting:
            schedule.make_plan()
            notes += _train(schedule, design.runs, looks, design.part)

        results = self._compare(entries, baselines, design, looks, schedule)
        verdict, robustness, slices = results.verdict, None, None
        if plan.left_out:
            assert plan.needed_seconds is not None, "it is known what was left out"
            change = verdict_without_left_out if plan.can_decide else no_verdict
            needed = plan.needed_seconds
            verdict = change(verdict, plan.left_out, schedule.answer, needed)
            notes += design.notes_of_short_runs()
        if plan.can_decide:
            robustness, slices = examine_verdict(
                entries, results, design.part, self.margin, context
            )
        if design.folds is not None:
            keep_representative_weights(results.contenders, context.folder)
        return Comparison(
            **self._common_fields(context, design, results, waiting or entries[:1]),
            contenders=results.contenders,
            failed=results.failed,
            baselines=results.baselines,
            verdict=verdict.model_copy(update={"notes": (*verdict.notes, *notes)}),
            robustness=robustness,
            slices=slices,
        )

    def _compare(
        self,
        entries: Sequence[ComparisonEntry],
        baselines: Sequence[BaselineResult],
        design: StudyDesign,
        looks: StudyLooks,
        schedule: ComparisonSchedule,
    ) -> EntryResults:
        """Compare the finished runs. With one split, this is a look, which is recorded."""
        part, folder = design.part, schedule.context.folder
        if design.folds is not None:
            rules = VerdictRules(self.margin)
            return compare_entries(entries, baselines, part, folder, None, rules, design.folds)

        count = max(len(entry.runs) for entry in entries)
        rules = VerdictRules(self.margin, looks.at(count, schedule.plan.planned_seeds))
        results = compare_entries(entries, baselines, part, folder, design.groups, rules)
        looks.record(count, results.verdict.outcome)
        return results

    def _common_fields(
        self,
        context: StudyContext,
        design: StudyDesign,
        results: EntryResults,
        trained: Sequence[ComparisonEntry],
    ) -> dict[str, object]:
        """Return the fields that the findings of all studies share.

        Args:
            context: The study.
            design: The split or the folds.
            results: The results of all entries.
            trained: The entries whose seeds count in the budget.
        """
        ended = set[int]()
        for entry in trained:
            ended.update(entry.ended_seeds)
        budget = context.budget(self.time_limit, tuple(sorted(ended)))
        fields = context.common_fields(design.part, results.test_reads, budget)
        if design.folds is None:
            return fields
        repeats = max((contender.seeds for contender in results.contenders), key=len)
        return fields | design.folds.finding_fields(fields, budget, repeats)

    def contender_names(self) -> list[str]:
        """Return the names of the contenders, without controls and those without the plan."""
        return [contender.name for contender in make_contenders(self.models, self.values)]

    def _entries(self) -> list[ComparisonEntry]:
        """Return the contenders, followed by a control with one seed for each backbone."""
        check_seed_count(len(self.seeds), "a comparison")
        contenders = []
        for contender in make_contenders(self.models, self.values):
            entry = ComparisonEntry(contender.name, "contender", contender.recipe, self.seeds)
            if contender.run is not None:
                require_no_folds(self.folds, contender.run.folder)
                entry.seeds = (contender.run.seed,)
                entry.runs = {contender.run.seed: contender.run.folder}
            contenders.append(entry)
            if self.without_plan is not None and contender.run is None:
                name = f"{contender.name}{WITHOUT_PLAN_SUFFIX}"
                contenders.append(
                    ComparisonEntry(
                        name, "contender", contender.recipe, self.seeds, self.without_plan
                    )
                )

        # A contender that trains the backbone from random weights already is the control.
        controlled = {
            entry.recipe.model for entry in contenders if entry.recipe.net.is_scratch_control
        }
        controls = []
        for entry in contenders:
            is_variant = bool(entry.runs) or entry.data is not None
            control = None if is_variant else _control_recipe(entry.recipe)
            if control is None or (not control.on_features and control.model in controlled):
                continue
            name = f"{entry.name}{CONTROL_SUFFIX}"
            controls.append(ComparisonEntry(name, "control", control, self.seeds[:1]))
        return contenders + controls


def _train(
    schedule: ComparisonSchedule, seeds: Sequence[int], looks: StudyLooks, part: EvaluationPart
) -> list[str]:
    """Train seed by seed while the time allows and seeds are needed, and then the controls.

    Args:
        schedule: The schedule.
        seeds: The seeds of the contenders, or the numbers of their runs with folds.
        looks: The looks at the results.
        part: The part of the split that evaluates.

    Returns:
        Sentences about what the time limit cost.
    """
    plan = schedule.plan
    runs = plan.planned_seeds * len(plan.contenders)
    runs += plan.runs_per_seed * len(plan.controls)
    with progress.task("compare", runs, "runs") as task:
        rounds = TrainingRounds(schedule, task.advance)
        for seed in seeds:
            if not rounds.train_seed(seed):
                break
            data, most = schedule.context.data, plan.planned_seeds
            if looks.is_decided(plan.contenders, most, data, part):
                break
        rounds.train_controls()
    return rounds.notes()


def _notes_of_other_training(entries: Sequence[ComparisonEntry], data: SplitDataset) -> list[str]:
    """Return a sentence for each finished run that was trained on other images."""
    sentences: list[str] = []
    for entry in entries:
        sentences += [note_of_other_training(entry.name, run, data) for run in entry.runs.values()]
    return [sentence for sentence in sentences if sentence]


def _control_recipe(recipe: Recipe) -> Recipe | None:
    """Return the recipe of the same backbone with random weights, used in the same way.

    Returns None for a recipe without pretrained weights.
    """
    options = recipe.net
    if not options.is_pretrained:
        return None
    if not options.learns_end_to_end:
        return with_net(recipe, pretrained=False, weights=None)
    kept = options.model_dump(include={"cut", "pool", "head", "input_px"})
    values = {**kept, "epochs": recipe.epochs, "effort": recipe.effort}
    return make_recipe(recipe.model, values, "scratch")


def _baselines(design: StudyDesign, time_limit: float | None) -> list[BaselineResult]:
    limit = _MAX_MULTIPLY_ADDS
    if time_limit is not None:
        limit = min(limit, _BASELINE_SHARE * time_limit * _MULTIPLY_ADDS_PER_SECOND)
    if design.folds is not None:
        return design.folds.baselines(limit)
    dataset, split = design.data.dataset, design.data.split
    evaluated = split.indices(design.part)
    return [
        majority_class(dataset.labels, split.train, evaluated, dataset.class_names),
        nearest_neighbour(dataset.images, dataset.labels, split.train, evaluated, limit=limit),
    ]
