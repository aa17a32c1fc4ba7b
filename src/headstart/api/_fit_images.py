"""The size and the shape of the images of a `fit`, where the user leaves them open."""

from __future__ import annotations

from pathlib import Path

from headstart import progress, store
from headstart.api._data import open_data
from headstart.api._study_calls import StudyCall
from headstart.data import DEFAULT_SIZE_PX, image_files
from headstart.features import choose_image_settings
from headstart.results import ImageSettings

# Decoding files again, and comparing ways to make them square, takes seconds. So many images per
# second of the time limit are affordable. At the larger size, 10,000 images take 2 GB of disk.
_LEAST_SECONDS, _IMAGES_PER_SECOND, _MOST_IMAGES = 60.0, 16, 10_000


def choose_images(call: StudyCall, limit: float) -> ImageSettings | None:
    """Choose size and shape of the images of a folder or table, if they have different sizes.

    Args:
        call: The call of `fit`.
        limit: Its time limit in seconds.

    Returns:
        The settings. None if those of `load` remain: the user set the size, the images have one
        size or no files, there are too many of them for the time, or the study was begun so.
    """
    is_open = isinstance(call.data, str | Path) and not call.keys.get("image_size")
    if not is_open or limit < _LEAST_SECONDS:
        return None
    with progress.muted():  # the data are opened again, with the settings
        data = open_data(call.data, call.keys)
    dataset = data.dataset
    is_default_size = dataset.image_shape[:2] == (DEFAULT_SIZE_PX, DEFAULT_SIZE_PX)
    if not is_default_size or len(dataset) > min(_MOST_IMAGES, _IMAGES_PER_SECOND * limit):
        return None
    if call.out is not None:
        begun = store.read_json_or(Path(call.out) / "study.json", None)
        if isinstance(begun, dict) and begun.get("dataset") == dataset.fingerprint:
            return None
    files = image_files(dataset)
    if not files:
        return None
    return choose_image_settings(data, files, call.keys.get("resize"))
