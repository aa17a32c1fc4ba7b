"""The climb: train rung by rung, and keep the best classifier so far in the study folder."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from headstart import progress, store
from headstart.data import without_test
from headstart.errors import InputError, RunFailed, TooLittleMemory
from headstart.evaluation import apply_temperature, selection_metric
from headstart.formatting import approximate_duration, counted, duration, slug
from headstart.models.recipes import make_recipe
from headstart.results import FitProgress, JsonObject, read_metrics
from headstart.studies._study import StudyContext
from headstart.studies.fit._choice import CLASSIFIER, Choice, choose, keep_best_so_far
from headstart.studies.fit._choice_on_folds import choose_on_folds
from headstart.studies.fit._clock import FitClock
from headstart.studies.fit._config import FitConfig
from headstart.studies.fit._costs import LadderCosts, measure_costs
from headstart.studies.fit._fixed_recipe import can_train_again
from headstart.studies.fit._fold_time import affords_folds_of_head, next_to_cross_validate
from headstart.studies.fit._folds import fit_folds
from headstart.studies.fit._ladder import Ladder
from headstart.studies.fit._last_fit import last_fit_seconds
from headstart.studies.fit._rung import FROZEN, FailedRung, Rung, RungResult
from headstart.training import TrainingJob, read_probabilities, train

_FILE = "ladder.json"
# What has no time limit of its own, such as a fold or the final evaluation of an average, ends at
# most so much after that of the study.
_LATE_SHARE = 0.03


class _BegunRung(TypedDict):
    """The entry of a rung in `ladder.json`.

    Attributes:
        rung: The rung.
        limit: The time limit under which it was entered, and from its end on that under which it
            was finished, in seconds.
        spent: Seconds of its run; None until it is finished.
        folds: Whether its folds have begun.
        fold_seconds: Seconds of its folds; None until they are finished.
        failure: Why its run failed, with the seconds that it took; None if it has not.
    """

    rung: JsonObject
    limit: float
    spent: float | None
    folds: bool
    fold_seconds: float | None
    failure: tuple[str, float] | None


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
        folds: The folds that evaluate rungs, for few images; None for others.
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
        self.folds = fit_folds(self._data, self.metric)
        self._begun: list[_BegunRung] = []
        self._not_to_fold: set[str] = set()
        self._kept: str | None = None
        self._is_rereading = False
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
                self._is_rereading = begun["spent"] is not None
                self._repeat(begun)
            self._is_rereading = False
            if self.choice is not None:
                self._keep()
            while self._step():
                pass
        if self.choice is None:
            raise self._nothing_finished()

    @property
    def max_ms(self) -> float | None:
        """The most milliseconds per image that the classifier may take; None without a bound."""
        return self._config.max_ms

    def folds_of(self, choice: Choice) -> int | None:
        """Return the number of folds that evaluated every member of a choice; None without."""
        if self.folds is None or not choice.is_cross_validated:
            return None
        return self.folds.count

    def choose_in_time(self, choice: Choice) -> Choice:
        """Return a choice, or one of fewer runs if there is too little time to evaluate it.

        Several networks read the test images for longer than one does.
        """
        clock, split = self.clock, self.context.data.split
        seconds = clock.left() + clock.evaluation + _LATE_SHARE * clock.limit
        if choice.is_single or self._evaluation_seconds(choice) <= seconds:
            return choice
        images = len(split.test) + len(split.validation)
        return self._choose(single=self._config.single, average_ms=1000 * seconds / images)

    def _choose(self, *, single: bool, average_ms: float | None = None) -> Choice:
        bounds = {"max_ms": self._config.max_ms, "average_ms": average_ms}
        if self.folds is not None:
            return choose_on_folds(self.results, self.folds, single=single, **bounds)
        labels = self._data.validation_labels
        return choose(self.results, labels, self.metric, single=single, **bounds)

    def _open_ladder(self) -> tuple[Ladder, tuple[str, ...]]:
        """Plan the ladder from measured costs, or follow what an interrupted study wrote."""
        data = self._data
        written: Any = store.read_json_or(self.context.folder / _FILE, None)
        if written is None:
            with progress.waiting("timing a few images"):
                cnn = make_recipe("cnn", self._config.rung_values())
                costs = measure_costs(self.context.data, cnn, self.clock.limit)
            usable = max(1.0, self.clock.left())
        else:
            costs = LadderCosts.from_json(written["costs"])
            earlier = written.get("limit", self.clock.limit)
            usable = written["usable"] + self.clock.usable(self.clock.limit - earlier)
            self._begun = _read_begun(written["rungs"], earlier)
            self.history = [FitProgress(**entry) for entry in written.get("history", [])]
            progress.say(
                f"continuing with {counted(len(self._begun), 'candidate')} after "
                f"{approximate_duration(self.clock.spent())}"
            )
        self._costs = costs
        ladder = Ladder(costs, usable, data.validation_labels, self.metric)
        ladder.earlier = self._earlier()
        ladder.values, ladder.seed = self._config.rung_values(), self._config.seed
        ladder.folds = None if self.folds is None else self.folds.count
        plan = ladder.plan({str(begun["rung"]["family"]) for begun in self._begun})
        progress.say(
            f"plan for {approximate_duration(self.clock.limit)}, of which "
            f"{approximate_duration(usable)} are for training:"
        )
        for line in plan:
            progress.say(f"  {line}")
        return ladder, plan

    def _earlier(self) -> frozenset[str]:
        """Return the names of the rungs that were finished under a shorter time limit."""
        return frozenset(
            str(begun["rung"]["name"])
            for begun in self._begun
            if begun["spent"] is not None and begun["limit"] < self.clock.limit
        )

    def _step(self) -> bool:
        """Train the next rung, or cross-validate a finished one; return whether anything paid."""
        left, reserved = self.clock.left(), self.clock.evaluation
        self.ladder.costs = self._costs.corrected(self.results)
        rung = self.ladder.next(self.results, self.failures, left, reserved)
        if rung is None and self.choice is None and not self.failures:
            rung = self.ladder.last_resort()
        is_early = rung is not None and (rung.family == FROZEN or rung.is_short)
        if not is_early:
            result = self._next_to_cross_validate()
            if result is not None:
                result = self._cross_validate(result)
                if result.folds is not None:
                    self._record(result)
                return True
        if rung is None:
            return False
        self._begin(rung)
        self._train(rung, self._begun[-1])
        return True

    def _next_to_cross_validate(self) -> RungResult | None:
        for result in self.results:
            if not can_train_again(result):
                self._not_to_fold.add(result.rung.name)
        left = self.clock.left()
        return next_to_cross_validate(self.ladder, self.results, left, self._not_to_fold)

    def _begin(self, rung: Rung) -> None:
        """Write the rung down before it is trained."""
        begun = _BegunRung(
            rung=rung.as_json(),
            limit=self.clock.limit,
            spent=None,
            folds=False,
            fold_seconds=None,
            failure=None,
        )
        self._begun.append(begun)
        self._write()

    def _write(self) -> None:
        usable, costs = self.ladder.usable, self._costs.as_json()
        content = {
            "limit": self.clock.limit,
            "usable": usable,
            "costs": costs,
            "rungs": self._begun,
            "history": [entry.model_dump() for entry in self.history],
        }
        store.write_json(self.context.folder / _FILE, content)
        self.clock.write()

    def _repeat(self, begun: _BegunRung) -> None:
        """Read a rung that an interrupted study finished, or continue it.

        One that failed is not tried again.
        """
        rung = Rung.from_json(begun["rung"])
        if begun["failure"] is not None:
            self.failures.append(FailedRung(rung, *begun["failure"]))
            return
        if begun["spent"] is None and self.clock.left() <= 0 and self.choice is not None:
            return
        self._train(rung, begun)

    def describe_score(self, score: float, *, is_by_folds: bool = False) -> str:
        """Return a score by the metric of the selection as text, such as "accuracy 87.5%".

        Args:
            score: The score.
            is_by_folds: Whether it is on all training and validation images, instead of on the
                validation images.
        """
        images = self._data.split.validation
        if is_by_folds and self.folds is not None:
            images = self.folds.images
        return self.metric.describe(score, len(images))

    def describe_choice(self, choice: Choice) -> str:
        """Return the score of a choice, on the images that selected it, as text."""
        return self.describe_score(choice.score, is_by_folds=choice.is_cross_validated)

    def _train(self, rung: Rung, begun: _BegunRung) -> None:
        """Train a rung, or read it if it is finished; record its result.

        Args:
            rung: The rung.
            begun: Its entry in `ladder.json`: whether it has been finished and cross-validated.
        """
        folder = self.context.folder / "runs" / slug(rung.name)
        note = f"{rung.name}: about {approximate_duration(rung.seconds)}"
        if self.choice is not None:
            note += f"; best so far {self.describe_choice(self.choice)}"
        self._task.note(note)
        started, worked = time.perf_counter(), time.process_time()
        job = TrainingJob(rung.recipe, self._data, rung.seed, folder, watch=self.watch)
        try:
            with progress.muted():
                train(job)
        except (RunFailed, TooLittleMemory, InputError) as error:
            failure = error.message, round(time.perf_counter() - started, 2)
            begun["failure"] = failure
            self.failures.append(FailedRung(rung, *failure))
            progress.say(f"{rung.name} failed: {error.message}")
            self._write()
            return

        seconds, spent = time.perf_counter() - started, begun["spent"]
        if spent is None:
            self.clock.observe(seconds, time.process_time() - worked)
            begun["limit"] = self.clock.limit
        else:
            seconds = spent
        result = self._read(rung, folder, seconds)
        begun["spent"] = result.seconds
        is_cheap = rung.family == FROZEN and spent is None
        wants_folds = is_cheap and affords_folds_of_head(self.ladder, self.clock.left())
        if self.choice is None:  # a stop during its folds leaves a classifier
            self.choice = Choice((result,), (1.0,), result.score)
            self._keep()
        if begun["folds"] or (wants_folds and can_train_again(result)):
            result = self._cross_validate(result)
        self._record(result)

    def _read(self, rung: Rung, folder: Path, seconds: float) -> RungResult:
        """Read the results of a finished rung."""
        data = self._data
        _, raw = read_probabilities(folder, "validation", data.class_names)
        probabilities = apply_temperature(raw, read_temperature(folder))
        metrics = read_metrics(folder)
        assert metrics.validation is not None, "fit needs validation images"
        score = self.metric.score(data.validation_labels, probabilities)
        result = RungResult(rung, folder, metrics, raw, probabilities, score, round(seconds, 2))
        self.results.append(result)
        return result

    def _cross_validate(self, result: RungResult) -> RungResult:
        """Cross-validate a finished rung, as far as the time allows; return it with its scores."""
        assert self.folds is not None, "only with folds"
        name = result.rung.name
        begun = next(entry for entry in self._begun if entry["rung"]["name"] == name)
        begun["folds"] = True
        self._write()
        self._task.note(f"{name}: {self.folds.count} folds")
        scores, problem = None, "no time is left for the other folds"
        try:
            scores = self.folds.evaluate(result, self.clock, self.watch_limit)
        except (RunFailed, TooLittleMemory, InputError) as error:
            problem = error.message
        if scores is None:
            progress.say(f"{name} was not cross-validated: {problem}")
            self._not_to_fold.add(name)
            begun["folds"] = False
            return result
        if begun["fold_seconds"] is not None:  # of an interrupted study, which finished them
            scores = replace(scores, seconds=begun["fold_seconds"])
        begun["fold_seconds"] = scores.seconds
        place = self.results.index(result)
        self.results[place] = replace(result, folds=scores)
        return self.results[place]

    def _record(self, result: RungResult) -> None:
        """Choose among all results so far, and write down the progress.

        Args:
            result: The rung that finished, or whose folds did.
        """
        self.choice = self._choose(single=self._config.single)
        self._keep()
        self.clock.evaluation = self._evaluation_seconds(self.choice)
        self.clock.last_fit = last_fit_seconds(self.choice, self.folds) or 0.0
        self._record_progress(result, self.choice)
        self._write()
        self._report(result)

    def _record_progress(self, result: RungResult, choice: Choice) -> None:
        """Add a result to the progress, unless it is read again and was added when it was new."""
        score = result.score if result.folds is None else result.folds.score
        entry = FitProgress(
            seconds=round(self.clock.spent(), 1),
            name=result.rung.name,
            score=score,
            best=choice.score,
        )
        is_known = any((known.name, known.score) == (entry.name, score) for known in self.history)
        if not (self._is_rereading and is_known):
            self.history.append(entry)

    def _keep(self) -> None:
        """Let the study folder hold the best run.

        While finished rungs are read again, it keeps what it held when the study stopped. While a
        finished study is extended, it keeps its classifier, so that a stop leaves it as it was.
        """
        is_held = self._is_rereading or self.context.has_previous_finding
        if is_held and (self.context.folder / CLASSIFIER).exists():
            return
        run = self._best_run()
        keep_best_so_far(run, self.context.folder, is_new=run.rung.name != self._kept)
        self._kept = run.rung.name

    def _best_run(self) -> RungResult:
        """Return the best run; with folds, the one with the largest weight."""
        assert self.choice is not None, "a rung finished"
        best = self.choice if self.folds is not None else self._choose(single=True)
        return best.members[0]

    def _report(self, result: RungResult) -> None:
        left = approximate_duration(max(0.0, self.clock.left()))
        assert self.choice is not None, "a rung finished"
        score = f"validation {self.describe_score(result.score)}"
        if result.folds is not None and self.folds is not None:
            by_folds = self.describe_score(result.folds.score, is_by_folds=True)
            score = f"{by_folds} ({self.folds.count}-fold cross-validation)"
        if result.ended_as_head:
            progress.say(f"{result.rung.name} {result.head_note}.")
        progress.say(
            f"{result.rung.name}: {score} in {duration(result.seconds_with_folds)}; best so far "
            f"{self.describe_choice(self.choice)}, {self.choice.short_name}; {left} left"
        )

    def _evaluation_seconds(self, choice: Choice) -> float:
        """Return the expected seconds until a choice is evaluated and its folder is written."""
        split = self.context.data.split
        images = len(split.test) + (0 if choice.is_single else len(split.validation))
        per_image = sum(member.metrics.predict_ms_per_image or 0.0 for member in choice.members)
        return images * per_image / 1000

    def watch(self, *_: object) -> None:
        """Show and write the time; for `TrainingJob.watch`."""
        self.clock.tick()
        self._show_time()

    def watch_limit(self, *_: object) -> None:
        """Do the same for a run without a time limit of its own, which ends with the study's.

        Raises:
            RunFailed: No time is left.
        """
        self.watch()
        if self.clock.left() < -_LATE_SHARE * self.clock.limit:
            raise RunFailed("no time is left.", "Set a longer --time-limit.")

    def _show_time(self) -> None:
        elapsed = min(self.clock.spent(), self.clock.limit)
        self._task.advance(elapsed - self._task.done)

    def _nothing_finished(self) -> RunFailed:
        reasons = [f"{failure.rung.name}: {failure.message}" for failure in self.failures]
        return RunFailed(
            "no candidate finished.", "\n  ".join(reasons) or "Set a longer --time-limit."
        )


def read_temperature(run: Path) -> float:
    """Return the calibration temperature of a run's classifier; 1 if it has none."""
    calibration = store.read_json(run / "classifier.json").get("calibration")
    return float(calibration["temperature"]) if calibration else 1.0


def _read_begun(rungs: list[Any], limit: float) -> list[_BegunRung]:
    """Return the rungs of an interrupted study, as they are written in `ladder.json`.

    If none has finished, those that failed are tried again: the machine may have had no memory.

    Args:
        rungs: The entries in the file.
        limit: The time limit of the study, for entries without one.
    """
    defaults = {"limit": limit, "failure": None}
    begun: list[Any] = [{**defaults, **entry} for entry in rungs]
    if all(entry["spent"] is None for entry in begun):
        for entry in begun:
            entry["failure"] = None
    return begun
