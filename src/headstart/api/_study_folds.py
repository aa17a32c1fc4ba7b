"""The folds of a study: the number of them, and the data that are divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.api._arguments import output_folder, tracking
from headstart.api._data import open_data
from headstart.api._study_calls import StudyCall
from headstart.errors import InputError


def open_folds(call: StudyCall, folds: int | str | None) -> tuple[StudyCall, int | None]:
    """Open the data of a study that may be cross-validated, and decide the number of folds.

    Args:
        call: The call of the study.
        folds: A number of folds; "auto"; None or "none" for one split.

    Returns:
        The call with its data, if they had to be opened; and the number of folds, None for one
        split.

    Raises:
        InputError: The number is invalid, or a test part is asked for as well.
    """
    from headstart.studies import check_folds, fold_count

    test, train_images = call.keys.get("test"), call.keys.get("train_images")
    if folds == "auto" and (test is not None or train_images is not None):
        folds = None
    if folds in (None, "none"):
        return call, None
    if folds != "auto":
        folds = check_folds(folds)
        _require_all_images(folds, test, train_images)

    tracking(call.track, with_files=False)  # an unknown tracker is an error before data are read
    data = call.opened or open_data(call.data, call.keys)
    count, sentence = fold_count(data, folds)
    options = {**call.options, "folds": count}
    recorded = _recorded_study(call.out) if folds == "auto" else None
    if recorded is not None and count != recorded.get("folds"):
        count = recorded.get("folds")
        parts = f"{count} folds" if count else "one split"
        sentence = f"{call.out} holds a study with {parts}, and --folds auto keeps to it"
        options["folds"] = count or "none"
    if sentence:
        progress.say(sentence)
    return replace(call, opened=data, options=options), count


def _require_all_images(folds: int, test: float | None, train_images: int | None) -> None:
    """Check that no images are set apart from those that the folds divide.

    Raises:
        InputError: A test part or a number of training images is given as well.
    """
    if test:
        raise InputError(
            f"--folds {folds} cannot be combined with --test {test:g}: folds test every image.",
            "Leave one of them out.",
        )
    if train_images is not None:
        raise InputError(
            f"--folds {folds} cannot be combined with --train-images {train_images}: folds train "
            "on all images outside the tested fold.",
            "Leave one of them out.",
        )


def _recorded_study(out: str | Path | None) -> Mapping[str, Any] | None:
    """Return the identity of the study whose results are in a folder; None if there are none."""
    folder = output_folder(out)
    if folder is None:
        return None
    has_runs = any((folder / "runs").glob("*/metrics.json"))
    if not has_runs and not (folder / "finding.json").exists():
        return None
    recorded = store.read_json_or(folder / "study.json", None)
    return recorded if isinstance(recorded, dict) else None
