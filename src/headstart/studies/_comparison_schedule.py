"""The schedule of a comparison: which runs fit into its time limit, and how long they are.

It is planned once, before the first run, from steps that are timed several times. All seeds of a
contender take the same steps. While the first run of a contender is in progress, its pace is
watched, and the plan of all runs that have not ended is corrected together. If the pace changes
late in that run, the plan of the runs after it is corrected when it ends.

A contender that cannot reach its fewest epochs, or its features, is left out before it costs time.
If fewer than two are left, no verdict is possible, and the study is refused. Before that, the steps
are timed again for a while: a slow moment must not decide.
"""

from __future__ import annotations

import math

from headstart import progress
from headstart.classifier import choose_threads_again
from headstart.features import warm_up
from headstart.models import is_backbone
from headstart.studies._comparison_clock import ComparisonClock
from headstart.studies._comparison_division import divide_left_time, needed_seconds
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_features import (
    FeaturesTooSlow,
    has_input_size,
    prepare,
    prepare_in_time,
)
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts
from headstart.studies._folds import FoldRun, StudyFolds
from headstart.studies._plan_file import follow_plan, write_plan
from headstart.studies._study import StudyContext
from headstart.studies._time_division import Division
from headstart.studies._time_limit import TimeLimit
from headstart.studies._too_little_time import leave_out, require_time
from headstart.studies._too_short import answering_command

# Steps are timed so often, unless this takes more than a share of the time limit.
_TIMINGS, _TIMING_SHARE = 3, 0.05

# Steps are timed again for this share of the time limit before a contender is left out. Before
# features are computed, this ends with the first third of the limit, so that a refusal is early.
_PATIENCE, _EARLY_SHARE = 0.1, 1 / 3

# Features are given up so often for one contender. Then they are completed.
_FEATURE_CORRECTIONS = 2

_SMALL_CHANGE = 0.1  # of a number of epochs: not worth a restart


class ComparisonSchedule:
    """Makes the plan of a comparison, and corrects it.

    Attributes:
        plan: The plan.
        context: The study.
        clock: The time limit, and the time that is left.
        costs: What the runs cost.
        folds: The folds of the study, whose runs are numbered in the place of seeds; None for one
            split.
    """

    def __init__(
        self,
        plan: ComparisonPlan,
        limit: TimeLimit,
        context: StudyContext,
        folds: StudyFolds | None = None,
    ) -> None:
        self.plan, self.context, self.folds = plan, context, folds
        self.clock = ComparisonClock(plan, limit, context)
        self.costs = EntryCosts(context.data, limit.seconds)

    def make_plan(self) -> None:
        """Prepare the contenders and decide which runs fit, or follow the plan in `budget.json`.

        Raises:
            InputError: The time limit is too short for a verdict.
        """
        backbones = {entry.recipe.model: entry.recipe for entry in self.plan.entries}
        for recipe in backbones.values():
            if is_backbone(recipe.model):
                warm_up(recipe)

        self.plan.planned_seeds = self.plan.seeds
        if follow_plan(self.plan, self.costs, self.context.folder):
            return
        if self.clock.limit.seconds is None:
            for entry in self.plan.contenders:
                self.prepare(entry)
            self.write()
            return
        self._prepare_in_time()
        require_time(self.plan, self.costs, self.clock)
        self.divide()

    def prepare(self, entry: ComparisonEntry) -> None:
        """Compute the features of an entry, at the decided or usual image size."""
        prepare(entry, self.plan, self.costs)

    def divide(self) -> None:
        """Divide the time that is left between the runs that are left, and write the plan.

        Raises:
            InputError: The time limit is too short for a verdict, and no contender has a run.
        """
        division = self._division_with_patience()
        plan = self.plan
        if plan.left_out:
            plan.needed_seconds = needed_seconds(plan, self.costs, self.clock)
        plan.planned_seeds, plan.has_controls = division.seeds, division.has_controls
        for entry in plan.entries:
            planned = division.epochs.get(entry.name)
            if planned is not None and not entry.has_ended_run and not entry.is_solved:
                entry.epochs = self.costs.rounded_epochs(entry, planned)
        if not plan.is_divided:
            plan.first_epochs = {entry.name: self.costs.epochs(entry) for entry in plan.contenders}
        plan.is_divided = True
        self.write()

    def is_changed_by(self, entry: ComparisonEntry, pace: float) -> bool:
        """Measure the costs again, and return whether the plan of an entry changes with them.

        If so, its run in progress must restart, after `divide`. Before that, the number of threads
        is chosen again: beside new work of others, fewer threads can be several times as fast.

        Args:
            entry: The contender whose first run is in progress.
            pace: Its seconds per step, relative to the timed steps.
        """
        self.clock.pace = pace
        others = [
            other
            for other in self.plan.contenders
            if other is not entry and not other.has_ended_run and not other.is_solved
        ]
        if choose_threads_again():
            self.clock.pace = 1.0  # relative to the timings that follow
            self.costs.time_again([entry, *others])
            return self._is_changed(entry)

        costs = self.costs.costs
        timed = dict(costs)
        for contender in (entry, *others):
            costs[contender.name] = costs[contender.name].scaled(pace)
        if not self._is_changed(entry):
            costs.update(timed)
            return False
        self.costs.time_again(others)
        return self._is_changed(entry)

    def correct_after(self, entry: ComparisonEntry, late_pace: float, mean_pace: float) -> None:
        """Correct the plan of all runs after the first one of a contender.

        Its steps are timed again: a slow moment at the end of the run must not decide.

        Args:
            entry: The contender, whose first run has ended at another pace than planned.
            late_pace: Its seconds per step at the end, relative to the timed steps.
            mean_pace: The same of the whole run.

        Raises:
            InputError: The time limit is too short for a verdict, and no contender has runs that
                test all images.
        """
        timed = self.costs.costs[entry.name]
        others = [other for other in self.plan.contenders if not other.has_ended_run]
        choose_threads_again()
        self.costs.time_again([entry, *others])
        pace = min(late_pace, self.costs.costs[entry.name].step / timed.step)
        entry.late_slowdown = max(1.0, pace / mean_pace)
        self.clock.pace = pace  # also of the report
        if others:
            self.divide()
        else:
            self.write()

    def write(self) -> None:
        """Write the plan to `budget.json`."""
        write_plan(self.plan, self.costs, self.context.folder)

    def fold_run(self, entry: ComparisonEntry, number: int) -> FoldRun:
        """Return data, seed and name of a run of an entry, from its seed or number."""
        if self.folds is None:
            return FoldRun(self.costs.data(entry), number, f"seed{number}")
        return self.folds.run(number)

    def expected_seconds(self, entry: ComparisonEntry) -> float:
        """Return the seconds of the next run of an entry, from its runs or from timed steps."""
        if entry.run_durations:
            return entry.next_duration
        cost = self.costs.cost(entry)
        if cost is None:
            return 0.0
        return self.costs.features_to_come(entry) + cost.seconds(self.costs.epochs(entry))

    @property
    def answer(self) -> str:
        """The command, or the option, that gives the time that every contender needs."""
        assert self.plan.needed_seconds is not None, "no contender is left out"
        return answering_command(self.plan.needed_seconds, self.context.command)

    def _prepare_in_time(self) -> None:
        """Time all contenders, leave out those without time, and compute features for the others.

        Features take long, so none are computed before it is known that everything fits.

        Raises:
            InputError: The time limit is too short for a verdict.
        """
        for entry in self.plan.contenders:
            if not entry.recipe.on_features:
                self.prepare(entry)
                self.costs.start_timer(entry)
        frozen = [entry for entry in self.plan.contenders if entry.waits_for_features]
        for entry in frozen:
            if not has_input_size(entry):  # else they may be in the cache
                self.costs.time_features(entry)
        self._time_more()
        if not frozen:
            return

        self._division_with_patience(latest=_EARLY_SHARE * self.clock.limit_seconds)
        for entry in frozen:
            self._compute_features(entry)
        self._time_more()

    def _compute_features(self, entry: ComparisonEntry) -> None:
        """Compute the features of a frozen contender, unless it must be left out.

        Raises:
            InputError: The time limit is too short for a verdict.
        """
        corrections = 0
        while not entry.is_prepared and entry.name not in self.plan.left_out:
            try:
                is_watched = corrections < _FEATURE_CORRECTIONS
                prepare_in_time(entry, self.plan, self.costs, self.clock, is_watched=is_watched)
            except FeaturesTooSlow:
                corrections += 1
                progress.say(f"{entry.name}: its features take longer than the time left for them.")
                self.costs.time_features(entry)
                self._division_with_patience()
        if entry.is_prepared:
            self.costs.start_timer(entry)

    def _time_more(self) -> None:
        """Time the steps some more, unless this takes long."""
        started = self.context.seconds_spent()
        for _ in range(_TIMINGS - 1):
            self.costs.time_more()
            if self.context.seconds_spent() - started > _TIMING_SHARE * self.clock.limit_seconds:
                break

    def _division(self) -> Division:
        return divide_left_time(self.plan, self.costs, self.clock)

    def _division_with_patience(self, latest: float = math.inf) -> Division:
        """Return the division of the time that is left, and leave out contenders without time.

        Args:
            latest: Seconds since the start after which nothing is timed more than once again.

        Raises:
            InputError: Too few are left for a verdict, and no contender has runs that test all
                images.
        """
        division = self._division()
        if not division.fits:
            division = self._division_after_timing_again(latest)
        leave_out(division.left_out, self.plan, self.costs, self.clock)
        return division

    def _division_after_timing_again(self, latest: float) -> Division:
        """Time everything again until every contender fits, or for a share of the time limit.

        Contenders are left out by the last timing. Those with an ended run keep its cost.
        """
        end = self.context.seconds_spent() + _PATIENCE * self.clock.limit_seconds
        end = min(end, latest)
        waiting = [entry for entry in self.plan.contenders if not entry.has_ended_run]
        self.costs.start_missing_timers(waiting)
        choose_threads_again()
        division = self._division()
        while waiting and not division.fits:
            self.costs.time_again(waiting)
            self.clock.pace = 1.0  # relative to these timings
            division = self._division()
            if self.context.seconds_spent() >= end:
                break
        return division

    def _is_changed(self, entry: ComparisonEntry) -> bool:
        """Return whether the costs as known now lead to another number of epochs."""
        planned = self._division().epochs.get(entry.name, 0.0)
        return abs(planned / self.costs.epochs(entry) - 1) > _SMALL_CHANGE
