"""The schedule of a comparison: which runs fit into its time limit, and how long they are.

It is planned once, before the first run, from steps that are timed several times. All seeds of a
contender take the same steps. While the first run of a contender is in progress, its pace is
watched, and the plan of all runs that have not ended is corrected together.

A contender that cannot reach its fewest epochs is left out before it costs time. If fewer than two
are left, no verdict is possible, and the study is refused. Before that, the steps are timed again
for a while: a slow moment must not decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from headstart import progress, store
from headstart.classifier import choose_threads_again
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.features import FEATURES_FRACTION, FeatureTimer, prepare_features, warm_up
from headstart.formatting import approximate_duration, enumeration
from headstart.models import is_backbone
from headstart.models.recipes import Recipe, resolve, with_net
from headstart.results import JsonObject
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._folds import FoldRun, StudyFolds
from headstart.studies._planned_entries import follow_planned_entries, planned_entries
from headstart.studies._study import StudyContext
from headstart.studies._time_division import Demand, Division, divide, least_seconds
from headstart.studies._time_limit import TimeLimit, prediction_seconds
from headstart.studies._too_short import answering_command, describe_need
from headstart.training import RunCost, RunTimer, least_epochs

# Reserved for the figures, the page and the explanations of errors.
_REPORT_SECONDS, _REPORT_SECONDS_PER_CONTENDER = 3.0, 1.5
_RESERVED_SHARE = 0.02  # of the time limit, for what was not measured

# Steps are timed so often, unless this takes more than a share of the time limit.
_TIMINGS, _TIMING_SHARE = 3, 0.05

# Steps are timed again for this share of the time limit before a contender is left out. Once runs
# have begun, the fewest epochs may end so much after the limit: a machine that became a bit slower
# must not cost the verdict.
_PATIENCE, _LATE_SHARE = 0.1, 0.1

# Steps that were timed at a slow moment must not take all time from the features: these get at
# least this fraction of an equal share.
_LEAST_FEATURE_SHARE = 0.25
# Of the time that the others leave, if the smallest images do not fit into an equal share. Three of
# three `make demo` ended without a result there (benchmarks/time_limits.md).
_LARGEST_FEATURES_FRACTION = 0.95

_MIN_SECONDS_PER_RUN = 0.2
_DIGITS = 3  # of a planned number of epochs
_SMALL_CHANGE = 0.1  # of a number of epochs: not worth a restart
_MARGIN = 1.2  # on the time limit that is proposed


@dataclass
class ComparisonSchedule:
    """The runs of a comparison as planned, and the corrections of the plan.

    Attributes:
        entries: Contenders and controls that are trained here.
        seeds: Number of seeds that the study asks for.
        limit: The time limit.
        context: The study, whose clock counts.
        folds: The folds of the study, whose runs are numbered in the place of seeds; None for one
            split.
        planned_seeds: Number of seeds that fit.
        has_controls: Whether the controls fit.
        pace: Seconds per step of the run that was watched last, relative to the timed steps.
        needed_seconds: A time limit with which every contender reaches its minimum number of
            epochs, with all seeds; None if this one is long enough.
        finished_runs: Number of contenders that are finished runs, which take no time.
        left_out: What each contender that was left out needs, in words, by its name.
    """

    entries: Sequence[ComparisonEntry]
    seeds: int
    limit: TimeLimit
    context: StudyContext
    folds: StudyFolds | None = None
    planned_seeds: int = 0
    has_controls: bool = True
    pace: float = 1.0
    needed_seconds: float | None = None
    finished_runs: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    _timers: dict[str, RunTimer] = field(default_factory=dict)
    _costs: dict[str, RunCost] = field(default_factory=dict)
    _feature_seconds: dict[str, float] = field(default_factory=dict)
    _is_planned: bool = False

    @property
    def runs_per_seed(self) -> int:
        """The number of runs that test all images: one, or one per fold."""
        return 1 if self.folds is None else self.folds.folds.count

    def fold_run(self, entry: ComparisonEntry, number: int) -> FoldRun:
        """Return data, seed and name of a run of an entry, from its seed or number."""
        if self.folds is None:
            return FoldRun(self.data(entry), number, f"seed{number}")
        return self.folds.run(number)

    @property
    def contenders(self) -> list[ComparisonEntry]:
        """The contenders that are trained."""
        return [entry for entry in self.requested if entry.name not in self.left_out]

    @property
    def requested(self) -> list[ComparisonEntry]:
        """The contenders, also those that are left out."""
        return [entry for entry in self.entries if entry.role == "contender"]

    @property
    def can_decide(self) -> bool:
        """True unless the time limit leaves too few contenders for a verdict."""
        wanted = min(2, len(self.requested) + self.finished_runs)
        return len(self.contenders) + self.finished_runs >= wanted

    @property
    def controls(self) -> list[ComparisonEntry]:
        """The controls that are trained."""
        if not self.has_controls:
            return []
        controls = [entry for entry in self.entries if entry.role == "control"]
        return [entry for entry in controls if entry.model_name not in self.left_out]

    def plan(self) -> None:
        """Prepare the contenders and decide which runs fit, or follow the plan in `budget.json`.

        Raises:
            InputError: The time limit is too short for a verdict.
        """
        backbones = {entry.recipe.model: entry.recipe for entry in self.entries}
        for recipe in backbones.values():
            if is_backbone(recipe.model):
                warm_up(recipe)

        self.planned_seeds = self.seeds
        written: Any = store.read_json_or(self.context.folder / "budget.json", None)
        if written is not None:
            self._follow(written)
        elif self.limit.seconds is None:
            for entry in self.contenders:
                self.prepare(entry)
            self._write()
        else:
            self._prepare_in_time(self.limit.seconds)
            self._require_time(self.limit.seconds)
            self.divide()

    def recipe(self, entry: ComparisonEntry) -> Recipe:
        """Return the recipe of all runs of an entry, with the planned number of epochs."""
        if entry.epochs is None:
            return entry.recipe
        return entry.recipe.model_copy(update={"epochs": entry.epochs})

    def epochs(self, entry: ComparisonEntry) -> float:
        """Return the number of epochs of the runs of an entry, as planned now."""
        return entry.epochs or self._resolved(entry).epochs or 1.0

    def data(self, entry: ComparisonEntry) -> SplitDataset:
        """Return the data that an entry is trained on."""
        return entry.data or self.context.data

    def cost(self, entry: ComparisonEntry) -> RunCost | None:
        """Return the cost of a run of an entry; None if it was not measured.

        A control costs what its contender does: the same network with other weights.
        """
        return self._costs.get(entry.name) or self._costs.get(entry.model_name)

    def expected_seconds(self, entry: ComparisonEntry) -> float:
        """Return the seconds of the next run of an entry, from its runs or from timed steps."""
        if entry.run_durations:
            return median(entry.run_durations)
        cost = self.cost(entry)
        if cost is None:
            return 0.0
        return self._features_to_come(entry) + cost.seconds(self.epochs(entry))

    def left_seconds(self) -> float:
        """Return the seconds until the report must begin; infinite without a limit."""
        if self.limit.seconds is None:
            return math.inf
        contenders = len(self.contenders)
        report = _REPORT_SECONDS + _REPORT_SECONDS_PER_CONTENDER * contenders
        report += prediction_seconds(self.context.data, self.planned_seeds * contenders)
        reserve = report * max(1.0, self.pace) + _RESERVED_SHARE * self.limit.seconds
        return self.limit.seconds - self.context.seconds_spent() - reserve

    def prepare(self, entry: ComparisonEntry) -> None:
        """Compute the features of an entry, at the decided or usual image size.

        Args:
            entry: A contender, or a control, which gets the image size of its contender.
        """
        if not is_backbone(entry.recipe.model):
            return
        progress.say(f"{entry.name}: computing features once for all seeds")
        recipe = with_net(entry.recipe, **self._decided_size(entry))
        prepared = prepare_features(recipe, self.data(entry), entry.seeds[0])
        entry.recipe, entry.prepare_seconds = prepared
        entry.is_prepared = True

    def divide(self) -> None:
        """Divide the time that is left between the runs that are left, and write the plan.

        Raises:
            InputError: The time limit is too short for a verdict, and no contender has a run.
        """
        division = self._division()
        if not division.fits:
            division = self._division_after_timing_again()
        self._leave_out(division.left_out)
        if self.left_out:
            self.needed_seconds = self._needed_seconds()
        self.planned_seeds, self.has_controls = division.seeds, division.has_controls
        for entry in self.entries:
            planned = division.epochs.get(entry.name)
            if planned is not None and not entry.has_ended_run and not entry.is_solved:
                entry.epochs = self._rounded(entry, planned)
        self._is_planned = True
        self._write()

    @property
    def answer(self) -> str:
        """The command, or the option, that gives the time that every contender needs."""
        assert self.needed_seconds is not None, "no contender is left out"
        return answering_command(self.needed_seconds, self.context.command)

    def is_changed_by(self, entry: ComparisonEntry, pace: float) -> bool:
        """Measure the costs again, and return whether the plan of an entry changes with them.

        If so, its run in progress must restart, after `divide`. Before that, the number of threads
        is chosen again: beside new work of others, fewer threads can be several times as fast.

        Args:
            entry: The contender whose first run is in progress.
            pace: Its seconds per step, relative to the timed steps.
        """
        self.pace = pace
        others = [
            other
            for other in self.contenders
            if other is not entry and not other.has_ended_run and not other.is_solved
        ]
        if choose_threads_again():
            self.pace = 1.0  # relative to the timings that follow
            self._time_again([entry, *others])
            return self._is_changed(entry)

        timed = dict(self._costs)
        for contender in (entry, *others):
            self._costs[contender.name] = self._costs[contender.name].scaled(pace)
        if not self._is_changed(entry):
            self._costs = timed
            return False
        self._time_again(others)
        return self._is_changed(entry)

    def _time_again(self, entries: Sequence[ComparisonEntry]) -> None:
        """Forget the timed steps of entries, and time some again."""
        for entry in entries:
            timer = self._timers.get(entry.name)
            if timer is not None:
                timer.restart()
                timer.measure()
                self._costs[entry.name] = timer.cost

    def _is_changed(self, entry: ComparisonEntry) -> bool:
        """Return whether the costs as known now lead to another number of epochs."""
        planned = self._division().epochs.get(entry.name, 0.0)
        return abs(planned / self.epochs(entry) - 1) > _SMALL_CHANGE

    def _prepare_in_time(self, limit: float) -> None:
        """Time the contenders' steps and compute the features of frozen backbones.

        Contenders that are trained by steps come first: what they need at least is not available
        for features. If they alone take too long, no features are computed in vain.

        Raises:
            InputError: The time limit is too short for a verdict.
        """
        frozen = [entry for entry in self.contenders if entry.recipe.on_features]
        for entry in self.contenders:
            if entry not in frozen:
                self.prepare(entry)
                self._start_timer(entry)
        if frozen and self._timers:
            division = self._division()
            if not division.fits:
                division = self._division_after_timing_again()
            self._leave_out(division.left_out)
        for number, entry in enumerate(frozen):
            if self._prepare_frozen(entry, len(frozen) - number, limit):
                self._start_timer(entry)

        started = self.context.seconds_spent()
        for _ in range(_TIMINGS - 1):
            for name, timer in self._timers.items():
                timer.measure()
                self._costs[name] = timer.cost
            if self.context.seconds_spent() - started > _TIMING_SHARE * limit:
                break

    def _start_timer(self, entry: ComparisonEntry) -> None:
        timer = RunTimer(entry.recipe, self.data(entry))
        timer.measure()
        self._timers[entry.name] = timer
        self._costs[entry.name] = timer.cost
        entry.is_solved = timer.recipe.optimizer == "lbfgs"
        entry.least_epochs = least_epochs(timer.recipe)

    def _prepare_frozen(self, entry: ComparisonEntry, waiting: int, limit: float) -> bool:
        """Compute the features of a frozen contender, at a size that fits into the time.

        Args:
            entry: The contender.
            waiting: Number of frozen contenders without features, this one included.
            limit: Seconds of the whole study.

        Returns:
            False if there is no time for them. Then the contender is left out.
        """
        if entry.recipe.net.model_dump(include={"input_px"})["input_px"] is None:
            size = self._affordable_size(entry, waiting, limit)
            if size is None:
                return False
            entry.recipe = with_net(entry.recipe, input_px=size)
        self.prepare(entry)
        return True

    def _affordable_size(self, entry: ComparisonEntry, waiting: int, limit: float) -> int | None:
        """Return the image size whose features fit into the time of a frozen contender.

        Its control takes as long again. If even the smallest images are too slow for both, the
        control is left out. If they are too slow for an equal share, on a busy machine, the others
        keep what they need at least, and the features may take all the rest.

        Args:
            entry: The contender.
            waiting: Number of frozen contenders without features, this one included.
            limit: Seconds of the whole study.

        Returns:
            The image size. None if there is not enough time even then, and the others are enough
            for a verdict.

        Raises:
            InputError: There is not enough time, and without it there is no verdict.
        """
        left = self.left_seconds()
        iterative = sum(
            self.runs_per_seed * self._costs[other.name].seconds(other.least_epochs)
            for other in self.contenders
            if other.name in self._costs and not other.recipe.on_features
        )
        equal, rest = left / len(self.contenders), (left - iterative) / waiting
        share = max(_LEAST_FEATURE_SHARE * equal, min(equal, rest))
        choices = [FEATURES_FRACTION * share, FEATURES_FRACTION * equal]
        choices.append(_LARGEST_FEATURES_FRACTION * rest)
        if any(other.model_name == entry.name for other in self.controls):
            choices.insert(0, choices[0] / 2)

        progress.say(f"{entry.name}: timing its features")
        timer = FeatureTimer(entry.recipe, self.data(entry))
        for seconds in choices:
            size = timer.largest_size(seconds)
            if size is not None:
                return size
            self.has_controls = False

        self._feature_seconds[entry.name] = timer.least_seconds
        shown = approximate_duration(timer.least_seconds)
        self.left_out[entry.name] = f"{entry.name} needs about {shown} for its features"
        self.needed_seconds = self._needed_seconds()
        if self.can_decide:
            progress.say(f"{entry.name} is left out: {timer.describe_excess(choices[-1])}")
            return None
        raise InputError(
            timer.describe_excess(choices[-1]),
            f"Use fewer --train-images, or more time. {self.answer}",
        )

    def _division(self) -> Division:
        """Return the division of the time that is left.

        Once a run that the limit cut has ended, the other contenders keep the epochs that were
        planned together with it as long as one seed fits: a slow moment must not cost one contender
        more than another. Nor does a fast one give it more time than that run had.
        """
        demands, left = self._demands(self.contenders), self.left_seconds()
        cut = [
            entry for entry in self.contenders if entry.has_ended_run and entry.epochs is not None
        ]
        if cut:
            division = self._division_with_planned(demands, cut, left)
            if division.fits:
                return division
        division = divide(demands, self.seeds, left, self.runs_per_seed)
        if division.fits or not self._is_planned:
            return division

        assert self.limit.seconds is not None, "there is no plan without a limit"
        least = [
            replace(demand, epochs=demand.least) for demand in demands if not demand.is_control
        ]
        late = left + _LATE_SHARE * self.limit.seconds
        shortest = divide(least, self.runs_per_seed, late, self.runs_per_seed)
        return shortest if shortest.fits else division

    def _division_with_planned(
        self, demands: Sequence[Demand], cut: Sequence[ComparisonEntry], left: float
    ) -> Division:
        """Return the division in which contenders keep the epochs that were planned together.

        Args:
            demands: The demands of all entries.
            cut: The contenders with an ended run that the limit cut.
            left: Seconds that are left.
        """
        entries = {entry.name: entry for entry in self.entries}
        longest = max(median(entry.run_durations) for entry in cut)
        kept = []
        for demand in demands:
            planned = self.epochs(entries[demand.name])
            most = max(planned, min(demand.epochs, demand.cost.epochs(longest)))
            kept.append(replace(demand, least=planned, epochs=most))
        return divide(kept, self.seeds, left, self.runs_per_seed)

    def _division_after_timing_again(self) -> Division:
        """Time the steps again until every contender fits, or for a share of the time limit.

        Contenders are left out by the last timing. Those with an ended run keep its cost.
        """
        assert self.limit.seconds is not None, "there is no plan without a limit"
        end = self.context.seconds_spent() + _PATIENCE * self.limit.seconds
        waiting = [
            entry
            for entry in self.contenders
            if not entry.has_ended_run and (entry.is_prepared or not entry.recipe.on_features)
        ]
        for entry in waiting:
            if entry.name not in self._timers:  # the study was interrupted
                self._start_timer(entry)
        choose_threads_again()
        division = self._division()
        while waiting and not division.fits:
            self._time_again(waiting)
            self.pace = 1.0  # relative to these timings
            division = self._division()
            if self.context.seconds_spent() >= end:
                break
        return division

    def _leave_out(self, names: Sequence[str]) -> None:
        """Leave contenders out, for which there is no time.

        Raises:
            InputError: Too few are left for a verdict, and no contender has runs that test all
                images.
        """
        if not names:
            return
        demands = {demand.name: demand for demand in self._demands(self.contenders)}
        for name in names:
            self.left_out[name] = describe_need(demands[name], self.runs_per_seed)
        most_runs = max(len(entry.run_durations) for entry in self.requested)
        is_refused = not self.can_decide and most_runs < self.runs_per_seed
        if is_refused:
            self._time_features_to_come()
        self.needed_seconds = self._needed_seconds()
        if is_refused:
            raise InputError(
                f"a time limit of {self.limit.seconds:g} s is too short for a verdict. "
                f"{enumeration(list(self.left_out.values()))}.",
                self.answer,
            )
        for name in names:
            progress.say(f"{name} is left out: there is no time for it.")

    def _time_features_to_come(self) -> None:
        """Time the features of frozen contenders without any, at their smallest image size."""
        for entry in self.requested:
            if entry.recipe.on_features and not entry.is_prepared:
                timer = FeatureTimer(entry.recipe, self.data(entry))
                self._feature_seconds.setdefault(entry.name, timer.least_seconds)

    def _require_time(self, limit: float) -> None:
        if self.left_seconds() >= _MIN_SECONDS_PER_RUN * len(self.contenders) * self.runs_per_seed:
            return
        raise InputError(
            f"a time limit of {limit:g} s leaves less than {_MIN_SECONDS_PER_RUN:g} s for each "
            "run.",
            answering_command(self._needed_seconds(), self.context.command),
        )

    def _demands(self, contenders: Sequence[ComparisonEntry]) -> list[Demand]:
        """Return what contenders need, and the controls that are trained.

        Before features are computed, frozen contenders have no cost, and are missing.
        """
        demands = []
        for entry in [*contenders, *self.controls]:
            cost = self.cost(entry)
            if cost is None:
                continue
            epochs = self._resolved(entry).epochs or 1.0
            least = entry.least_epochs if entry.role == "contender" else epochs
            if entry.has_ended_run:
                cost = RunCost(median(entry.run_durations))
                epochs = least = self.epochs(entry)
            demands.append(
                Demand(
                    entry.name,
                    cost,
                    epochs,
                    least,
                    done=len(entry.run_durations),
                    is_control=entry.role == "control",
                    control_runs=self.runs_per_seed,
                    extra=self._features_to_come(entry),
                )
            )
        return demands

    def _needed_seconds(self) -> float:
        """Return a time limit that gives every contender its fewest epochs at all seeds."""
        limit = self.limit.seconds
        assert limit is not None, "there is no plan without a limit"
        ended = sum(sum(entry.run_durations) for entry in self.requested)
        spent = limit - self.left_seconds() - ended
        demands = [replace(demand, done=0) for demand in self._demands(self.requested)]
        spent += sum(self._feature_seconds.values())
        return _MARGIN * (spent + least_seconds(demands, self.seeds))

    def _features_to_come(self, entry: ComparisonEntry) -> float:
        """Return the expected seconds of features that are not computed yet."""
        if entry.is_prepared or not entry.recipe.on_features:
            return 0.0
        contender = self._contender(entry)
        return 0.0 if contender is None else contender.prepare_seconds

    def _contender(self, entry: ComparisonEntry) -> ComparisonEntry | None:
        for other in self.contenders:
            if other.name == entry.model_name:
                return other
        return None

    def _decided_size(self, entry: ComparisonEntry) -> JsonObject:
        """Return the image size of the contender that an entry is a variant of, if it is known."""
        contender = self._contender(entry)
        if contender is None or contender is entry or not contender.is_prepared:
            return {}
        return contender.recipe.net.model_dump(include={"input_px"})

    def _resolved(self, entry: ComparisonEntry) -> Recipe:
        data = self.data(entry)
        return resolve(entry.recipe, len(data.split.train))

    def _rounded(self, entry: ComparisonEntry, epochs: float) -> float | None:
        """Return a planned number of epochs, rounded down; None for all epochs of the recipe."""
        if epochs >= (self._resolved(entry).epochs or 1.0):
            return None
        cost = self.cost(entry)
        assert cost is not None, "it was timed"
        one_step = 1 / cost.steps_per_epoch
        unit = 10.0 ** (math.floor(math.log10(max(epochs, one_step))) + 1 - _DIGITS)
        return max(one_step, round(math.floor(epochs / unit) * unit, 6))

    def _write(self) -> None:
        """Write `budget.json`, so that a resumed study follows the plan."""
        content = {
            "entries": planned_entries(self.entries, self._costs),
            "seeds": self.planned_seeds,
            "has_controls": self.has_controls,
            "needed_seconds": self.needed_seconds,
            "left_out": self.left_out,
        }
        store.write_json(self.context.folder / "budget.json", content)

    def _follow(self, written: Any) -> None:
        """Take over a plan that `_write` wrote."""
        self.planned_seeds = written["seeds"]
        self.has_controls = written["has_controls"]
        self.needed_seconds = written["needed_seconds"]
        self.left_out = dict(written.get("left_out", {}))
        self._is_planned = True
        self._costs = follow_planned_entries(self.entries, written["entries"])
