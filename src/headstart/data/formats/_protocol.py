"""The protocol of a format: recognize a path, list its files, decode them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from headstart.data._types import DecodedImages, OptionValues, Resize

TABLE_OPTIONS = ("label_column", "path_column")  # They do not apply to data without columns.
_ALWAYS_RECORDED = ("image_size", "resize", "pixel_max", "group_by")


@dataclass(frozen=True)
class LoadOptions:
    """Options of `headstart.data.load`, which documents them."""

    image_size: int | None = None
    resize: Resize = "pad"
    pixel_max: float | None = None
    group_by: str | None = None
    label_column: str | None = None
    path_column: str | None = None
    skip_bad: bool = False
    plan: str | None = None
    cache: bool = True

    def as_dict(self) -> OptionValues:
        """Return the options by name, as they are recorded.

        Options that came after version 0.1 are left out where they have their default. `cache` is
        left out always: it changes how a dataset is read, but not what is in it.
        """
        values: OptionValues = asdict(self)
        del values["cache"]
        return {key: value for key, value in values.items() if key in _ALWAYS_RECORDED or value}


class Listing(Protocol):
    """The files of one source, listed but not decoded."""

    @property
    def root(self) -> Path:
        """Folder that `files` are relative to."""

    @property
    def files(self) -> Sequence[str]:
        """Every file that is read, in a fixed order."""

    @property
    def key_options(self) -> OptionValues:
        """Everything besides the files that determines the decoded arrays.

        It is part of the key in the cache, so a change decodes the files again.
        """

    def decode(self, building: Path) -> DecodedImages:
        """Decode the files.

        Args:
            building: A folder of the cache, for a map of more images than memory holds.

        Raises:
            InputError: A file is damaged, or its content is invalid.
        """


class Format(Protocol):
    """One form that a user's data may have."""

    @property
    def name(self) -> str:
        """Noun for messages about a path, such as "an IDX folder"."""

    @property
    def accepted_as(self) -> str:
        """Noun for the list of accepted forms."""

    @property
    def ignored_options(self) -> tuple[str, ...]:
        """Options of `load` that do not apply to the format."""

    def recognizes(self, path: Path) -> bool:
        """Return whether an existing file or folder has this format.

        Formats are asked in a fixed order, so an earlier one may claim the path.
        """

    def list(self, path: Path, options: LoadOptions) -> Listing:
        """List the files of a source that the format recognizes.

        Args:
            path: The absolute path that the user named.
            options: The options of `load`.

        Raises:
            InputError: Files or labels are missing or inconsistent.
        """
