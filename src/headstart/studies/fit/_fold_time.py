"""Choice of the rungs to cross-validate, and the time that folds leave to a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from headstart.studies.fit._rung import FROZEN, RungResult, full_epochs

if TYPE_CHECKING:
    from headstart.studies.fit._ladder import Ladder

# With folds, a head on features of enough pixels is worth more than what else few images allow.
FROZEN_SHARE_WITH_FOLDS = 0.4
# A run of fewer epochs than this share of its recipe's says little about the recipe. With folds,
# all of the time then goes to one long run, which the validation images evaluate.
LEAST_SCHEDULE = 0.5
# Starting and writing the run of a fold of a solved head.
_SECONDS_PER_FOLD = 0.6


def longest_with_folds(folds: int, left: float) -> float:
    """Return the seconds of a run so that its folds and its last fit take no more than `left`.

    The last fit is that on training and validation images together.
    """
    return left / (folds + 2)


def next_to_cross_validate(
    ladder: Ladder, results: Sequence[RungResult], left: float, excluded: Collection[str]
) -> RungResult | None:
    """Return the trained run to evaluate by folds next, the best first; None if none pays.

    It has at least half of the epochs of its recipe, its folds and its last fit fit into the time,
    and on the validation images it is about as good as the best or better.

    Args:
        ladder: The ladder.
        results: The finished rungs.
        left: Seconds until the final evaluation must begin.
        excluded: Names of rungs that cannot be trained again, or whose folds failed.
    """
    if ladder.folds is None or not results:
        return None
    ranked = sorted(results, key=lambda result: result.rank, reverse=True)
    for result in ranked:
        is_done = result.folds is not None or result.rung.name in excluded
        if is_done or result.family == FROZEN:
            continue
        epochs = full_epochs(result.rung.recipe, ladder.costs.train)
        is_long_enough = result.metrics.epochs >= LEAST_SCHEDULE * epochs
        is_affordable = (ladder.folds + 1) * result.seconds <= left
        if (
            is_long_enough
            and is_affordable
            and (result is ranked[0] or ladder.is_close(ranked[0], result))
        ):
            return result
    return None


def affords_folds_of_head(ladder: Ladder, left: float) -> bool:
    """Return whether the folds and the last fit of a solved head are cheap enough.

    Args:
        ladder: The ladder.
        left: Seconds until the final evaluation must begin.
    """
    if ladder.folds is None:
        return False
    seconds = (ladder.folds + 1) * (ladder.costs.head() + _SECONDS_PER_FOLD)
    return seconds <= min(left, FROZEN_SHARE_WITH_FOLDS * ladder.usable)
