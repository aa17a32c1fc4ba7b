"""Compare contenders on the same split and seeds, with the same time for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.data import SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.evaluation import BaselineResult, majority_class, nearest_neighbour
from headstart.features import prepare_features, warm_up
from headstart.models import is_backbone
from headstart.models.recipes import Recipe, make_recipe, with_net
from headstart.results import Comparison, EvaluationPart, JsonObject
from headstart.studies._comparison_entries import (
    CONTROL_SUFFIX,
    ComparisonEntry,
    compare_entries,
)
from headstart.studies._contenders import folder_name, make_contenders
from headstart.studies._study import Study, StudyContext, evaluation_part, to_json
from headstart.training import TrainingJob, check, train

# Part of the time limit that is kept for drawing the report. It took 2 to 4 s for two contenders on
# 2 cores.
REPORT_SECONDS = 8.0
MIN_SECONDS_PER_RUN = 1.0
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
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    time_limit: float | None
    values: Mapping[str, Any] = field(default_factory=dict)

    finding_type = Comparison

    def check(self) -> None:
        """Check the contenders and their recipes.

        Raises:
            InputError: A model or value is unknown or repeated, or there are no seeds.
        """
        self._entries()

    def check_data(self, data: SplitDataset) -> None:
        """Check that every recipe and every finished run suits the data.

        Raises:
            InputError: A recipe does not suit the data, or a run was trained on other data.
        """
        evaluation_part(data)
        for entry in self._entries():
            check(entry.recipe, data)
            for run in entry.runs.values():
                _check_same_images(run, data)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json(
            {
                "models": self.models,
                "seeds": self.seeds,
                "time_limit": self.time_limit,
                "values": dict(self.values),
            }
        )

    def identity(self) -> JsonObject:
        """Return the configuration and the recipes, because the files of recipes may change."""
        digests = [entry.recipe.digest for entry in self._entries()]
        return to_json({**self.as_json(), "recipes": digests})

    def run(self, context: StudyContext) -> Comparison:
        """Train all contenders and controls, and compare them.

        Raises:
            InputError: The time limit is too short.
            RunFailed: No contender finished.
        """
        entries = self._entries()
        part = evaluation_part(context.data)
        baselines = _baselines(context.data, part, self.time_limit)

        waiting = [entry for entry in entries if not entry.runs]
        if waiting:
            self._divide_time(waiting, context)
            _train_all(waiting, context)

        results = compare_entries(entries, baselines, part, context.folder)
        first = next((entry for entry in entries if entry.run_seconds is not None), entries[0])
        budget = context.budget(self.time_limit, first.seeds).model_copy(
            update={"seconds_per_contender": first.seconds}
        )
        return Comparison(
            **context.common_fields(part, results.test_reads, budget),
            contenders=results.contenders,
            failed=results.failed,
            baselines=results.baselines,
            verdict=results.verdict,
        )

    def _entries(self) -> list[ComparisonEntry]:
        """Return the contenders, followed by a control with one seed for each backbone."""
        if not self.seeds:
            raise InputError(
                "invalid --seeds 0: a comparison needs at least one seed.",
                "Use three to measure the variance over seeds.",
            )
        contenders = []
        for contender in make_contenders(self.models, self.values):
            entry = ComparisonEntry(contender.name, "contender", contender.recipe, self.seeds)
            if contender.run is not None:
                entry.seeds = (contender.run.seed,)
                entry.runs = {contender.run.seed: contender.run.folder}
            contenders.append(entry)

        # A contender that trains the backbone from random weights already is the control.
        controlled = {
            entry.recipe.model for entry in contenders if entry.recipe.net.is_scratch_control
        }
        controls = []
        for entry in contenders:
            control = None if entry.runs else _control_recipe(entry.recipe)
            if control is None or (not control.on_features and control.model in controlled):
                continue
            name = f"{entry.name}{CONTROL_SUFFIX}"
            controls.append(ComparisonEntry(name, "control", control, self.seeds[:1]))
        return contenders + controls

    def _divide_time(self, entries: list[ComparisonEntry], context: StudyContext) -> None:
        """Give all entries the same time, features included, and all seeds their share.

        The plan is kept in `budget.json`, so that a resumed study follows it.
        """
        backbones = {
            entry.recipe.model: entry.recipe for entry in entries if is_backbone(entry.recipe.model)
        }
        for recipe in backbones.values():
            warm_up(recipe)

        share = self._seconds_per_entry(len(entries), context)
        plan = store.read_json_or(context.folder / "budget.json", {"entries": {}})["entries"]
        # A control receives images of the same size as its backbone.
        input_sizes: dict[str, JsonObject] = {}
        for entry in entries:
            contender = entry.name.removesuffix(CONTROL_SUFFIX)
            if entry.name in plan:
                entry.prepare_seconds = plan[entry.name]["prepare"]
                entry.run_seconds = plan[entry.name]["run"]
                entry.recipe = with_net(entry.recipe, **plan[entry.name]["net"])
            else:
                _prepare(entry, context.data, input_sizes.get(contender, {}), share)
            input_sizes[contender] = entry.recipe.net.model_dump(include={"input_px"})
            plan[entry.name] = {
                "prepare": entry.prepare_seconds,
                "run": entry.run_seconds,
                "net": input_sizes[contender],
            }
        store.write_json(context.folder / "budget.json", {"entries": plan})

    def _seconds_per_entry(self, entries: int, context: StudyContext) -> float | None:
        """Return the time that each entry may spend, in seconds; None without a limit.

        Raises:
            InputError: The time limit is too short.
        """
        if self.time_limit is None:
            return None
        share = (self.time_limit - context.seconds_spent() - REPORT_SECONDS) / entries
        needed_share = MIN_SECONDS_PER_RUN * len(self.seeds)
        if share >= needed_share:
            return share
        needed = needed_share * entries + self.time_limit - share * entries
        raise InputError(
            f"a time limit of {self.time_limit:g} s leaves less than "
            f"{MIN_SECONDS_PER_RUN:g} s for each run.",
            f"Give --time-limit {math.ceil(needed)}s or more, or fewer --seeds.",
        )


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


def _check_same_images(run: Path, data: SplitDataset) -> None:
    """Check that a finished run was trained and evaluated on the images of this comparison."""
    recorded = store.read_json(run / "recipe.json")
    fingerprints = {"dataset": data.dataset.fingerprint, "split": data.split.fingerprint}
    for key, fingerprint in fingerprints.items():
        if recorded.get(key) != fingerprint:
            raise InputError(
                f"{run} was trained on a different {key} than this comparison uses.",
                "Give the data options that its data.json records, or enter its recipe: "
                f"{run / 'recipe.json'}",
            )


def _baselines(
    data: SplitDataset, part: EvaluationPart, time_limit: float | None
) -> list[BaselineResult]:
    limit = _MAX_MULTIPLY_ADDS
    if time_limit is not None:
        limit = min(limit, _BASELINE_SHARE * time_limit * _MULTIPLY_ADDS_PER_SECOND)
    dataset, train = data.dataset, data.split.train
    evaluated = data.split.test if part == "test" else data.split.validation
    return [
        majority_class(dataset.labels, train, evaluated, dataset.class_names),
        nearest_neighbour(dataset.images, dataset.labels, train, evaluated, limit=limit),
    ]


def _prepare(
    entry: ComparisonEntry, data: SplitDataset, input_size: JsonObject, share: float | None
) -> None:
    """Compute the features of an entry and divide the rest of its time among its seeds."""
    if is_backbone(entry.recipe.model):
        progress.say(f"{entry.name}: computing features once for all seeds")
        recipe = with_net(entry.recipe, **input_size)
        entry.recipe, entry.prepare_seconds = prepare_features(recipe, data, entry.seeds[0], share)
    if share is not None:
        left = (share - entry.prepare_seconds) / len(entry.seeds)
        entry.run_seconds = max(MIN_SECONDS_PER_RUN, left)


def _train_all(entries: list[ComparisonEntry], context: StudyContext) -> None:
    """Train seed by seed, so that a machine that slows down affects all contenders alike."""
    seeds: dict[int, None] = {}
    for entry in entries:
        seeds |= dict.fromkeys(entry.seeds)

    jobs = []
    for seed in seeds:
        jobs += [(seed, entry) for entry in entries if seed in entry.seeds]

    with progress.task("compare", len(jobs), "runs") as task:
        for seed, entry in jobs:
            folder = context.folder / "runs" / f"{folder_name(entry.name)}-seed{seed}"
            recipe = entry.recipe.model_copy(update={"time_limit": entry.run_seconds})
            try:
                with progress.muted():
                    train(TrainingJob(recipe, context.data, seed, folder))
                entry.runs[seed] = folder
            except RunFailed as error:
                entry.failures.append(f"seed {seed} failed: {error.message}")
                progress.say(f"{entry.name}, seed {seed}: {error}")
            task.advance()
