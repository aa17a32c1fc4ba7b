"""Sentences about the effect of groups of images on an interval."""

from __future__ import annotations

from headstart.evaluation._grouped_images import FEWEST_GROUPS, IntArray, groups_to_resample
from headstart.formatting import counted


def describe_images(images: int, part: str, groups: IntArray | None) -> str:
    """Return the evaluated images in words: "270 test images", "820 test images in 41 groups".

    Args:
        images: Number of images.
        part: Name of the images, "test" or "validation".
        groups: Int64 array of shape (images,) with the group of each image, or None.
    """
    evaluated = counted(images, f"{part} image")
    resampled = groups_to_resample(groups, images)
    return evaluated if resampled is None else f"{evaluated} in {resampled.count:,} groups"


def describe_groups(
    images: int, part: str, groups: int | None, what: str, grouped: str, over_images: str | None
) -> str | None:
    """Return how wide an interval is over groups, and how wide it would be over images.

    Args:
        images: Number of images.
        part: Name of the images, "test" or "validation".
        groups: Number of their groups, or None if no images belong together.
        what: What the interval is of, such as "the accuracy of cnn".
        grouped: The 95% interval over groups, such as "81.0 to 90.2%".
        over_images: The interval over images, such as "84.1 to 87.3%". None if there are too few
            groups, so that `grouped` is over images itself.

    Returns:
        Two or three sentences. None if no images belong together.
    """
    if groups is None:
        return None

    number = counted(groups, "group")
    if over_images is None:
        return (
            f"The {images:,} {part} images come from only {number}. Tests and intervals need at "
            f"least {FEWEST_GROUPS} groups to resample, so they take the images as independent. "
            "They hold for further images of these groups, not for other groups."
        )
    sentence = f"Over {number} of {part} images, the 95% interval of {what} is {grouped}."
    if grouped == over_images:
        return f"{sentence} It would be the same if the images were independent."
    return f"{sentence} If the images were independent, it would be {over_images}."
