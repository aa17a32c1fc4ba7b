"""The image size and shape of finished runs, for a comparison that they take part in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from headstart import progress, store
from headstart.api._data import Data
from headstart.errors import InputError

_OPTIONS = ("image_size", "resize")


def with_images_of_runs(
    data: Data, keys: Mapping[str, Any], contenders: Sequence[str]
) -> dict[str, Any]:
    """Return keys with the image size and `resize` of finished runs, if the user set neither.

    `fit` may have chosen them. A run can only be compared on images that are prepared as its own.

    Args:
        data: The data of the comparison.
        keys: Keys of the comparison.
        contenders: The contenders, some of which may be folders of finished runs.

    Raises:
        InputError: Two runs have different sizes or shapes.
    """
    from headstart.studies import has_model_name

    is_open = isinstance(data, str | Path) and not any(keys.get(name) for name in _OPTIONS)
    runs = [
        Path(name)
        for name in contenders
        if not has_model_name(name) and Path(name, "data.json").is_file()
    ]
    if not is_open or not runs:
        return dict(keys)

    first, *others = [_read_images(run) for run in runs]
    for other in others:
        is_same = (other.shape, other.resize) == (first.shape, first.resize)
        if not is_same and other.fingerprint != first.fingerprint:
            raise InputError(
                f"{first.run} and {other.run} have different images: {first.options} and "
                f"{other.options}.",
                f"Train {other.run} again with {first.options}, or the other way round.",
            )
    size = next((run.image_size for run in (first, *others) if run.image_size is not None), None)
    if (size, first.resize) == (None, "pad"):
        return dict(keys)
    progress.say(f"images are prepared as for {first.run}: {first.options}")
    return {**keys, "image_size": size, "resize": first.resize}


class _RunImages(NamedTuple):
    """How the images of a finished run were prepared.

    Attributes:
        run: Its folder.
        shape: Height and width of its images, in pixels.
        image_size: The option of `load`; None for its default.
        resize: The method that made images square.
        fingerprint: Digest of the dataset: equal images need no equal options.
    """

    run: Path
    shape: tuple[int, ...]
    image_size: int | None
    resize: str
    fingerprint: object

    @property
    def options(self) -> str:
        """The options of `load` in words."""
        if len(set(self.shape)) != 1:
            return f"no --image-size, --resize {self.resize}"
        return f"--image-size {self.shape[0]} --resize {self.resize}"


def _read_images(run: Path) -> _RunImages:
    recorded: Any = store.read_json(run / "data.json")
    options = recorded.get("options") or {}
    return _RunImages(
        run,
        tuple(recorded.get("image_shape", ())[:2]),
        options.get("image_size"),
        options.get("resize") or "pad",
        recorded.get("fingerprint"),
    )
