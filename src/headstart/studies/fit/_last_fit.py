"""The last fit: the chosen recipe, trained on the training and validation images together.

The classifier is then measured by models that had not seen the images: those of the folds, or the
earlier fit on the training images alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headstart import progress
from headstart.data import with_all_for_training
from headstart.errors import InputError, RunFailed, TooLittleMemory
from headstart.results import LastFit
from headstart.studies.fit._choice import Choice
from headstart.studies.fit._fixed_recipe import can_train_again, fixed_recipe
from headstart.studies.fit._folds import FitFolds
from headstart.studies.fit._rung import RungResult
from headstart.training import HeldOut, Refit, TrainingJob, measure_last_fit, train

if TYPE_CHECKING:
    from headstart.studies.fit._climb import Climb

# By default there are 18% more images. The rest is for starting and writing the run.
_MORE_TIME, _WRITING_SECONDS = 1.2, 1.0


def last_fit_seconds(choice: Choice, folds: FitFolds | None) -> float | None:
    """Return the expected seconds of the last fit of a choice; None if none is made.

    All members must be able to take the same steps again. With many images, only heads are fitted
    again, because that costs seconds.
    """
    seconds = 0.0
    for member in choice.members:
        if not can_train_again(member) or (folds is None and not member.is_solved):
            return None
        if member.is_solved:
            solving = member.metrics.seconds.train - member.metrics.seconds.prepare
            seconds += _MORE_TIME * max(0.0, solving) + _WRITING_SECONDS
        else:
            seconds += _MORE_TIME * member.seconds
    return seconds


def fit_last(choice: Choice, climb: Climb) -> Refit | None:
    """Train the chosen recipes on training and validation images together, if there is time.

    A last fit that is finished is read.

    Args:
        choice: The choice.
        climb: The finished climb.

    Returns:
        The last fits; None if the time does not allow them, or a member cannot be trained again.

    Raises:
        Stopped: A signal asked to stop.
    """
    seconds = last_fit_seconds(choice, climb.folds)
    if seconds is None:
        return None
    folders = [_last_folder(member) for member in choice.members]
    is_finished = all((folder / "metrics.json").exists() for folder in folders)
    if not is_finished and climb.clock.left() < seconds:
        return None

    data = climb.context.data
    everything = with_all_for_training(data)
    try:
        with progress.waiting("fitting the classifier on all images"), progress.muted():
            for member, folder in zip(choice.members, folders, strict=True):
                recipe, seed = fixed_recipe(member), member.rung.seed
                train(TrainingJob(recipe, everything, seed, folder, watch=climb.watch_limit))
                held_out = _held_out(Choice((member,), (1.0,), member.score), climb)
                measure_last_fit(folder, member.folder, data, held_out)
    except (RunFailed, TooLittleMemory, InputError) as error:
        progress.say(f"no last fit on training and validation images together: {error.message}")
        return None
    return Refit(
        folders, _held_out(choice, climb), _record(choice, climb, len(everything.split.train))
    )


def _last_folder(member: RungResult) -> Path:
    return member.folder.with_name(f"{member.folder.name}-last")


def _held_out(choice: Choice, climb: Climb) -> HeldOut:
    """Return predictions of a choice by models that had not seen the images.

    They are not calibrated for one run. An average is that of calibrated probabilities.
    """
    out_of_fold = choice.out_of_fold()
    if out_of_fold is not None and climb.folds is not None:
        return HeldOut(climb.folds.images, out_of_fold)
    rows = climb.context.data.split.validation
    raw = choice.members[0].raw
    return HeldOut(rows, raw if choice.is_single else choice.validation_probabilities())


def _record(choice: Choice, climb: Climb, images: int) -> LastFit:
    folds = climb.folds_of(choice)
    if folds is not None:
        measured = (
            f"Its temperature and validation scores are from the models of {folds} folds, each of "
            "which had not seen its images"
        )
    else:
        measured = (
            "Its temperature and validation scores are from the earlier fit on the training images "
            "alone"
        )
    sentence = (
        f"The last fit uses the {images:,} training and validation images together, with the same "
        f"recipe and epochs. {measured}."
    )
    return LastFit(
        images=images,
        measured_by="earlier fit" if folds is None else "folds",
        folds=folds,
        sentence=sentence,
    )
