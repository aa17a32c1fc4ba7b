"""A sentence about the effect of groups of images on the interval of a run."""

from __future__ import annotations

from headstart.evaluation import describe_groups
from headstart.formatting import percent_interval
from headstart.results import Interval


def group_sentence(
    part: str,
    *,
    images: int,
    groups: int | None,
    interval: Interval,
    over_images: Interval | None,
) -> str | None:
    """Return the interval over groups beside the one over images; None without groups.

    Args:
        part: "test" or "validation".
        images: Number of images.
        groups: Number of their groups, or None.
        interval: Interval of the accuracy.
        over_images: Interval over images; None if `interval` is that one.
    """
    beside = None if over_images is None else percent_interval(over_images, images)
    grouped = percent_interval(interval, images)
    return describe_groups(images, part, groups, "the accuracy", grouped, beside)
