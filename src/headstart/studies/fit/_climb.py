"""The climb: train rung by rung, and keep the best classifier so far in the study folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.data import without_test
from headstart.errors import InputError, RunFailed, Stopped, TooLittleMemory
from headstart.evaluation import apply_temperature, selection_metric
from headstart.formatting import approximate_duration, duration, slug
from headstart.results import FitProgress, read_metrics
from headstart.studies._study import StudyContext
from headstart.studies.fit._choice import CLASSIFIER, Choice, choose, keep_best_so_far
from headstart.studies.fit._clock import FitClock
from headstart.studies.fit._config import FitConfig
from headstart.studies.fit._costs import LadderCosts, measure_costs
from headstart.studies.fit._ladder import Ladder
from headstart.studies.fit._rung import FailedRung, Rung, RungResult
from headstart.training import TrainingJob, read_probabilities, train

_FILE = "ladder.json"


class Climb:
    """The rungs of one study, in order, and the best choice so far.

    Everything that decides is written to `ladder.json`, so that a stopped study continues.

    Attributes:
        context: The study.
        clock: Its clock.
        ladder: Decides the next rung.
        plan: The plan in a few lines.
        results: The finished rungs, in order.
        failures: The failed ones.
        choice: The best choice so far; None before the first rung.
        history: Progress after each rung.
    """

    def __init__(self, context: StudyContext, config: FitConfig) -> None:
        self.context, self._config = context, config
        self.metric = selection_metric(config.metric)
        self.clock = FitClock(config.time_limit, context)
        self.results: list[RungResult] = []
        self.failures: list[FailedRung] = []
        self.choice: Choice | None = None
        self.history: list[FitProgress] = []
        self._data = without_test(context.data)
        self._begun: list[dict[str, Any]] = []
        self.ladder, self.plan = self._open_ladder()

    def run(self) -> None:
        """Enter rungs until none is likely to pay in the time that is left.

        Raises:
            RunFailed: No rung finished.
            Stopped: A signal asked to stop.
        """
        limit = self.clock.limit
        with progress.task("fit", round(limit), "seconds") as task:
            self._task = task
            self._show_time()
            for begun in list(self._begun):
                self._repeat(begun)
            while (rung := self._next()) is not None:
                self._begin(rung)
                self._train(rung)
        if self.choice is None:
            raise self._nothing_finished()

    def choose_single(self) -> Choice:
        """Return the choice of one run, for when there is no time to evaluate several."""
        labels, max_ms = self._data.validation_labels, self._config.max_ms
        return choose(self.results, labels, self.metric, single=True, max_ms=max_ms)

    def _open_ladder(self) -> tuple[Ladder, tuple[str, ...]]:
        """Plan the ladder from measured costs, or follow what an interrupted study wrote."""
        data = self._data
        written: Any = store.read_json_or(self.context.folder / _FILE, None)
        if written is None:
            with progress.waiting("timing a few images"):
                costs = measure_costs(self.context.data)
            usable = max(1.0, self.clock.left())
        else:
            costs, usable = LadderCosts.from_json(written["costs"]), written["usable"]
            self._begun = written["rungs"]
        ladder = Ladder(costs, usable, data.validation_labels, data.class_names, self.metric)
        ladder.values, ladder.seed = self._config.rung_values(), self._config.seed
        plan = ladder.plan()
        progress.say(
            f"plan for {approximate_duration(self.clock.limit)}, of which "
            f"{approximate_duration(usable)} are for training:"
        )
        for line in plan:
            progress.say(f"  {line}")
        return ladder, plan

    def _next(self) -> Rung | None:
        rung = self.ladder.next(self.results, self.failures, self.clock.left())
        if rung is None and self.choice is None and not self.failures:
            return self.ladder.last_resort()
        return rung

    def _begin(self, rung: Rung) -> None:
        """Write the rung down before it is trained."""
        self._begun.append({**rung.as_json(), "spent": None})
        self._write()

    def _write(self) -> None:
        ladder = self.ladder
        content = {"usable": ladder.usable, "costs": ladder.costs.as_json(), "rungs": self._begun}
        store.write_json(self.context.folder / _FILE, content)
        self.clock.write()

    def _repeat(self, begun: dict[str, Any]) -> None:
        """Read a rung that an interrupted study finished, or continue it."""
        spent = begun["spent"]
        rung = Rung.from_json({key: value for key, value in begun.items() if key != "spent"})
        if spent is None and self.clock.left() <= 0 and self.choice is not None:
            return
        self._train(rung, spent)

    def _train(self, rung: Rung, spent: float | None = None) -> None:
        """Train a rung, or read it if it is finished; record its result."""
        folder = self.context.folder / "runs" / slug(rung.name)
        note = f"{rung.name}: about {approximate_duration(rung.seconds)}"
        if self.choice is not None:
            note += f"; best so far {self.metric.describe(self.choice.score)}"
        self._task.note(note)
        started, worked = time.perf_counter(), time.process_time()
        job = TrainingJob(rung.recipe, self._data, rung.seed, folder, watch=self._watch)
        try:
            with progress.muted():
                train(job)
        except (RunFailed, TooLittleMemory, InputError) as error:
            self.failures.append(FailedRung(rung, error.message, time.perf_counter() - started))
            progress.say(f"{rung.name} failed: {error.message}")
            self._write()
            return
        except Stopped as stopped:
            raise self._stopped(stopped) from stopped

        seconds = time.perf_counter() - started
        if spent is None:
            self.clock.observe(seconds, time.process_time() - worked)
        else:
            seconds = spent
        self._record(rung, folder, seconds)

    def _record(self, rung: Rung, folder: Path, seconds: float) -> None:
        data = self._data
        _, raw = read_probabilities(folder, "validation", data.class_names)
        probabilities = apply_temperature(raw, read_temperature(folder))
        metrics = read_metrics(folder)
        assert metrics.validation is not None, "fit needs validation images"
        score = self.metric.score(data.validation_labels, probabilities)
        result = RungResult(rung, folder, metrics, raw, probabilities, score, round(seconds, 2))
        self.results.append(result)
        self.choice = choose(
            self.results,
            data.validation_labels,
            self.metric,
            single=self._config.single,
            max_ms=self._config.max_ms,
        )
        keep_best_so_far(self.results, self.context.folder, self._config.max_ms)
        self.clock.evaluation = self._evaluation_seconds(self.choice)
        self.history.append(
            FitProgress(
                seconds=round(self.clock.spent(), 1),
                name=rung.name,
                score=score,
                best=self.choice.score,
            )
        )
        for begun in self._begun:
            if begun["name"] == rung.name:
                begun["spent"] = result.seconds
        self._write()
        self._report(result)

    def _report(self, result: RungResult) -> None:
        left = approximate_duration(max(0.0, self.clock.left()))
        assert self.choice is not None, "a rung finished"
        progress.say(
            f"{result.rung.name}: validation {self.metric.describe(result.score)} in "
            f"{duration(result.seconds)}; best so far {self.metric.describe(self.choice.score)}, "
            f"{self.choice.short_name}; {left} left"
        )

    def _evaluation_seconds(self, choice: Choice) -> float:
        """Return the expected seconds until a choice is evaluated and its folder is written."""
        split = self.context.data.split
        images = len(split.test) + (0 if choice.is_single else len(split.validation))
        per_image = sum(member.metrics.predict_ms_per_image or 0.0 for member in choice.members)
        return images * per_image / 1000

    def _watch(self, *_: object) -> None:
        self.clock.tick()
        self._show_time()

    def _show_time(self) -> None:
        elapsed = min(self.clock.spent(), self.clock.limit)
        self._task.advance(elapsed - self._task.done)

    def _stopped(self, stopped: Stopped) -> Stopped:
        """Return the stop with the place of the best classifier so far."""
        self.clock.write()
        text = "stopped before the first rung finished; what is trained is saved."
        if self.choice is not None:
            text = f"stopped. The best classifier so far is {self.context.folder / CLASSIFIER}."
        hint = "Run the same command again to continue with the time that is left."
        return Stopped(stopped.signum, text, hint)

    def _nothing_finished(self) -> RunFailed:
        reasons = [f"{failure.rung.name}: {failure.message}" for failure in self.failures]
        return RunFailed("no rung finished.", "\n  ".join(reasons) or "Give more --time-limit.")


def read_temperature(run: Path) -> float:
    """Return the calibration temperature of a run's classifier; 1 if it has none."""
    calibration = store.read_json(run / "classifier.json").get("calibration")
    return float(calibration["temperature"]) if calibration else 1.0
