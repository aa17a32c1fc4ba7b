"""The size and the shape of the images of a `fit`, where the user leaves them open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from headstart import progress, store
from headstart.api._data import open_data
from headstart.api._study_calls import StudyCall
from headstart.data import DEFAULT_SIZE_PX, INFERRED, Resize, SplitDataset, image_files
from headstart.errors import ResourceError
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
        The call, with its data opened, and the settings. The call as it is and None if `load`
        decides: the user set size and shape, there are no image files, too many or too few of them,
        or the study in the folder was begun without settings.
    """
    settings = _choose(call, limit)
    if settings is None:
        return call, None
    progress.say(settings.sentence)
    chosen = {"image_size": settings.image_size, "resize": settings.resize}
    try:
        return replace(call, opened=open_data(call.data, {**call.keys, **chosen})), settings
    except ResourceError as error:
        progress.warn(f"WARNING: the images keep their default size, because {error.message}")
        return call, None


def _choose(call: StudyCall, limit: float) -> ImageSettings | None:
    image_size = call.keys.get("image_size")
    resize = call.keys.get("resize")
    is_open = isinstance(call.data, str | Path) and (image_size is None or resize is None)
    # Groups that are inferred from the pixels differ with them, and with groups the test images.
    if not is_open or call.keys.get("group_by") == INFERRED or limit < _LEAST_SECONDS:
        return None
    recorded = None if call.out is None else store.read_json_or(Path(call.out) / "study.json", None)
    if isinstance(recorded, dict) and recorded.get("images") is not None:
        return ImageSettings.model_validate(recorded["images"])

    with progress.muted():  # The data are opened again, with the settings.
        data = open_data(call.data, call.keys)
    if isinstance(recorded, dict) and recorded.get("dataset") == data.dataset.fingerprint:
        return None
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
