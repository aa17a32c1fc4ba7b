"""Successive halving: every recipe gets a short run, and the best ones get longer runs.

References:
    Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
    optimization.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import progress
from headstart.data import SplitDataset, without_test
from headstart.errors import InputError, RunFailed
from headstart.evaluation import selection_metric
from headstart.execution import Executor, Job, Outcome, run_all
from headstart.features import prepare_features
from headstart.formatting import percent
from headstart.models.recipes import (
    WITHOUT_MOMENTUM,
    Recipe,
    make_iterative_recipe,
    with_depth,
    with_net,
)
from headstart.studies._grid import Grid, Variant, grid_job
from headstart.studies.tune._budget import within_budget
from headstart.studies.tune._config import TuningConfig
from headstart.studies.tune._nested_part import NestedPart
from headstart.studies.tune._search_plan import (
    SearchPlan,
    divide_again,
    has_converged,
    plan_search,
    report_plan,
)
from headstart.studies.tune._space import SearchSpace, Values
from headstart.studies.tune._storage import Trial, TrialFacts, Trials, TrialStorage
from headstart.studies.tune._time_plan import side_by_side
from headstart.training import keep_only_results, read_probabilities, resolve_recipe

_MEASURED = "measured plan"
_MAX_TRIALS = 10_000
_MAX_EQUAL_FAILURES = 3
_MAX_TOO_LARGE = 50  # recipes in a row that the budget is too small for


@dataclass(frozen=True)
class _PendingTrial:
    """A trial of one rung, with the recipe's number and values in the first rung."""

    trial: Trial
    number: int
    values: Values


def default_recipe(config: TuningConfig, data: SplitDataset) -> Recipe:
    """Return the resolved default recipe."""
    recipe = make_iterative_recipe(config.model, config.values, config.preset)
    return resolve_recipe(recipe, data)


def prepared_defaults(config: TuningConfig, data: SplitDataset) -> Recipe:
    """Return the default recipe with everything decided. Features of a backbone are computed."""
    defaults = default_recipe(config, data)
    if defaults.net.is_backbone:
        defaults, _ = prepare_features(defaults, data, config.seed)
    return with_depth(defaults, data.dataset.image_shape)


class Search:
    """The trials of a search, rung by rung.

    The runs of a rung have a complete schedule of their own length, so that they can be compared.

    Args:
        config: What to tune.
        data: The images. Runs of the search never see the test images.
        folder: The study folder.
        storage: The storage of the trials.
        executor: Where runs execute.
        started: `time.perf_counter()` at the start of the search.
        part: Its part in a nested cross-validation; None if it is the only search of the study.

    Attributes:
        plan: Epochs of a full run and of each rung, and the recipes per rung. Decided at the start,
            corrected after the full run of the defaults, and stored with the trials.
        trials: The trials of the first rung.
        defaults: The recipe to start from, with everything decided.
        metric: The metric that selects; None for the validation loss.
    """

    def __init__(
        self,
        config: TuningConfig,
        data: SplitDataset,
        folder: Path,
        storage: TrialStorage,
        executor: Executor,
        started: float,
        part: NestedPart | None = None,
    ) -> None:
        self.config = config
        self.folder = folder
        self.executor = executor
        self.data = without_test(data)
        self.part = part
        self.defaults = prepared_defaults(config, data)
        self.metric = config.metric
        self.space = config.make_space(self.defaults)

        self.trials = storage.trials("rung0", self.space, self.defaults, config.seed)
        self._higher = [
            storage.trials(f"rung{level}", _promotions(), self.defaults, 0)
            for level in range(1, len(config.rungs))
        ]
        self._too_large = 0  # recipes of the first rung in a row that exceeded the budget
        self._started = started - self._seconds_before()
        self.plan: SearchPlan = self.trials.recall(_MEASURED) or self.trials.remember(
            "plan", self.trials.recall("plan") or self._plan()
        )

    def clock(self) -> float:
        """Return the seconds of the search, without the time during which it was interrupted."""
        return time.perf_counter() - self._started

    @property
    def rungs(self) -> list[dict[int, Trial]]:
        """The finished and failed trials of each rung, by the number of the recipe."""
        first = {trial.number: trial for trial in self.trials.all() if trial.state != "open"}
        rungs = [first]
        for rung in self._higher:
            closed = [trial for trial in rung.all() if trial.state != "open"]
            rungs.append({_recipe_number(trial): trial for trial in closed})
        return rungs

    def recipe(self, values: Values, epochs: float) -> Recipe | None:
        """Return the recipe with these values, shortened to the budget.

        Args:
            values: Drawn hyper-parameters.
            epochs: The budget, in epochs of the default recipe.

        Returns:
            The recipe, or None if the budget is too small for it.

        Raises:
            InputError: The values exclude each other.
        """
        fixed = {key: value for key, value in self.config.values.items() if value is not None}
        optimizer = values.get("optimizer", fixed.get("optimizer", self.defaults.optimizer))
        if optimizer in WITHOUT_MOMENTUM:
            values = {key: value for key, value in values.items() if key != "momentum"}

        recipe = make_iterative_recipe(self.config.model, {**fixed, **values}, self.config.preset)
        recipe = with_depth(recipe, self.data.dataset.image_shape)
        if recipe.net.is_backbone:
            recipe = with_net(recipe, **self.defaults.net.model_dump(include={"input_px"}))
        return within_budget(recipe, self.defaults, epochs, self.data)

    def best(self) -> Trial:
        """Return the trial with the best validation metric on the highest rung that any reached.

        Where the full runs of the search are the final runs, a recipe with a full run comes before
        the default one: the finding compares the two.

        Raises:
            RunFailed: No trial finished.
        """
        rungs = self.rungs
        for rung in reversed(rungs):
            ranking = [rungs[0][number] for number in _ranking(rung)]
            if not self.plan["retrains"]:
                ranking.sort(key=self.is_default)
            if ranking:
                return ranking[0]
        failures = [trial.facts for trial in rungs[0].values()]
        reasons = sorted({f"{facts['reason']}: {facts['message']}" for facts in failures})
        raise RunFailed(
            f"no recipe of the search finished: {'; '.join(reasons[:3])}",
            "Try a smaller search space: --space FILE.",
        )

    def best_short_run(self) -> Trial:
        """Return the trial with the best validation metric in the first rung."""
        first = self.rungs[0]
        return first[_ranking(first)[0]]

    def default_trial(self) -> Trial:
        """Return the trial of the recipe that the search started from, which is the first."""
        return self.rungs[0][0]

    def is_default(self, trial: Trial) -> bool:
        """Return whether a trial is the recipe that the search started from."""
        recipe = self.recipe(trial.values, self.plan["epochs"])
        return recipe is not None and self._has_default_values(recipe)

    def _has_default_values(self, recipe: Recipe) -> bool:
        return not recipe.changes_from(self.defaults.model_copy(update={"epochs": recipe.epochs}))

    def final_grid(self, seeds: int) -> Grid:
        """Return the final runs of the best recipe and the defaults, with so many seeds."""
        best = self.best()
        tuned = None
        if self.plan["searches"] and not self.is_default(best):
            tuned = self.recipe(best.values, self.plan["epochs"])
        variants = [self._final_variant(tuned)] if tuned is not None else []
        return self._grid([*variants, self._final_variant(None)], seeds)

    def _final_variant(self, tuned: Recipe | None) -> Variant:
        """Return the final runs of a tuned recipe, or those of the defaults.

        Where nothing is retrained, the last run follows the pace of the machine.
        """
        plan, ends = self.plan, self.plan["ends"]
        recipe = self.defaults if tuned is None else tuned
        is_last = plan["searches"] == (tuned is not None)
        if not plan["retrains"] and is_last and ends is not None:
            left = self.trials.remember("time left", round(max(1.0, ends - self.clock()), 1))
            recipe = recipe.model_copy(update={"time_limit": left})
        return Variant("defaults" if tuned is None else "tuned", recipe)

    def _grid(self, variants: list[Variant], seeds: int) -> Grid:
        """Return final runs, with seeds that no short run of the search has."""
        if self.part is not None and self.part.fold is not None:
            return Grid(variants, (self.part.fold,), folds=self.part.folds)
        first = self.config.seed + 1
        return Grid(variants, tuple(range(first, first + seeds)))

    def run(self) -> None:
        """Run all rungs, without those that are final runs; see `promote_best`.

        The first trial, the defaults, gets its full run before the others start: a search that is
        interrupted early still has a result.
        """
        report_plan(self.plan, self.config, self.executor.slots, self.clock())
        generation = self._next_generation()
        first = [trial for trial in generation if trial.number == 0]
        if first:
            with progress.task("defaults", 1, "recipes") as task:
                self._run(self.trials, _pending(first), 0, task)
        self._run_defaults()

        self._run_first_rung([trial for trial in generation if trial.number > 0])
        self.plan = self.trials.recall(_MEASURED) or self.plan
        if self.plan["retrains"]:
            self.promote_best()

    def promote_best(self) -> None:
        """Run the best recipes of each rung at the next one.

        Where these are the final runs, the machine that writes the finding trains them all: another
        one has no access to its run folders.
        """
        for level in range(1, len(self.config.rungs)):
            promoted = self.plan["rungs"][level]["trials"]
            self._promote(level, _ranking(self.rungs[level - 1])[:promoted])

    def _run_defaults(self) -> None:
        """Give the defaults their full run, and correct the plan by the seconds that it takes."""
        first = self.rungs[0].get(0)
        if first is None or first.state != "done" or not (self._higher and self.plan["searches"]):
            return
        if self.plan["retrains"]:
            before = self.clock()
            self._promote(len(self._higher), [0], wait=False)
            if 0 in self.rungs[-1]:
                self._correct_plan(self.rungs[-1][0].facts.get("seconds"), before)

        # On a shared search, the machine that has the short run trains the final one as well.
        if not self.plan["retrains"] and (self.folder / first.facts["run"]).exists():
            before = self.clock()
            self._correct_plan(self._run_final_defaults(), before)
            if self.is_default(first):
                self._promote(len(self._higher), [0], wait=False)  # takes the same run

    def _run_final_defaults(self) -> float | None:
        """Train the final run of the defaults; return its seconds, or None if it failed."""
        grid = self._grid([self._final_variant(None)], 1)
        job = grid_job(grid, grid.variants[0], grid.seeds[0], self.folder)
        with progress.task("defaults", 1, "recipes"):
            outcome = next(run_all(self.executor, [job]))
        return None if outcome.summary is None else outcome.summary.seconds.train

    def _correct_plan(self, seconds: float | None, before: float) -> None:
        """Divide the time again, once, by the seconds of a full run that began at `before`."""
        if seconds is None:
            return
        elapsed, slots = self.clock(), self.executor.slots
        seconds = max(seconds, elapsed - before)  # with the evaluation, unless it is reused
        plan = divide_again(self.plan, self.config, seconds, elapsed, slots)
        self.plan = self.trials.remember(_MEASURED, plan)

    def _plan(self) -> SearchPlan:
        elapsed, slots = self.clock(), self.executor.slots
        seconds = None if self.part is None else self.part.full_seconds
        plan = plan_search(self.config, self.defaults, self.data, elapsed, slots, seconds)
        epochs = plan["rungs"][0]["epochs"]
        if (
            plan["searches"]
            and within_budget(self.defaults, self.defaults, epochs, self.data) is None
        ):
            raise InputError(
                f"the short runs of this search would have {epochs:.3g} epochs, which is less than "
                f"one training step of {self.defaults.batch} images.",
                "Choose more --epochs, or a smaller --batch, and another --out.",
            )
        return plan

    def _seconds_before(self) -> float:
        """Return the seconds that the search had taken when it was interrupted."""
        ends = [0.0]
        for rung in (self.trials, *self._higher):
            ends += [trial.facts.get("at", 0.0) for trial in rung.all()]
        return max(ends)

    def _next_generation(self) -> list[Trial]:
        # Another machine may have corrected the plan.
        self.plan = self.trials.recall(_MEASURED) or self.plan
        return self.trials.generation(self.config.together, self.plan["rungs"][0]["trials"])

    def _run_first_rung(self, generation: list[Trial]) -> None:
        """Draw and run recipes, generation by generation."""
        rung, ends = self.plan["rungs"][0], self.plan["ends"]
        total: float = rung["trials"] or 0
        unit = "recipes"
        if rung["trials"] is None and ends is not None:
            total, unit = ends - self._seconds_after(0), "s"
        with progress.task("search", total, unit) as task:
            task.advance(self.clock() if unit == "s" else len(self.rungs[0]))
            while True:
                self._run(self.trials, _pending(generation), 0, task)
                if self._is_late(0) or self._has_converged() or self._finds_nothing_small():
                    return
                generation = self._next_generation()
                if not generation and not self.trials.wait_for_others():
                    return

    def _promote(self, level: int, recipe_numbers: list[int], *, wait: bool = True) -> None:
        """Run the recipes with these numbers at a higher rung.

        Args:
            level: The rung, from 1.
            recipe_numbers: The numbers of the recipes.
            wait: Whether to wait for recipes that other machines are running.
        """
        rung = self._higher[level - 1]
        for number in recipe_numbers:
            rung.add({"trial": number})
        with progress.task(f"rung {level + 1}", len(recipe_numbers), "recipes") as task:
            while True:
                generation = rung.take_added()
                if not generation and not (wait and rung.wait_for_others()):
                    return
                # Read now: another machine may have drawn and added a recipe in the meantime.
                values = {trial.number: trial.values for trial in self.trials.all()}
                pending = []
                for trial in generation:
                    number = _recipe_number(trial)
                    pending.append(_PendingTrial(trial, number, values[number]))
                self._run(rung, pending, level, task)

    def _run(
        self, rung: Trials, pending: list[_PendingTrial], level: int, task: progress.Task
    ) -> None:
        """Run trials of one rung and store their results."""
        jobs = self._jobs(rung, pending, level)

        def jobs_in_time() -> Iterator[Job]:
            for item, job in list(jobs.values()):
                # The defaults run in any case: they are the recipe to beat. A last run is as long
                # as the time allows.
                if item.number > 0 and job.recipe.time_limit is None and self._is_late(level):
                    return
                yield job

        before = self.clock()
        for outcome in run_all(self.executor, jobs_in_time()):
            item, _ = jobs.pop(outcome.job.folder.name)
            self._store(rung, item.trial, outcome)
            task.advance(1 if task.unit == "recipes" else self.clock() - before)
            before = self.clock()
            task.note(self._best_so_far())
            self._stop_after_equal_failures(rung)
        for item, _ in jobs.values():
            rung.give_up(item.trial)

    def _jobs(
        self, rung: Trials, pending: list[_PendingTrial], level: int
    ) -> dict[str, tuple[_PendingTrial, Job]]:
        """Return the trials that can be run and their jobs, by the name of the run folder."""
        jobs = {}
        for item in pending:
            try:
                recipe = self.recipe(item.values, self.plan["rungs"][level]["epochs"])
            except InputError as error:
                facts: TrialFacts = {"at": round(self.clock(), 2)}
                rung.failed(item.trial, "input", error.message, facts)
                continue
            if recipe is None:
                rung.too_large(item.trial)
                self._too_large += 1
                continue
            self._too_large = 0
            job = self._job(item, recipe, level)
            jobs[job.folder.name] = (item, job)
        return jobs

    def _job(self, item: _PendingTrial, recipe: Recipe, level: int) -> Job:
        """Return the job of a trial, which is a final run if the best recipe is not retrained."""
        is_full = self.plan["rungs"][level]["epochs"] == self.plan["epochs"]
        if is_full and not self.plan["retrains"]:
            is_default = not self.plan["searches"] or self._has_default_values(recipe)
            grid = self._grid([self._final_variant(None if is_default else recipe)], 1)
            return grid_job(grid, grid.variants[0], grid.seeds[0], self.folder)
        name, folder_name = f"trial {item.number}", f"trial-{item.number:04d}-rung{level}"
        split = None
        if self.part is not None:
            name, folder_name = self.part.name_in_fold(name, folder_name)
            split = self.data.split
        path = self.folder / "runs" / folder_name
        return Job(name, recipe, self.config.seed, path, reads_test=False, split=split)

    def _is_late(self, level: int) -> bool:
        """Return whether another run of this rung would leave too little time for what follows."""
        ends, rung = self.plan["ends"], self.plan["rungs"][level]
        if ends is None:
            return False
        seconds = self.full_seconds() * rung["epochs"] / self.plan["epochs"]
        return self.clock() + seconds + self._seconds_after(level) > ends

    def _seconds_after(self, level: int) -> float:
        """Return the seconds of the rungs above this one, and of the final runs."""
        full, slots = self.full_seconds(), self.executor.slots
        seconds = 0.0
        for rung in self.plan["rungs"][level + 1 :]:
            run = full * rung["epochs"] / self.plan["epochs"]
            seconds += side_by_side(run, rung["trials"] or 0, slots)
        if self.plan["retrains"]:
            seconds += side_by_side(full, 2 * self.plan["seeds"], slots)
        return seconds

    def full_seconds(self) -> float:
        """Return the seconds of a full run: as long as that of the defaults took, or as planned."""
        return self.plan["seconds"]

    def final_seeds(self) -> int:
        """Return the seeds of the final runs: as planned, or fewer if the machine was slower."""
        planned, limit = self.plan["seeds"], self.config.time_limit
        if limit is None:
            return planned
        seconds, slots = self.full_seconds(), self.executor.slots
        while planned > 1 and self.clock() + side_by_side(seconds, 2 * planned, slots) > limit:
            planned -= 1
        return planned

    def _finds_nothing_small(self) -> bool:
        """Return whether the space seems to hold no other recipe that fits the budget.

        Raises:
            RunFailed: It seems to hold none at all.
        """
        if self._too_large < _MAX_TOO_LARGE:
            return False
        message = (
            f"the last {self._too_large} recipes that were drawn are too large for the budget of "
            f"this search, {self.plan['rungs'][0]['epochs']:.3g} epochs of the default recipe."
        )
        if not _ranking(self.rungs[0]):
            raise RunFailed(message, "Choose a --space of smaller networks, and another --out.")
        progress.warn(f"WARNING: {message} No more are drawn.")
        return True

    def _has_converged(self) -> bool:
        """Return whether more recipes are unlikely to be better; a given number is always tried.

        It is known for the accuracy only, so the search by another metric takes all its time.
        """
        if self.plan["rungs"][0]["trials"] is not None:
            return False
        if self.metric is not None and self.metric.name != "accuracy":
            return False
        done = [trial.facts["accuracy"] for trial in self.trials.all() if trial.state == "done"]
        return has_converged(done, len(self.data.split.validation))

    def _store(self, rung: Trials, trial: Trial, outcome: Outcome) -> None:
        """Store the result of a run and report it."""
        facts: TrialFacts = {
            "at": round(self.clock(), 2),
            "run": str(outcome.job.folder.relative_to(self.folder)),
            "epochs": outcome.job.recipe.epochs or 0.0,
        }
        if outcome.summary is None or outcome.reason is not None:
            rung.failed(trial, outcome.reason or "error", outcome.message, facts)
            progress.say(f"{outcome.job.name}: failed ({outcome.reason}): {outcome.message}")
            return

        scores = outcome.summary.validation
        assert scores is not None, "a search needs validation images"
        facts["accuracy"] = scores.accuracy
        facts["seconds"] = outcome.summary.seconds.train
        facts["epochs"] = outcome.summary.epochs
        metric, note = self.metric, ""
        if metric is not None:
            names = self.data.class_names
            labels, probabilities = read_probabilities(outcome.job.folder, "validation", names)
            facts["score"] = metric.score(labels, probabilities)
            note = f"  {metric.describe(facts['score'], scores.n)}"
        if rung is self.trials and self._higher and self.plan["searches"]:
            keep_only_results(outcome.job.folder)
        rung.done(trial, scores.loss, facts)

        values = trial.values if rung is self.trials else {}
        accuracy = percent(scores.accuracy, scores.n)
        progress.say(
            f"{outcome.job.name:>10}  loss {scores.loss:.4f}  accuracy {accuracy}{note}"
            f"  {facts['epochs']:>5.3g} epochs  {facts['seconds']:>5.1f} s  {values_text(values)}"
        )

    def _best_so_far(self) -> str:
        scores = []
        for rung in self.rungs:
            done = [trial.facts for trial in rung.values() if trial.state == "done"]
            scores += [facts.get("score", facts["accuracy"]) for facts in done]
        if not scores:
            return ""
        metric = self.metric or selection_metric("accuracy")
        return f"best validation {metric.describe(max(scores), len(self.data.split.validation))}"

    def _stop_after_equal_failures(self, rung: Trials) -> None:
        """Stop the search when the last three recipes failed for the same reason."""
        closed = [trial for trial in rung.all() if trial.state != "open"]
        last = closed[-_MAX_EQUAL_FAILURES:]
        reasons = {trial.facts.get("reason") for trial in last}
        if len(last) == _MAX_EQUAL_FAILURES and reasons != {None} and len(reasons) == 1:
            raise RunFailed(
                f"the last {_MAX_EQUAL_FAILURES} recipes failed for the same reason "
                f"({reasons.pop()}): {last[-1].facts['message']}",
                "Narrow the search with --space FILE, and choose another --out.",
            )


def _pending(trials: Sequence[Trial]) -> list[_PendingTrial]:
    """Return trials of the first rung as pending ones."""
    return [_PendingTrial(trial, trial.number, trial.values) for trial in trials]


def _recipe_number(trial: Trial) -> int:
    """Return the number of the recipe that a trial of a higher rung runs."""
    number = trial.values["trial"]
    assert isinstance(number, int)
    return number


def values_text(values: Mapping[str, object]) -> str:
    """Return hyper-parameters as text, such as "lr 0.08, activation relu"."""
    words = []
    for key, value in values.items():
        words.append(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(words)


def _promotions() -> SearchSpace:
    """Return the space of the rungs above the first: the numbers of promoted recipes."""
    return SearchSpace(lambda draw: {"trial": draw.suggest_int("trial", 0, _MAX_TRIALS)}, {})


def _ranking(rung: dict[int, Trial]) -> list[int]:
    """Return the numbers of the finished recipes of a rung, best first.

    The best has the lowest validation loss, or the highest score of the metric of the search.
    """
    ranks = []
    for number, trial in rung.items():
        if trial.state == "done":
            score = trial.facts.get("score", -trial.facts["loss"])
            ranks.append((-score, number))
    return [number for _, number in sorted(ranks)]
