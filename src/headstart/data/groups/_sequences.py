"""Groups along a sequence of images: cycles of classes, and bursts of a camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Groups = NDArray[np.int64]
FloatArray = NDArray[np.float64]

# Share of the steps along a sequence that must follow one cycle through all classes.
LEAST_CYCLE_SHARE = 0.8
_LEAST_CYCLES = 3


def cut_at_cycles(labels: Groups, gaps: FloatArray) -> Groups | None:
    """Cut a sequence whose labels run through all classes again and again, once per cycle.

    Where one person shows ten signs after the other, a new person begins where the signs begin.

    Args:
        labels: Int64 array of shape (n,), the labels along the sequence.
        gaps: Float64 array of shape (n - 1,), how far neighbours are apart: seconds or numbers.

    Returns:
        Int64 array of shape (n,), the number of the cycle; None if there are no cycles.
    """
    classes = np.unique(labels)
    count = len(classes)
    if count < 3 or len(labels) < _LEAST_CYCLES * count:
        return None
    place = np.searchsorted(classes, labels)
    steps = np.zeros((count, count), np.int64)
    np.add.at(steps, (place[:-1], place[1:]), 1)
    successor = steps.argmax(axis=1)
    if steps.max(axis=1).sum() < LEAST_CYCLE_SHARE * (len(labels) - 1):
        return None

    order = _cycle(successor)
    if order is None:
        return None
    start = _first_of_cycle(order, place, gaps)
    rank = np.empty(count, np.int64)
    rank[np.roll(order, -start)] = np.arange(count)
    position = rank[place]
    # A repeated or exchanged sign steps back by little, and begins no new cycle.
    is_start = np.zeros(len(labels), bool)
    is_start[1:] = position[1:] - position[:-1] <= -max(1, count // 3)
    return np.cumsum(is_start)


def cut_at_gaps(seconds: FloatArray, camera: Groups, largest_gap: float) -> Groups:
    """Group images that one camera took within so many seconds of the one before.

    Args:
        seconds: Float64 array of shape (N,), the time of each image, or NaN.
        camera: Int64 array of shape (N,), the number of its camera.
        largest_gap: Seconds between neighbours of a group.

    Returns:
        Int64 array of shape (N,). An image without time is a group of its own.
    """
    order = np.lexsort((seconds, camera))
    time, owner = seconds[order], camera[order]
    is_start = np.ones(len(order), bool)
    with np.errstate(invalid="ignore"):
        is_near = (np.diff(time) <= largest_gap) & (owner[1:] == owner[:-1])
    is_start[1:] = ~is_near
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(is_start) - 1
    return groups


def _cycle(successor: Groups) -> Groups | None:
    """Return the classes in the order of a single cycle, or None if the steps are none."""
    order = [0]
    while len(order) < len(successor):
        following = int(successor[order[-1]])
        if following in order:
            return None
        order.append(following)
    return np.array(order) if successor[order[-1]] == order[0] else None


def _first_of_cycle(order: Groups, place: Groups, gaps: FloatArray) -> int:
    """Return where in `order` a cycle begins: before the class with the longest gap before it."""
    usual = []
    for label in order:
        before = gaps[place[1:] == label]
        usual.append(float(np.median(before)) if len(before) else 0.0)
    longest = max(usual)
    if usual.count(longest) > 1:
        # Without gaps that tell, a cycle begins as the sequence does.
        return int(np.flatnonzero(order == place[0])[0])
    return int(np.argmax(usual))
