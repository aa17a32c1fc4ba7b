"""Sentences about verdicts from cross-validation."""

from __future__ import annotations

from headstart.evaluation._fold_tests import IntArray
from headstart.formatting import counted


def describe_folds(fold_of: IntArray, *, are_training_images_drawn: bool = False) -> str:
    """Describe what a verdict from cross-validation is based on and what it applies to.

    Args:
        fold_of: Int64 array of shape (R, N): the fold of each image in each repeat.
        are_training_images_drawn: True if each model is trained on a sample of the images outside
            its fold, as in a study of labels.
    """
    repeats, images = fold_of.shape
    folds = int(fold_of.max()) + 1
    times = "once" if repeats == 1 else "once per repeat"
    based_on = (
        f"This is based on all {counted(images, 'image')}, tested {times} by models that were "
        f"trained without them ({folds} folds, {counted(repeats, 'repeat')})."
    )
    if are_training_images_drawn:
        return f"{based_on} The labelled images of each run are drawn from the other folds."
    share = f"{(folds - 1) / folds:.0%}"
    return f"{based_on} It applies to the recipes, trained on {share} of the images."
