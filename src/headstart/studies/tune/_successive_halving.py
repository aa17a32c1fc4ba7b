"""The search itself: draw recipes, give each a short run, and the best of them longer ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headstart import progress
from headstart.data import SplitDataset, without_test
from headstart.errors import InputError, RunFailed
from headstart.execution import Executor, Job, Outcome, run_all
from headstart.features import prepare_features
from headstart.formatting import approximate_duration
from headstart.models.recipes import (
    WITHOUT_MOMENTUM,
    Recipe,
    make_iterative_recipe,
    with_depth,
    with_net,
)
from headstart.studies.tune._budget import within_budget
from headstart.studies.tune._config import Tuning
from headstart.studies.tune._space import Space, Values
from headstart.studies.tune._storage import Ledger, Trial, Trials
from headstart.training import expected_seconds, slim

USUAL_TRIALS = 24
_MOST_TRIALS = 10_000
_LAST_RUNG = 4  # recipes that get a whole run
_SAME_FAILURES = 3
# Of a time limit: the first rung ends at, the last rung ends at; the rest retrains the winner and the defaults.
_SEARCH_ENDS, _RUNGS_END = 0.5, 0.7


class Search:
    """The trials of a study, rung by rung. A rung's runs have a schedule of their own length, so that they can be compared.

    Attributes:
        plan: epochs of a whole run, of each rung, and how many recipes reach it; decided once, and kept with the trials.
        trials: of the first rung. `rungs[i]` has the results of rung i by trial number.
        defaults: the recipe to start from, with everything decided.
    """

    def __init__(
        self,
        asked: Tuning,
        defaults: Recipe,
        data: SplitDataset,
        folder: Path,
        ledger: Ledger,
        executor: Executor,
        started: float,
    ) -> None:
        self.asked, self.folder, self.executor = asked, folder, executor
        self.data = without_test(data)
        if defaults.net.is_backbone:
            defaults, _ = prepare_features(defaults, data, asked.seed, None)
        self.defaults = with_depth(defaults, data.image_shape)
        self.space = asked.make_space(self.defaults)
        self.trials = ledger.trials("rung0", self.space, self.defaults, asked.seed)
        chosen = Space(lambda draw: {"trial": draw.suggest_int("trial", 0, _MOST_TRIALS)}, {})
        self._higher = [
            ledger.trials(f"rung{level}", chosen, self.defaults, 0)
            for level in range(1, len(asked.rungs))
        ]
        spent = [
            trial.facts.get("at", 0.0)
            for rung in (self.trials, *self._higher)
            for trial in rung.all()
        ]
        self._begun = started - max(spent, default=0.0)
        self.plan = self.trials.remember("plan", self.trials.recall("plan") or self._plan())

    def clock(self) -> float:
        """Seconds that the search has taken, without the time in which it was stopped."""
        return time.perf_counter() - self._begun

    @property
    def rungs(self) -> list[dict[int, Trial]]:
        """Finished and failed trials of each rung, by the number of the recipe."""
        first = {trial.number: trial for trial in self.trials.all() if trial.state != "open"}
        higher = [
            {trial.values["trial"]: trial for trial in rung.all() if trial.state != "open"}
            for rung in self._higher
        ]
        return [first, *higher]

    def recipe(self, values: Values, epochs: float) -> Recipe | None:
        """The recipe with these values, as long as the budget of `epochs` epochs of the defaults allows; None if not at all.

        Raises:
            InputError: the values do not go together.
        """
        usual = {key: value for key, value in self.asked.values.items() if value is not None}
        if (
            values.get("optimizer", usual.get("optimizer", self.defaults.optimizer))
            in WITHOUT_MOMENTUM
        ):
            values = {key: value for key, value in values.items() if key != "momentum"}
        recipe = with_depth(
            make_iterative_recipe(self.asked.model, {**usual, **values}, self.asked.preset),
            self.data.image_shape,
        )
        if self.defaults.net.is_backbone:
            recipe = with_net(recipe, **self.defaults.net.model_dump(include={"input_px"}))
        return within_budget(recipe, self.defaults, epochs, self.data)

    def best(self) -> Trial:
        """The trial with the lowest validation loss among those that got farthest.

        Raises:
            RunFailed: none finished.
        """
        for rung in reversed(self.rungs):
            done = [
                (trial.facts["loss"], number)
                for number, trial in rung.items()
                if trial.state == "done"
            ]
            if done:
                return self.rungs[0][min(done)[1]]
        failures = sorted(
            {
                f"{trial.facts['reason']}: {trial.facts['message']}"
                for trial in self.rungs[0].values()
            }
        )
        raise RunFailed(
            f"no recipe of the search finished: {'; '.join(failures[:3])}",
            "Try a smaller space: --space FILE.",
        )

    def is_default(self, trial: Trial) -> bool:
        """Whether this is the recipe that the search started from."""
        usual = self.recipe(trial.values, self.plan["epochs"])
        return usual is not None and not usual.changes_from(
            self.defaults.model_copy(update={"epochs": usual.epochs})
        )

    def run(self) -> None:
        """All rungs. The first trial, the defaults, gets its whole run at once: what follows has something to beat."""
        self._say_plan()
        first = self._first_generation()
        if self._higher:
            self._climb(len(self._higher), [0], waits=False)
        self._sample(first)
        for level in range(1, len(self.asked.rungs)):
            below = self.rungs[level - 1]
            done = sorted(
                (trial.facts["loss"], number)
                for number, trial in below.items()
                if trial.state == "done"
            )
            self._climb(
                level, [number for _, number in done[: self.plan["rungs"][level]["trials"]]]
            )

    def _plan(self) -> dict[str, Any]:
        """Epochs and numbers of recipes; with a time limit, whole runs are short enough for the last rung and the finals."""
        asked, epochs = self.asked, self.defaults.epochs
        assert epochs is not None
        whole = expected_seconds(self.defaults, self.data)
        if asked.time_limit is not None:
            runs = (_LAST_RUNG + 1 + 2 * asked.seeds) / self.executor.slots
            affordable = (1 - _SEARCH_ENDS) * asked.time_limit / max(1.0, runs)
            shorter = epochs * min(1.0, affordable / whole)
            whole, epochs = whole * shorter / epochs, round(shorter, 2)
        trials = asked.trials or (USUAL_TRIALS if asked.time_limit is None else None)
        count = [trials, *self._kept(trials or USUAL_TRIALS)]
        return {
            "epochs": epochs,
            "seconds": round(whole, 3),
            "rungs": [
                {"epochs": round(part * epochs, 3), "trials": kept}
                for part, kept in zip(asked.rungs, count, strict=True)
            ],
        }

    def _kept(self, trials: int) -> list[int]:
        """How many recipes reach each rung above the first: evenly on a log scale, down to those that get a whole run."""
        last, steps = min(_LAST_RUNG, trials), len(self.asked.rungs) - 1
        return [
            max(1, round(trials * (last / trials) ** (step / steps)))
            for step in range(1, steps + 1)
        ]

    def _say_plan(self) -> None:
        rungs = self.plan["rungs"]
        counts = [
            f"{rung['trials'] or 'as many as fit'} x {rung['epochs']:.3g} epochs" for rung in rungs
        ]
        seconds = self.asked.time_limit
        if seconds is None:
            shares = sum(rung["trials"] * rung["epochs"] for rung in rungs) / self.plan["epochs"]
            seconds = self.plan["seconds"] * (shares + 2 * self.asked.seeds) / self.executor.slots
        progress.say(
            f"tune {self.asked.model}: recipes {', then '.join(counts)}, then {self.asked.seeds} seeds of the best and of the "
            f"defaults; {'at most' if self.asked.time_limit else 'about'} {approximate_duration(seconds)}."
        )

    def _first_generation(self) -> list[Trial]:
        return self.trials.generation(self.asked.together, self.plan["rungs"][0]["trials"])

    def _sample(self, generation: list[Trial]) -> None:
        """The first rung: draw and run recipes, generation by generation."""
        rung, limit = self.plan["rungs"][0], self.plan["rungs"][0]["trials"]
        size, unit = (
            (limit, "recipes") if limit else (_SEARCH_ENDS * (self.asked.time_limit or 0), "s")
        )
        with progress.task("search", size, unit) as task:
            task.advance(len(self.rungs[0]) if limit else self.clock())
            while True:
                self._run(
                    self.trials,
                    [(trial, trial.number, trial.values) for trial in generation],
                    0,
                    rung["epochs"],
                    task,
                )
                if self._is_late(0):
                    return
                if (
                    not (generation := self._first_generation())
                    and not self.trials.wait_for_others()
                ):
                    return

    def _climb(self, level: int, numbers: list[int], *, waits: bool = True) -> None:
        """Run these recipes at a higher rung; `waits`: for those that other machines have in hand."""
        rung, values = (
            self._higher[level - 1],
            {trial.number: trial.values for trial in self.trials.all()},
        )
        for number in numbers:
            rung.add({"trial": number})
        with progress.task(f"rung {level + 1}", len(numbers), "recipes") as task:
            while (waiting := rung.generation(len(numbers), len(rung.queued()))) or (
                waits and rung.wait_for_others()
            ):
                todo = [
                    (trial, trial.values["trial"], values[trial.values["trial"]])
                    for trial in waiting
                ]
                self._run(rung, todo, level, self.plan["rungs"][level]["epochs"], task)

    def _run(
        self,
        rung: Trials,
        todo: list[tuple[Trial, int, Values]],
        level: int,
        epochs: float,
        task: progress.Task,
    ) -> None:
        """Run trials, and note what comes of each."""
        jobs: dict[str, tuple[Trial, Job]] = {}
        for trial, number, values in todo:
            try:
                recipe = self.recipe(values, epochs)
            except InputError as error:
                rung.failed(trial, "input", error.message, {"at": round(self.clock(), 2)})
                continue
            if recipe is None:
                rung.too_large(trial)
                continue
            path = self.folder / "runs" / f"trial-{number:04d}-rung{level}"
            job = Job(f"trial {number}", recipe, self.asked.seed, path, reads_test=False)
            jobs[path.name] = (trial, job)

        def in_time() -> Iterator[Job]:
            for name, (_, job) in list(jobs.items()):
                if self._is_late(level) and name != f"trial-0000-rung{level}":
                    return
                yield job

        before = self.clock()
        for outcome in run_all(self.executor, in_time()):
            trial, _ = jobs.pop(outcome.job.folder.name)
            self._note(rung, trial, outcome)
            task.advance(1 if task.unit == "recipes" else self.clock() - before)
            before = self.clock()
            task.note(self._so_far())
            self._stop_if_all_fail(rung)
        for trial, _ in jobs.values():
            rung.give_up(trial)

    def _is_late(self, level: int) -> bool:
        if self.asked.time_limit is None:
            return False
        return self.clock() > self.asked.time_limit * (_SEARCH_ENDS if level == 0 else _RUNGS_END)

    def _note(self, rung: Trials, trial: Trial, outcome: Outcome) -> None:
        run = str(outcome.job.folder.relative_to(self.folder))
        facts: dict[str, Any] = {
            "at": round(self.clock(), 2),
            "run": run,
            "epochs": outcome.job.recipe.epochs,
        }
        if outcome.summary is None or outcome.reason is not None:
            rung.failed(trial, outcome.reason or "error", outcome.message, facts)
            progress.say(f"{outcome.job.name}: failed ({outcome.reason}): {outcome.message}")
            return
        judged = outcome.summary["validation"]
        facts |= {
            "accuracy": judged["accuracy"],
            "seconds": outcome.summary["seconds"]["train"],
            "epochs": outcome.summary["epochs"],
        }
        if rung is self.trials and self._higher:
            slim(outcome.job.folder)
        rung.done(trial, judged["loss"], facts)
        values = trial.values if rung is self.trials else {}
        shown = ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in values.items()
        )
        progress.say(
            f"{outcome.job.name:>10}  loss {judged['loss']:.4f}  accuracy {judged['accuracy']:.2%}  "
            f"{facts['epochs']:>5.3g} epochs  {facts['seconds']:>5.1f} s  {shown}"
        )

    def _so_far(self) -> str:
        best = [
            trial.facts for rung in self.rungs for trial in rung.values() if trial.state == "done"
        ]
        return f"best validation {max(facts['accuracy'] for facts in best):.2%}" if best else ""

    def _stop_if_all_fail(self, rung: Trials) -> None:
        """Three in a row with the same reason are no accident."""
        last = [trial for trial in rung.all() if trial.state != "open"][-_SAME_FAILURES:]
        reasons = {trial.facts.get("reason") for trial in last}
        if len(last) == _SAME_FAILURES and reasons != {None} and len(reasons) == 1:
            raise RunFailed(
                f"the last {_SAME_FAILURES} recipes failed for the same reason ({reasons.pop()}): {last[-1].facts['message']}",
                "Narrow the search with --space FILE, and give another --out.",
            )
