"""A folder of IDX files, as MNIST is published."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from headstart.data._types import TEST, TRAIN, DecodedImages, OptionValues
from headstart.data.formats._arrays import ArrayPart, decode_arrays
from headstart.data.formats._idx_file import read_idx
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError

PART_OF_PREFIX = {"train": TRAIN, "t10k": TEST}
IMAGES, LABELS = 3, 1  # dimensions of the arrays, which are part of the file names
_IDX_NAME = re.compile(r"[-.]idx([13])-ubyte(\.gz)?$")


class IdxFolder:
    """The format of a folder with `train-images-idx3-ubyte` and the files that belong to it.

    `train-labels-idx1-ubyte` must be there, and `t10k-…` may be. All may be gzipped.
    """

    name = "an IDX folder"
    accepted_as = "an IDX folder"
    ignored_options = ("pixel_max", "group_by")

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a folder with an IDX file of images."""
        return path.is_dir() and any(_dimensions(file) == IMAGES for file in path.iterdir())

    def list(self, path: Path, options: LoadOptions) -> IdxFiles:
        """List the IDX files of the folder, sorted by name."""
        names = sorted(file.name for file in path.iterdir() if _dimensions(file) is not None)
        return IdxFiles(path, tuple(names))


@dataclass(frozen=True)
class IdxFiles:
    """The IDX files of a folder, not read yet.

    Attributes:
        root: The folder.
        files: Names of the files.
    """

    root: Path
    files: tuple[str, ...]

    @property
    def key_options(self) -> OptionValues:
        """The kind of source alone: no option changes what is read."""
        return {"kind": "idx"}

    def decode(self, building: Path) -> DecodedImages:
        """Read the files into memory.

        Raises:
            InputError: Images have no labels or the reverse, their numbers differ, or a file is
                damaged.
        """
        parts = []
        for prefix, part in PART_OF_PREFIX.items():
            pair = self._pair(prefix)
            if pair is not None:
                images, labels = pair
                parts.append(ArrayPart(part, read_idx(images), read_idx(labels)))

        if TRAIN not in [part.code for part in parts]:
            raise InputError(
                f"{self.root} has no train-images-idx3-ubyte.",
                "Name the images of an IDX folder train-… and t10k-….",
            )
        return decode_arrays(parts, str(self.root))

    def _pair(self, prefix: str) -> tuple[Path, Path] | None:
        """Return the paths of images and labels whose names start with `prefix`, or None."""
        paths = [self.root / name for name in self.files if name.startswith(prefix)]
        by_dimensions = {_dimensions(path): path for path in paths}
        if not by_dimensions:
            return None
        if IMAGES not in by_dimensions:
            raise self._incomplete(prefix, "labels", "images-idx3-ubyte")
        if LABELS not in by_dimensions:
            raise self._incomplete(prefix, "images", "labels-idx1-ubyte")
        return by_dimensions[IMAGES], by_dimensions[LABELS]

    def _incomplete(self, prefix: str, present: str, missing: str) -> InputError:
        return InputError(
            f"{self.root} has {present} of {prefix}, but no {prefix}-{missing}.",
            "Both files are needed, plain or .gz.",
        )


def _dimensions(path: Path) -> int | None:
    """Return the number of dimensions in the name of an IDX file, or None for any other file."""
    match = _IDX_NAME.search(path.name)
    return int(match.group(1)) if match else None
