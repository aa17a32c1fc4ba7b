"""The runs of a comparison, one seed of all contenders after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headstart import progress, store
from headstart.errors import RunFailed
from headstart.formatting import approximate_duration, counted, enumeration
from headstart.results import RunSummary
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_schedule import ComparisonSchedule
from headstart.studies._contenders import folder_name
from headstart.training import RunCost, TrainingJob, Watch, train

# The pace of a first run is compared with the timed steps once this share of its steps or of its
# time is over. The plan is corrected beyond these factors, and only so often for one contender.
_WATCHED_SHARE, _LEAST_STEPS, _LEAST_SECONDS = 0.15, 5, 0.3
_SLOWER, _FASTER = 1.25, 0.8
_CORRECTIONS = 2

# The pace at the end of a first run is that of its last complete part of this share.
_PART_SHARE = 0.1

# A further seed is left out if it would end so much after the limit, as a share of it. A seed that
# some contenders already have is completed if it ends within the larger share.
_LATE_SHARE, _LATE_SHARE_OF_ROUND = 0.03, 0.08

_NOTED_LATE_SHARE = 0.1  # a study that exceeds its limit by this share says so
_NOTED_SHORTENING = 0.1  # a plan that was shortened by this share is mentioned
_NOTED_PACE = 1.2  # a machine that became slower by this factor is mentioned
_NOTED_SECONDS = 1.0  # shorter runs say little about the pace


class PaceChanged(Exception):
    """The machine has another pace than when the steps were timed, so the run restarts."""


class OutOfTime(Exception):
    """A further seed would end too late, so it is given up."""


@dataclass
class TrainingRounds:
    """Trains the contenders seed by seed, so that a slow machine affects all of them alike.

    Attributes:
        schedule: The schedule, whose entries receive the runs.
        advance: Called after each run.
        seeds: The seeds that all contenders have.
        is_out_of_time: True if a further seed would have ended too late.
    """

    schedule: ComparisonSchedule
    advance: Callable[[], None] = lambda: None
    seeds: list[int] = field(default_factory=list)
    is_out_of_time: bool = False
    _corrections: dict[str, int] = field(default_factory=dict)

    def _fits(self) -> bool:
        """Return whether the time allows one more seed of all contenders."""
        plan, limit = self.schedule.plan, self.schedule.clock.limit
        if limit.seconds is None or self._is_first_round():
            return True
        if limit.when_slow == "lengthen" and len(self.seeds) < plan.planned_seeds:
            return True
        # A repeat of a cross-validation counts only if all of its folds end in time.
        runs = plan.runs_per_seed - len(self.seeds) % plan.runs_per_seed
        return self._end_in_time(plan.contenders * runs, _LATE_SHARE)

    def train_seed(self, seed: int) -> bool:
        """Train all contenders with one more seed, if it ends in time.

        Returns:
            True; False if there is no time for it, or the time ended on the way. Then the seed
            counts for no contender, so that all have the same seeds. Also False if a contender had
            to be left out, and no verdict is possible without it.
        """
        try:
            if not self._fits():
                raise OutOfTime
            self._train_all(self.schedule.plan.contenders, seed)
        except OutOfTime:
            self.is_out_of_time = True
            for entry in self.schedule.plan.contenders:
                entry.runs.pop(seed, None)
                entry.failures.pop(seed, None)
            return False
        if not self.schedule.plan.can_decide:
            return False
        self.seeds.append(seed)
        return True

    def train_controls(self) -> None:
        """Train the controls for which there is time, with the first seed of their contender."""
        schedule = self.schedule
        if not schedule.plan.can_decide:
            return
        for entry in schedule.plan.controls:
            is_affordable = schedule.clock.limit.when_slow == "lengthen"
            runs = entry.seeds[: schedule.plan.runs_per_seed]
            if is_affordable or self._end_in_time([entry] * len(runs), _LATE_SHARE):
                if not entry.is_prepared:
                    schedule.prepare(entry)
                for run in runs:
                    self._train(entry, run, [])

    def notes(self) -> list[str]:
        """Return sentences about what the time limit, and a slow machine, cost."""
        schedule = self.schedule
        limit = schedule.clock.limit.seconds
        if limit is None:
            return []
        notes = []
        plan = schedule.plan
        finished = len(self.seeds) // plan.runs_per_seed
        requested = plan.seeds // plan.runs_per_seed
        if self.is_out_of_time:
            seeds = counted(requested, "seed" if schedule.folds is None else "repeat")
            notes.append(f"The time limit left time for {finished} of {seeds}.")
        left_out = [
            entry.name
            for entry in plan.entries
            if entry.role == "control" and not entry.run_durations
        ]
        if left_out:
            notes.append(f"The time limit left no time for {enumeration(left_out)}.")
        what, pace = "a run", plan.slowest
        if plan.slowest_late > plan.slowest:
            what, pace = "the last steps of a run", plan.slowest_late
        if pace >= _NOTED_PACE:
            notes.append(
                f"The machine became slower: {what} took {pace:.1f} times as long as timed steps "
                "promised."
            )
        for entry in plan.contenders:
            epochs = schedule.costs.epochs(entry)
            before = plan.first_epochs.get(entry.name, epochs)
            if epochs < (1 - _NOTED_SHORTENING) * before:
                notes.append(
                    f"{entry.name} was shortened to {epochs:.3g} epochs from {before:.3g}, because "
                    "the machine became slower."
                )
        late = -schedule.clock.left_seconds()
        if late > _NOTED_LATE_SHARE * limit:
            notes.append(
                f"The study took about {approximate_duration(late)} longer than its limit."
            )
        return notes

    def _is_first_round(self) -> bool:
        """Return whether the first seed, or the first repeat of all folds, is not complete."""
        return len(self.seeds) < self.schedule.plan.runs_per_seed

    def _end_in_time(self, entries: Sequence[ComparisonEntry], late_share: float) -> bool:
        """Return whether one run of each of these entries ends in time."""
        clock = self.schedule.clock
        if clock.limit.seconds is None:
            return True
        seconds = sum(self.schedule.expected_seconds(entry) for entry in entries)
        return seconds <= clock.left_seconds() + late_share * clock.limit.seconds

    def _may_continue(self, waiting: Sequence[ComparisonEntry], late_seconds: float = 0.0) -> bool:
        """Return whether a seed that has begun is completed. The first seed always is.

        Args:
            waiting: The contenders that still need a run.
            late_seconds: Seconds of the run in progress that are left.
        """
        limit = self.schedule.clock.limit
        if limit.seconds is None or limit.when_slow == "lengthen" or self._is_first_round():
            return True
        late_share = _LATE_SHARE_OF_ROUND - late_seconds / limit.seconds
        return self._end_in_time(waiting, late_share)

    def _train_all(self, entries: Sequence[ComparisonEntry], seed: int) -> None:
        """Train one run of each entry.

        Raises:
            OutOfTime: The seed would end too late.
        """
        waiting = list(entries)
        while waiting and self.schedule.plan.can_decide:
            if not self._may_continue(waiting):
                raise OutOfTime
            self._train(waiting.pop(0), seed, waiting)
            waiting = [entry for entry in waiting if entry.name not in self.schedule.plan.left_out]

    def _train(self, entry: ComparisonEntry, seed: int, waiting: Sequence[ComparisonEntry]) -> None:
        """Train one run, restart it if the plan is corrected meanwhile, and record it.

        Args:
            entry: The contender or control.
            seed: The seed of the run, or its number with folds.
            waiting: The contenders that need a run after this one.

        Raises:
            OutOfTime: The seed would end too late.
        """
        schedule = self.schedule
        run = schedule.fold_run(entry, seed)
        folder, summary = self._folder(entry, seed), None
        while True:
            expected, started = schedule.expected_seconds(entry), schedule.context.seconds_spent()
            recipe, watch = entry.planned_recipe, self._watch(entry, waiting)
            try:
                with progress.muted():
                    job = TrainingJob(recipe, run.data, run.seed, folder, watch=watch)
                    summary = train(job)
                entry.runs[seed] = folder
            except RunFailed as error:
                entry.failures[seed] = f"{run.name} failed: {error.message}"
                progress.say(f"{entry.name}, {run.name}: {error}")
            except PaceChanged:
                store.remove_folder(folder)
                self._restart(entry)
                if entry.name in schedule.plan.left_out:
                    return
                continue
            except OutOfTime:
                store.remove_folder(folder)
                raise
            break

        seconds = schedule.context.seconds_spent() - started
        self._record(entry, seconds, expected, summary)
        self.advance()
        if isinstance(watch, _PaceWatch) and summary is not None and not summary.reused:
            self._correct_after(entry, watch)

    def _correct_after(self, entry: ComparisonEntry, watch: _PaceWatch) -> None:
        """Correct the plan of the next runs if the pace changed late in the first of a contender.

        Early in the run, it was noticed, and the run restarted if that was worth it.
        """
        is_slower = watch.late_pace > _SLOWER * max(1.0, watch.mean_pace)
        if is_slower and self.schedule.clock.limit.when_slow == "shorten":
            plan = self.schedule.plan
            plan.slowest_late = max(plan.slowest_late, watch.late_pace)
            self.schedule.correct_after(entry, watch.late_pace, watch.mean_pace)

    def _folder(self, entry: ComparisonEntry, seed: int) -> Path:
        run = self.schedule.fold_run(entry, seed)
        return self.schedule.context.folder / "runs" / f"{folder_name(entry.name)}-{run.suffix}"

    def _record(
        self, entry: ComparisonEntry, seconds: float, expected: float, summary: RunSummary | None
    ) -> None:
        """Record how long a run took: the costs of the next runs."""
        if summary is None:  # It failed early: with another seed, a run takes its full time.
            seconds = max(seconds, expected)
        elif summary.reused:
            seconds = summary.seconds.total - summary.seconds.prepare
        elif expected >= _NOTED_SECONDS and entry.role == "contender":
            self.schedule.clock.pace = seconds / expected
            if seconds / expected > self.schedule.plan.slowest:
                self.schedule.plan.slowest = seconds / expected
                self.schedule.write()
        entry.run_durations.append(seconds)

    def _restart(self, entry: ComparisonEntry) -> None:
        """Correct the plan of all runs that have not ended."""
        self._corrections[entry.name] = self._corrections.get(entry.name, 0) + 1
        before = self.schedule.costs.epochs(entry)
        self.schedule.divide()
        if entry.name in self.schedule.plan.left_out:
            return
        is_slower = self.schedule.costs.epochs(entry) < before
        progress.say(
            f"the machine became {'slower' if is_slower else 'faster'}: "
            f"{entry.name} restarts with {_epochs_text(entry)} for every seed."
        )

    def _watch(self, entry: ComparisonEntry, waiting: Sequence[ComparisonEntry]) -> Watch | None:
        """Return the watch over a run: over its pace if it is the first of a contender.

        The watch over a further seed gives it up as soon as it is known to end too late.
        """
        schedule = self.schedule
        cost = schedule.costs.cost(entry)
        if schedule.clock.limit.seconds is None or cost is None or entry.role == "control":
            return None
        if entry.has_ended_run and not entry.is_solved:
            steps = round(schedule.costs.epochs(entry) * cost.steps_per_epoch)
            return _TimeWatch(steps, lambda seconds: self._may_continue(waiting, seconds))
        if entry.has_ended_run:
            return None
        if entry.is_solved or self._corrections.get(entry.name, 0) >= _CORRECTIONS:
            return None
        return _PaceWatch(schedule, entry, cost)


def _epochs_text(entry: ComparisonEntry) -> str:
    """Return the planned epochs of an entry in words."""
    return "all epochs" if entry.epochs is None else f"{entry.epochs:g} epochs"


class _PaceWatch:
    """Compares the pace of a run with the timed steps: early in the run, and at its end.

    Attributes:
        late_pace: Seconds per step of the last part of the run, relative to the timed steps.
        mean_pace: The same of the whole run.
    """

    def __init__(self, schedule: ComparisonSchedule, entry: ComparisonEntry, cost: RunCost) -> None:
        self._schedule, self._entry, self._cost = schedule, entry, cost
        self._steps = schedule.costs.epochs(entry) * cost.steps_per_epoch
        self._expected_seconds = cost.seconds(schedule.costs.epochs(entry))
        self._first: tuple[int, float] | None = None
        self._part: tuple[int, float] | None = None
        self._is_done = False
        self.late_pace = self.mean_pace = 1.0

    def __call__(self, done: int, seconds: float) -> None:
        """Take a step into account.

        Args:
            done: Steps done.
            seconds: Seconds of training.

        Raises:
            PaceChanged: The plan must be corrected.
        """
        if self._first is None:  # the first step loads what is loaded once
            self._first = self._part = (done, seconds)
            return
        self._follow(done, seconds)
        if self._is_done:
            return
        steps, elapsed = done - self._first[0], seconds - self._first[1]
        is_due = elapsed >= _LEAST_SECONDS and (
            done >= _WATCHED_SHARE * self._steps
            or seconds >= _WATCHED_SHARE * self._expected_seconds
        )
        if steps < _LEAST_STEPS or not is_due:
            return

        self._is_done = True
        pace = self._pace(self._first, done, seconds)
        is_slower = pace > _SLOWER and self._schedule.clock.limit.when_slow == "shorten"
        is_notable = pace < _FASTER or is_slower
        if is_notable and self._schedule.is_changed_by(self._entry, pace):
            raise PaceChanged

    def _follow(self, done: int, seconds: float) -> None:
        """Measure the pace of the whole run, and of each part of it as soon as it is complete."""
        assert self._first is not None and self._part is not None, "the first step was seen"
        steps, elapsed = done - self._part[0], seconds - self._part[1]
        if steps < _LEAST_STEPS or elapsed < _LEAST_SECONDS:
            return
        if steps >= _PART_SHARE * self._steps or elapsed >= _PART_SHARE * self._expected_seconds:
            self.late_pace = self._pace(self._part, done, seconds)
            self.mean_pace = self._pace(self._first, done, seconds)
            self._part = (done, seconds)

    def _pace(self, since: tuple[int, float], done: int, seconds: float) -> float:
        """Return the seconds per step since a step, relative to the timed steps."""
        cost = self._cost
        validations = done // cost.steps_per_epoch - since[0] // cost.steps_per_epoch
        expected = (done - since[0]) * cost.step + validations * cost.validation
        return (seconds - since[1]) / expected


class _TimeWatch:
    """Gives up a run of a further seed as soon as its pace shows that it ends too late."""

    def __init__(self, steps: int, may_continue: Callable[[float], bool]) -> None:
        self._steps, self._may_continue = steps, may_continue
        self._first: tuple[int, float] | None = None

    def __call__(self, done: int, seconds: float) -> None:
        """Take a step into account.

        Args:
            done: Steps done.
            seconds: Seconds of training.

        Raises:
            OutOfTime: The run would end too late.
        """
        if self._first is None:
            self._first = (done, seconds)
            return
        steps = done - self._first[0]
        seconds_left = (self._steps - done) * (seconds - self._first[1]) / steps
        if steps >= _LEAST_STEPS and not self._may_continue(seconds_left):
            raise OutOfTime
