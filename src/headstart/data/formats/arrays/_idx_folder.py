"""A folder of IDX files, as MNIST is published, or one of these files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from headstart import progress, store
from headstart.data._types import (
    PART_NAMES,
    TEST,
    TRAIN,
    UNASSIGNED,
    DecodedImages,
    OptionValues,
)
from headstart.data.formats._protocol import TABLE_OPTIONS, LoadOptions
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.arrays._arrays import ArrayPart, decode_arrays
from headstart.data.formats.arrays._idx_file import read_idx, read_idx_numbers
from headstart.data.formats.arrays._idx_sets import (
    IMAGES,
    LABELS,
    WORD_OF_PART,
    IdxSet,
    find_idx_sets,
    has_idx_images,
    parse_idx_name,
    require_one_set,
)
from headstart.errors import InputError

# NIST wrote the images of EMNIST column by column. Their files are the only ones of this kind.
_TRANSPOSED_SET = re.compile(r"emnist", re.IGNORECASE)
_CODE_LINE = re.compile(r"\s*(\d+)((?:\s+\d+)+)\s*")
_LARGEST_CODE = 0x10FFFF


class IdxFolder:
    """The format of a folder with one set of IDX files of images and labels.

    MNIST calls them `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and `t10k-…` for the test
    part. Other sets have a prefix, such as `emnist-letters-train-images-idx3-ubyte`. All may be
    gzipped. The path of one file stands for its set.
    """

    name = "an IDX folder"
    accepted_as = "an IDX folder"
    ignored_options = ("pixel_max", "group_by", *TABLE_OPTIONS)

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is an IDX file, or a folder with IDX images."""
        if path.is_dir():
            return has_idx_images(path)
        return parse_idx_name(path.name) is not None

    def list(self, path: Path, options: LoadOptions) -> IdxFiles:
        """List the files of the set.

        Raises:
            InputError: The folder holds several sets. The message lists them.
        """
        if path.is_dir():
            return _listed(IdxFiles(path, require_one_set(find_idx_sets(path), path)))

        folder = path.parent
        if parse_idx_name(folder.name) is not None:
            folder = folder.parent
        name = parse_idx_name(path.name)
        assert name is not None
        sets = [
            idx_set
            for idx_set in find_idx_sets(folder)
            if idx_set.place == "." and idx_set.name == name.set_name
        ]
        return _listed(IdxFiles(folder, require_one_set(sets, folder)))


@dataclass(frozen=True)
class IdxFiles:
    """The IDX files of a set, not read yet.

    Attributes:
        root: The folder.
        idx_set: The files.
    """

    root: Path
    idx_set: IdxSet

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files relative to the folder, sorted, and the file of class names."""
        mapping = self._mapping_file()
        return (*sorted(self.idx_set.files.values()), *([] if mapping is None else [mapping]))

    @property
    def key_options(self) -> OptionValues:
        """The kind of source alone: no option changes what is read."""
        return {"kind": "idx", "turned": "upright"} if self.is_transposed else {"kind": "idx"}

    def decode(self, building: Path) -> DecodedImages:
        """Read the files, each into memory, and write the images to a map.

        Args:
            building: Folder of the map.

        Raises:
            InputError: Images have no labels or the reverse, their numbers differ, or a file is
                damaged.
        """
        codes = sorted({part for part, _ in self.idx_set.files})
        if len(codes) > 1 and UNASSIGNED in codes:
            file = self.idx_set.files.get((UNASSIGNED, IMAGES))
            raise InputError(
                f"{self.root} has IDX files of parts, and others without a part: {file}.",
                "Move those of one kind elsewhere.",
            )
        parts = [self._read_part(code) for code in codes]
        if not {TRAIN, UNASSIGNED} & set(codes):
            raise InputError(
                f"{self.root} has no {self._file_name(TRAIN, IMAGES)}.",
                "Name the images of an IDX folder train-… and t10k-….",
            )

        decoded = decode_arrays(parts, str(self.root), building=building)
        return replace(decoded, class_names=self._name_classes(decoded.class_names))

    def _read_part(self, code: int) -> ArrayPart:
        for present, missing in ((IMAGES, LABELS), (LABELS, IMAGES)):
            if (code, missing) not in self.idx_set.files:
                part = PART_NAMES.get(code, "a set without parts")
                raise InputError(
                    f"{self.root} has {present} of {part}, but no "
                    f"{self._file_name(code, missing)}.",
                    "Both files are needed, plain or .gz.",
                )
        images = read_idx(self._path(code, IMAGES))
        if self.is_transposed:
            if images.ndim != 3:
                raise InputError(f"invalid images of {self.root}: expected 3 dimensions.")
            images = images.swapaxes(1, 2)
        labels = read_idx_numbers(self._path(code, LABELS))
        if labels.ndim == 2:  # QMNIST has further columns behind the label.
            labels = labels[:, 0]
        return ArrayPart(code or TRAIN, images, labels)

    def _path(self, code: int, role: str) -> Path:
        return self.root / self.idx_set.files[code, role]

    def _file_name(self, code: int, role: str) -> str:
        words = [self.idx_set.name, WORD_OF_PART[code], role]
        if code == TEST and self.idx_set.name:
            words[1] = "test"
        stem = "-".join(word for word in words if word)
        return f"{stem}-idx{3 if role == IMAGES else 1}-ubyte"

    @property
    def is_transposed(self) -> bool:
        """True if the files hold the columns of the images as rows, as those of EMNIST do."""
        return _TRANSPOSED_SET.match(self.idx_set.name) is not None

    def _mapping_file(self) -> str | None:
        """Return the file of class names, such as `emnist-letters-mapping.txt`, or None."""
        name = f"{self.idx_set.name}-mapping.txt"
        file = self.root / self.idx_set.place / name
        return file.relative_to(self.root).as_posix() if file.is_file() else None

    def _name_classes(self, class_names: tuple[str, ...]) -> tuple[str, ...]:
        """Replace class numbers by the characters of the mapping file, if there is one."""
        file = self._mapping_file()
        if file is None:
            return class_names
        characters = _read_mapping(self.root / file)
        unknown = [name for name in class_names if name not in characters]
        if unknown:
            progress.say(f"{file} has no line for class {unknown[0]}: class names stay numbers")
            return class_names
        first = class_names[0]
        progress.say(f"class names are those of {file}: class {first} is '{characters[first]}'")
        return tuple(characters[name] for name in class_names)


def _listed(idx_files: IdxFiles) -> IdxFiles:
    """Print which set is read, where that is not obvious."""
    idx_set = idx_files.idx_set
    if idx_set.name or idx_set.place != ".":
        progress.say(f"{idx_files.root}: reading the IDX files {idx_set.describe()}")
    if idx_files.is_transposed:
        progress.say(
            f"{idx_set.name}: EMNIST stores its images transposed; they are turned upright. "
            "To keep them as they are, remove 'emnist' from the file names."
        )
    return idx_files


def _read_mapping(path: Path) -> dict[str, str]:
    """Read a file of lines such as `1 65 97`: a class, and the code points of its characters."""
    with translate_read_errors(path):
        lines = store.read_file(path).decode("utf-8", "replace").splitlines()
    characters = {}
    for line in lines:
        match = _CODE_LINE.fullmatch(line)
        if match is not None:
            codes = [int(code) for code in match[2].split()]
            if max(codes) <= _LARGEST_CODE:
                characters[str(int(match[1]))] = "".join(map(chr, codes))
    return characters
