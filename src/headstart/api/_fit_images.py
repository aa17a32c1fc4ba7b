"""The size and the shape of the images of a `fit`, where the user leaves them open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart import progress, store
from headstart.api._data import open_data
from headstart.api._study_calls import StudyCall
from headstart.data import DEFAULT_SIZE_PX, INFERRED, Resize, SplitDataset, image_files
from headstart.errors import InputError, ResourceError
from headstart.features import choose_image_settings
from headstart.results import ImageSettings

# Shorter fits have no time for it. At the larger size, 10,000 images take 2 GB of disk.
_LEAST_SECONDS, _MOST_IMAGES = 60.0, 10_000


def with_chosen_images(call: StudyCall, limit: float) -> tuple[StudyCall, ImageSettings | None]:
    """Open the image files of a call at the size and in the shape that suit them.

    Args:
        call: The call of `fit`.
        limit: Its time limit in seconds.

    Returns:
        The call, with its data opened, and the settings. They are None if `load` decides: the user
        set size and shape, there are no image files, too many or too few of them, or the study in
        the folder was begun without settings.

    Raises:
        InputError: The study in the folder was begun with other settings than the user asks for.
    """
    study = None if call.out is None else store.read_json_or(Path(call.out) / "study.json", None)
    recorded = study if isinstance(study, dict) else {}
    settings = _recorded_settings(call, recorded)
    if settings is None:
        data = open_data(call.data, call.keys)
        call = replace(call, opened=data)
        if recorded.get("dataset") != data.dataset.fingerprint and _is_open(call, limit):
            settings = _choose(data, call, limit)
        if settings is None:
            return call, None

    progress.say(settings.sentence)
    chosen = {"image_size": settings.image_size, "resize": settings.resize}
    try:
        with progress.muted():  # What there is to say was said.
            return replace(call, opened=open_data(call.data, {**call.keys, **chosen})), settings
    except ResourceError as error:
        progress.warn(f"WARNING: the images keep their default size, because {error.message}")
        return call, None


def _recorded_settings(call: StudyCall, recorded: Mapping[str, Any]) -> ImageSettings | None:
    """Return the settings with which the study in the folder was begun; None if there are none."""
    if recorded.get("images") is None:
        return None
    settings = ImageSettings.model_validate(recorded["images"])
    for name in ("image_size", "resize"):
        given, begun = call.keys.get(name), getattr(settings, name)
        if given is not None and given != begun:
            flag = name.replace("_", "-")
            raise InputError(
                f"{call.out} holds a fit with --{flag} {begun}, not {given}.",
                f"Leave --{flag} out, or choose another --out.",
            )
    return settings


def _is_open(call: StudyCall, limit: float) -> bool:
    """Return whether size or shape can be chosen, as far as the call tells."""
    is_given = call.keys.get("image_size") is not None and call.keys.get("resize") is not None
    # Groups that are inferred from the pixels differ with them, and with groups the test images.
    are_inferred = call.keys.get("group_by") == INFERRED
    is_path = isinstance(call.data, str | Path)
    return is_path and limit >= _LEAST_SECONDS and not is_given and not are_inferred


def _choose(data: SplitDataset, call: StudyCall, limit: float) -> ImageSettings | None:
    """Return the settings; None if they are those of `load`."""
    image_size, resize = call.keys.get("image_size"), call.keys.get("resize")
    settings = _choose_for(data, limit, image_size, resize)
    without = (image_size or DEFAULT_SIZE_PX, resize or "pad")
    if settings is None or (settings.image_size, settings.resize) == without:
        return None
    return settings


def _choose_for(
    data: SplitDataset, limit: float, image_size: int | None, resize: Resize | None
) -> ImageSettings | None:
    side = image_size or DEFAULT_SIZE_PX
    if data.image_shape[:2] != (side, side) or len(data.dataset) > _MOST_IMAGES:
        return None
    files = image_files(data.dataset)
    if not all(name in files for name in data.dataset.image_names):
        return None
    return choose_image_settings(data, files, limit, image_size, resize)
