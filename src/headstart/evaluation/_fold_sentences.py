"""Sentences about verdicts from cross-validation."""

from __future__ import annotations

from headstart.evaluation._fold_tests import IntArray
from headstart.formatting import counted

# With fewer scores of folds, a t interval is over 1.5 times as wide as a normal one.
_FEWEST_SCORES = 5


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
    scope = f"It applies to the recipes, trained on {(folds - 1) / folds:.0%} of the images."
    if are_training_images_drawn:
        scope = "The labelled images of each run are drawn from the other folds."
    return f"{based_on} {scope} {describe_few_folds(folds, repeats)}".strip()


def describe_few_folds(folds: int, repeats: int = 1) -> str:
    """Return how wide an interval from so few folds is; "" if they are enough.

    Args:
        folds: Number of folds.
        repeats: Number of divisions into folds. Each has one score per fold and recipe.
    """
    from scipy.stats import norm, t

    scores = folds * repeats
    if scores >= _FEWEST_SCORES:
        return ""
    factor = float(t.ppf(0.975, scores - 1) / norm.ppf(0.975))
    source = "one per fold" if repeats == 1 else "one per fold and repeat"
    return (
        f"With only {scores} scores per recipe, {source}, an interval is {factor:.1f} times "
        "as wide as with many scores that vary as much. Use --folds 5 or more."
    )
