"""The ladder: which rung to enter next, from measured costs and the results so far.

Nothing is trained here, so every decision can be tested from numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from headstart.formatting import approximate_duration, counted
from headstart.studies.fit._costs import SIZES_PX
from headstart.studies.fit._fold_time import (
    FROZEN_SHARE_WITH_FOLDS,
    LEAST_SCHEDULE,
    longest_with_folds,
)
from headstart.studies.fit._ladder_rungs import SHORT_SHARE, LadderRungs
from headstart.studies.fit._rung import (
    CNN,
    FINE_TUNED,
    FROZEN,
    FailedRung,
    Rung,
    RungResult,
    base_name,
    input_px_of,
    is_complete,
    name_of_longer,
)
from headstart.studies.fit._schedules import full_seconds, least_seconds
from headstart.studies.fit._state import LadderState

# Shares of the time for all rungs.
_FROZEN_SHARE = 0.15
# The same with the final evaluation of the test images, which is reserved while it is the best.
_EVALUATED_FROZEN_SHARE = 0.4
# A solved head of few images gets the fewest pixels in most of a short time, and at least some
# seconds.
_MOST_FOR_FEW, _LEAST_FOR_FEW = 0.8, 2.0
# With so few images, more pixels come before the long run. On 1,000 images of CIFAR-10, a head at
# 192 pixels had 84.6% (benchmarks/fit_plan.md), and a whole fine-tuning 84.5% (docs/labels.md). On
# 2,000, three epochs of fine-tuning had 86.8% (benchmarks/finetune.md).
_IMAGES_FOR_PIXELS, _PIXELS_SHARE = 1500, 0.3
# A frozen backbone at more pixels, or another backbone, after the long run.
_FURTHER_FROZEN_SHARE = 0.25
# More pixels before the long run, with what their evaluation adds, of the time that is left then.
_HALF = 0.5
# A long run gets at least so many times the seconds of the short one, or is not worth it.
_LEAST_GROWTH = 1.3
# Fine-tuning gets the largest image size at which so many passes fit, or else its fewest passes.
_WANTED_FINE_TUNING_EPOCHS = 3.0
_ANOTHER_VIEW = "another view of the same images"
# Why a frozen backbone at more pixels is entered where the time does not suffice for fine-tuning.
INSTEAD_OF_FINE_TUNING = "more pixels instead of fine-tuning, for which there is too little time"
# Share of the remaining time of a long run whose rival is close.
_SHARED = 0.55
# A short fine-tuning that needs more than this share of the time is left out.
_MOST_SHORT_SHARE = 0.2
# A trial of the cnn that needs more than this share is left out: a third cost a frozen backbone its
# larger image size on simulated scenes (benchmarks/fit_plan.md).
_MOST_TRIAL_SHARE = 0.25
# A cnn comes before an expensive frozen backbone if it costs at most this share of it.
_CHEAPER = 1 / 3
_LEAST_SECONDS = 1.0
_MOST_SEEDS = 4
# With few images, a cnn of fewer epochs than this share of its recipe's is never chosen.
_LEAST_CNN_SCHEDULE = 1 / 6


class Ladder(LadderRungs):
    """Decides the next rung."""

    def next(
        self,
        results: Sequence[RungResult],
        failures: Sequence[FailedRung],
        left: float,
        reserved: float = 0.0,
    ) -> Rung | None:
        """Return the next rung; None if no further one is likely to pay.

        Args:
            results: The finished rungs, in their order.
            failures: The failed ones.
            left: Seconds until the final evaluation must begin.
            reserved: Seconds of the final evaluation that were subtracted for it.
        """
        if left < _LEAST_SECONDS:
            return None
        names = {result.rung.name for result in results}
        names |= {failure.rung.name for failure in failures}
        failed = {failure.rung.family for failure in failures}
        state = LadderState(results, failed, names, left, reserved, self.earlier)
        stages = (
            self._cheaper_cnn,
            self._frozen,
            self._short_cnn,
            self._late_frozen,
            self._pixels_instead_of_fine_tuning,
            self._short_fine_tuning,
            self._cheap_frozen,
            self._larger_frozen,
            self._long_run,
            self._further_run,
            self._late_cnn,
        )
        for stage in stages:
            rung = stage(state)
            if rung is not None:
                return rung
        return None

    def last_resort(self) -> Rung:
        """Return a rung for when no time is left and nothing has finished.

        It is a frozen backbone if a few seconds suffice for it, and otherwise some steps of a cnn.
        """
        if self.costs.backbones:
            rung = self._cheapest_frozen(LadderState([], set(), set(), 0.0, 0.0), 0.0)
            if rung is not None:
                return rung
        reason = "the time limit is too short for anything else"
        return self._timed("cnn, short", CNN, self._cnn_recipe(), 2.0, reason)

    def plan(self, begun: Collection[str] = ()) -> tuple[str, ...]:
        """Return the plan in a few lines, for the terminal and the report.

        Args:
            begun: The families whose first run is not to come, because the study continues.
        """
        lines = []
        empty = LadderState([], set(), set(), self.usable, 0.0)
        first = self._frozen(empty)
        if first is not None and FROZEN not in begun:
            lines.append(f"{first.name}: about {approximate_duration(first.seconds)}")
        if CNN not in begun and (first is None or not self._is_trial_too_long()):
            seconds = approximate_duration(self._seconds_of_short_cnn())
            at = 0 if self._cheaper_cnn(empty) is not None else len(lines)
            lines.insert(at, f"cnn from random weights, short: {seconds}")
        px = self._fine_tuning_px(LadderState([], set(), set(), self.usable, 0.0))
        if px is not None and FINE_TUNED not in begun:
            name = f"{self.costs.backbones[0]} fine-tuned at {px} pixels"
            short = self._seconds_of_short_fine_tuning(self._fine_tuning_recipe(px))
            if short <= _MOST_SHORT_SHARE * self.usable:
                lines.append(f"{name}, short: {approximate_duration(short)}")
        then = "then " if lines else ""
        lines.append(f"{then}the family with the best validation score, with the remaining time")
        if self.folds is not None:
            lines.append(
                "few images: if there is time, the choice is made by "
                f"{self.folds}-fold cross-validation; the last fit uses training and validation "
                "images together"
            )
        lines += [f"skipped: {reason}" for reason in self.not_entered.values()]
        return tuple(lines)

    def _cheaper_cnn(self, state: LadderState) -> Rung | None:
        """Return the short cnn before a frozen backbone that costs far more, and much of the time.

        Otherwise, the backbone took all of 25 s on the digits (benchmarks/fit_plan.md).
        """
        frozen = self._frozen(state)
        if frozen is None or frozen.seconds <= _MOST_TRIAL_SHARE * self.usable:
            return None
        is_cheaper = self._seconds_of_short_cnn() <= _CHEAPER * frozen.seconds
        return self._short_cnn(state) if is_cheaper and not self._is_trial_too_long() else None

    def _frozen(self, state: LadderState) -> Rung | None:
        """Return the usual backbone, frozen, at the largest usual size that is cheap enough."""
        if not self.costs.backbones or state.has_begun(FROZEN):
            return None
        share = _FROZEN_SHARE if self.folds is None else FROZEN_SHARE_WITH_FOLDS
        whole = min(_EVALUATED_FROZEN_SHARE * self.usable, state.left)
        rung = self._first_frozen(state, share * self.usable, whole)
        if rung is None and self._is_few:
            most = 1.0 if self._is_cnn_too_slow(_LEAST_CNN_SCHEDULE) else _MOST_FOR_FEW
            rung = self._cheapest_frozen(state, min(most * self.usable, state.left))
        if rung is None:
            self.not_entered[FROZEN] = self.costs.why_not_frozen(
                self.usable, share, _EVALUATED_FROZEN_SHARE
            )
        return rung

    def _cheapest_frozen(self, state: LadderState, seconds: float) -> Rung | None:
        most = max(seconds, _LEAST_FOR_FEW)
        backbone, reason = self.costs.backbones[0], "nothing else learns in so little time"
        return self._largest_frozen(state, backbone, SIZES_PX[:1], most, most, reason)

    def _late_frozen(self, state: LadderState) -> Rung | None:
        """Return a frozen backbone for most of the time, if the cnn has too little of it anyway."""
        if not self.costs.backbones or state.has_begun(FROZEN) or not self._starves_cnn(state):
            return None
        rung = self._first_frozen(state, state.left, state.left)
        if rung is not None:
            self.not_entered.pop(FROZEN, None)
        return rung

    def _first_frozen(self, state: LadderState, seconds: float, whole: float) -> Rung | None:
        sizes = [px for px in SIZES_PX if px <= self.costs.frozen_px]
        reason = "a solved head on features costs little"
        return self._largest_frozen(state, self.costs.backbones[0], sizes, seconds, whole, reason)

    def _short_cnn(self, state: LadderState) -> Rung | None:
        """Return a short cnn that is long enough to say something; None if that costs too much."""
        if state.has_begun(CNN):
            return None
        if state.of(FROZEN) and self._is_trial_too_long():
            return None
        return self._timed(
            "cnn, short",
            CNN,
            self._cnn_recipe(),
            min(self._seconds_of_short_cnn(), state.left),
            "from random weights, which suits images unlike photographs",
        )

    def _late_cnn(self, state: LadderState) -> Rung | None:
        """Return a cnn that was not tried, with the time that is left."""
        if state.has_begun(CNN) or self._seconds_of_short_cnn() > state.left:
            return None
        self.not_entered.pop(CNN, None)
        reason = "the other family, with the remaining time"
        return self._timed("cnn", CNN, self._cnn_recipe(), state.left, reason)

    def _is_trial_too_long(self) -> bool:
        """Return whether a short cnn costs too much of the time; if so, note it."""
        seconds = self._seconds_of_short_cnn()
        if seconds <= _MOST_TRIAL_SHARE * self.usable:
            return False
        self.not_entered[CNN] = (
            f"a cnn needs {approximate_duration(seconds)} to show what it can learn, more than "
            f"{_MOST_TRIAL_SHARE:.0%} of the time"
        )
        return True

    def _short_fine_tuning(self, state: LadderState) -> Rung | None:
        """Return a short fine-tuning, if a longer run could have enough passes."""
        if state.has_begun(FINE_TUNED):
            return None
        rung = self._fine_tuning(state)
        if rung is None:
            return None
        leader, most = self._clear_leader(state), _MOST_SHORT_SHARE * self.usable
        if leader is not None and leader.family == CNN:
            # It must not lack the time for its least epochs.
            most = min(most, state.left - least_seconds(leader, self.costs))
        elif leader is not None:
            # Fine-tuning gets the long run, whatever a short one shows.
            most = round(self._short_seconds(), 1)  # as the seconds of a rung
        return rung if rung.seconds <= most else None

    def _clear_leader(self, state: LadderState) -> RungResult | None:
        """Return the best of heads and the cnn; None if the other is about as good, or missing."""
        heads, runs = state.of(FROZEN), state.of(CNN)
        if not heads or not runs:
            return None
        head = max(heads, key=lambda result: result.rank)
        if self.is_close(runs[-1], head):
            return None
        return max(runs[-1], head, key=lambda result: result.rank)

    def _fine_tuning(self, state: LadderState) -> Rung | None:
        """Return the shortest fine-tuning that is more than a head; None if there is no time."""
        px = self._fine_tuning_px(state)
        if px is None or not state.of(FROZEN) or FINE_TUNED in state.failed:
            return None
        recipe = self._fine_tuning_recipe(px)
        return self._timed(
            f"{recipe.model} fine-tuned at {px} px, short",
            FINE_TUNED,
            recipe,
            self._seconds_of_short_fine_tuning(recipe),
            "from the fitted head on",
        )

    def _larger_frozen(self, state: LadderState) -> Rung | None:
        """Return the frozen backbone at more pixels, if it leads.

        From 96 to 128 pixels it gained 4 points on CIFAR-10 (docs/backbones.md). That others gain
        less in these seconds is a guess, which hand signs in one minute contradict
        (benchmarks/fit.md). Before a long run, it gets up to its usual image size, and up to the
        largest one with few images.
        """
        best = max(state.results, key=lambda result: result.rank, default=None)
        if best is None or not best.is_head:
            return None
        if state.has_long():
            seconds = _FURTHER_FROZEN_SHARE * self.usable
            return self._more_pixels(state, SIZES_PX[-1], seconds, state.left)
        if FINE_TUNED in self.not_entered and self._starves_cnn(state):
            instead = INSTEAD_OF_FINE_TUNING
            return self._more_pixels(state, self.costs.frozen_px, state.left, state.left, instead)
        if self.costs.train > _IMAGES_FOR_PIXELS:
            seconds = _FROZEN_SHARE * self.usable
            return self._more_pixels(state, self.costs.frozen_px, seconds, _HALF * state.left)
        # With half of the time, 1,000 images of CIFAR-10 in a minute got fine-tuning at 64 pixels
        # instead, and lost 4 points (benchmarks/fit_plan.md).
        seconds = _PIXELS_SHARE * self.usable
        return self._more_pixels(state, SIZES_PX[-1], seconds, state.left)

    def _pixels_instead_of_fine_tuning(self, state: LadderState) -> Rung | None:
        """Return the leading head of few images at more pixels, if a short time allows only it.

        On 1,000 images of CIFAR-10 in a minute, a head had 81% at 128 pixels, and fine-tuning 67%.
        """
        best = max(state.results, key=lambda result: result.rank, default=None)
        is_few = self._is_few and not state.has_begun(FINE_TUNED)
        if best is None or best.family != FROZEN or not is_few or not self._starves_cnn(state):
            return None
        state = state.reserving(self._evaluation(best.rung))
        if self._more_pixels(state, SIZES_PX[-1], state.left, _HALF * state.left) is not None:
            return None
        instead = INSTEAD_OF_FINE_TUNING
        return self._more_pixels(state, SIZES_PX[-1], state.left, state.left, instead)

    def _starves_cnn(self, state: LadderState) -> bool:
        """Return whether the time allows less than half of the schedule of the cnn."""
        runs = state.of(CNN)
        return not runs or LEAST_SCHEDULE * full_seconds(runs[-1], self.costs) > state.left

    def _long_run(self, state: LadderState) -> Rung | None:
        """Return a run of the best family with the time that is left, shared with a close rival."""
        ranked = self._long_families(state)
        if not ranked:
            return None
        best = ranked[0]
        seconds = state.left_for(self._evaluation(best.rung))
        reason = "the best family on the validation images"
        rivals = [result for result in ranked[1:] if self.is_close(best, result)]
        if rivals and self._can_share(best, seconds):
            seconds *= _SHARED
            reason = f"about as good as {rivals[0].family} so far, so they share the time"
        elif len(ranked) == 1 and state.has_long():
            reason = "the other family, with the remaining time"
        return self._longer(state, best, seconds, reason)

    def _can_share(self, best: RungResult, seconds: float) -> bool:
        """Return whether a part of the time has the least epochs too, or not even all of it has."""
        return not _SHARED * seconds < least_seconds(best, self.costs) <= seconds

    def _long_families(self, state: LadderState) -> list[RungResult]:
        """Return the best result of each family that more time could improve, best first."""
        longest = []
        untried = self._untried_fine_tuning(state)
        if untried is not None and untried.seconds > state.left_for(self._evaluation(untried)):
            untried = None
        for family in (CNN, FINE_TUNED):
            runs = state.of(family)
            if not runs or family in state.failed or state.has_long(family):
                continue
            run = max(runs, key=lambda result: result.seconds)
            is_replaced = family == FINE_TUNED and untried is not None
            if is_replaced or is_complete(run, self.costs.train):
                continue
            left = state.left_for(self._evaluation(run.rung))
            if self.folds is not None and any(run.folds is not None for run in runs):
                left = longest_with_folds(self.folds, left)  # a longer run must be as well measured
            if left >= _LEAST_GROWTH * run.seconds:
                longest.append(run)
        if untried is not None:
            longest.append(replace(state.of(FROZEN)[0], rung=untried))
        # Fine-tuning starts from a head, so it is worth at least as much as the best frozen one.
        heads = [result.rank for result in state.of(FROZEN)]

        def promise(result: RungResult) -> tuple[float, float]:
            return max([result.rank, *heads]) if result.family == FINE_TUNED else result.rank

        return sorted(longest, key=promise, reverse=True)

    def _untried_fine_tuning(self, state: LadderState) -> Rung | None:
        """Return a fine-tuning that is new: the first, or one at more pixels in a longer limit."""
        tuned = state.of(FINE_TUNED)
        if tuned and (state.has_long(FINE_TUNED) or not state.are_earlier(tuned)):
            return None
        rung = self._fine_tuning(state)
        tried = max((input_px_of(result.rung.recipe) for result in tuned), default=0)
        return rung if rung is not None and input_px_of(rung.recipe) > tried else None

    def _longer(self, state: LadderState, short: RungResult, seconds: float, reason: str) -> Rung:
        name = name_of_longer(short.rung.name, state.names)
        full = full_seconds(short, self.costs)
        if self.folds is not None:
            with_folds = longest_with_folds(self.folds, seconds)
            if with_folds >= max(_LEAST_GROWTH * short.seconds, LEAST_SCHEDULE * full):
                seconds = with_folds
                reason += "; short enough for folds"
        if full < seconds:
            reason += "; its whole schedule fits"
        return self._timed(name, short.family, short.rung.recipe, min(seconds, 1.3 * full), reason)

    def _further_run(self, state: LadderState) -> Rung | None:
        """Return a run that pays after the long ones: more pixels, another backbone or seed."""
        further = self._further_frozen(state, _FURTHER_FROZEN_SHARE)
        return further or self._further_seed(state)

    def _cheap_frozen(self, state: LadderState) -> Rung | None:
        """Return a further frozen backbone where folds can tell it from the first one."""
        return None if self.folds is None else self._further_frozen(state, SHORT_SHARE)

    def _further_frozen(self, state: LadderState, share: float) -> Rung | None:
        """Return a frozen backbone at more pixels, or another one, within a share of the time."""
        heads = state.of(FROZEN)
        if not heads or FROZEN in state.failed:
            return None
        best = max(state.results, key=lambda result: result.rank)
        head = max(heads, key=lambda result: result.rank)
        if best.family == CNN and not self.is_close(best, head):
            return None
        seconds = share * self.usable
        rung = self._more_pixels(state, SIZES_PX[-1], seconds, state.left)
        if rung is not None:
            return rung
        sizes = [input_px_of(head.rung.recipe)]
        for backbone in self.costs.backbones[1:]:
            rung = self._largest_frozen(state, backbone, sizes, seconds, state.left)
            if rung is not None:
                return rung
        return None

    def _more_pixels(
        self,
        state: LadderState,
        largest: int,
        seconds: float,
        whole: float,
        reason: str = _ANOTHER_VIEW,
    ) -> Rung | None:
        """Return the usual backbone at more pixels than before, at most `largest`."""
        if not state.of(FROZEN) or FROZEN in state.failed:
            return None
        usual, recipes = self.costs.backbones[0], [run.rung.recipe for run in state.of(FROZEN)]
        tried = max(input_px_of(recipe) for recipe in recipes if recipe.model == usual)
        sizes = [px for px in SIZES_PX if tried < px <= largest]
        return self._largest_frozen(state, usual, sizes, seconds, whole, reason)

    def _largest_frozen(
        self,
        state: LadderState,
        backbone: str,
        sizes: Sequence[int],
        seconds: float,
        whole: float,
        reason: str = _ANOTHER_VIEW,
    ) -> Rung | None:
        """Return a frozen backbone at the largest affordable size; None if all cost too much.

        Args:
            state: The state of the ladder.
            backbone: The backbone.
            sizes: Image sizes in pixels, ascending.
            seconds: The most seconds for the rung.
            whole: The most seconds for the rung and what its final evaluation adds.
            reason: Why it is entered.
        """
        for px in reversed(sizes):
            rung = self._frozen_rung(backbone, px, reason)
            added = state.left - state.left_for(self.costs.evaluation(backbone, px))
            is_affordable = rung.seconds <= seconds and rung.seconds + added <= whole
            if is_affordable and rung.name not in state.names:
                return rung
        return None

    def _further_seed(self, state: LadderState) -> Rung | None:
        """Return another seed of the best trained run, which an ensemble can average."""
        trained = [result for result in state.results if not result.is_head]
        best = max(trained, key=lambda result: result.rank, default=None)
        if best is None or best.family in state.failed:
            return None
        frozen = state.of(FROZEN)
        if frozen and not self.is_close(frozen[0], best) and frozen[0].rank > best.rank:
            return None
        if self.folds is not None and best.folds is None:
            return None  # without folds, no average of few images is trusted
        runs = 1 if self.folds is None else self.folds + 2
        left = state.left_for(self._evaluation(best.rung))
        if left < 0.7 * runs * best.seconds:
            return None
        seeds = 1 + max(result.rung.seed for result in trained) - self.seed
        if seeds >= _MOST_SEEDS:
            return None
        base = base_name(best.rung.name)
        rung = self._timed(
            f"{base}, seed {seeds}",
            best.family,
            best.rung.recipe,
            min(left, 1.3 * full_seconds(best, self.costs)),
            "another seed of the best run, for an average",
        )
        return None if rung.name in state.names else replace(rung, seed=self.seed + seeds)

    def _fine_tuning_px(self, state: LadderState) -> int | None:
        """Return the largest usual image size at which fine-tuning has enough passes.

        None if even the smallest leaves too few.
        """
        if not self.costs.backbones:
            return None
        backbone = self.costs.backbones[0]
        sizes = [px for px in SIZES_PX if px <= self.costs.fine_tuned_px]
        least = self.costs.least_fine_tuning_epochs(self._fine_tuning_recipe(sizes[0]))
        for epochs in (max(_WANTED_FINE_TUNING_EPOCHS, least), least):
            for px in reversed(sizes):
                epoch = self.costs.epoch_of_fine_tuning(backbone, px)
                left = state.left_for(self.costs.evaluation(backbone, px))
                if self.costs.frozen(backbone, px) + epochs * epoch <= 0.6 * left:
                    self.not_entered.pop(FINE_TUNED, None)
                    return px
        self.not_entered[FINE_TUNED] = (
            f"fine-tuning would have fewer than {counted(math.ceil(least), 'pass', 'passes')} over "
            "the images, too few to improve on the head that it starts from"
        )
        return None
