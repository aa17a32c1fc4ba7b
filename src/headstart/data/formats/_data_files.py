"""Files in a folder that are data themselves, for the error about a folder that is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from headstart import store
from headstart.data.formats._unsupported_files import ARCHIVE_NAME
from headstart.data.formats.arrays._idx_sets import parse_idx_name
from headstart.data.formats.folders._file_tree import folders_in, visible_paths
from headstart.data.formats.parquet._files import is_row_file
from headstart.data.formats.tables._csv_table import is_plain_text, is_table
from headstart.formatting import first_names

_WITHOUT_LABELS = re.compile(r"sample|submission|test", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_LISTED = 5


def suggest_data_file(folder: Path, hint: str) -> str:
    """Return what to type if a folder holds a table, an archive or arrays, or else nothing.

    The folders of downloads are such: `train.zip`, `test.zip` and `sample_submission.csv`.

    Args:
        folder: The folder.
        hint: The hint of the error so far. If it names one of the files, none is suggested.
    """
    files = [path for path in visible_paths(folder) if _is_data_file(path)]
    for child in folders_in(folder):
        paths = visible_paths(child)
        if not files and not store.is_own_folder([path.name for path in paths]):
            files = [path for path in paths if _is_data_file(path)]
    if not files:
        return ""

    labelled = [path for path in files if not _WITHOUT_LABELS.search(path.name)]
    chosen = (labelled or files)[0]
    named = [path for path in files if str(path) in hint]
    if named:
        return ""
    names = first_names([path.name for path in files], _LISTED)
    if len(files) == 1:
        return f"It holds {names}. To read that file, pass its path: {chosen}."
    advice = _unpack_advice(files, chosen)
    if advice:
        return f"It holds {names}. {advice}"
    return f"It holds {names}. To read one of them, pass its path, such as {chosen}."


def _unpack_advice(files: Sequence[Path], chosen: Path) -> str:
    """Return what to do with archives that belong together: shards, IDX files or classes."""
    if not all(ARCHIVE_NAME.search(path.name) for path in files):
        return ""
    stems = [ARCHIVE_NAME.sub("", path.name) for path in files]
    if len({_NUMBER.sub("", stem) for stem in stems}) == 1:
        return (
            "These are parts of one dataset, such as the shards of a WebDataset. Unpack all of them"
            " into one folder, and pass that."
        )
    if all(parse_idx_name(stem) for stem in stems):
        return "Unpack all of them into one folder, and pass that."
    return (
        "If each is a class or a part, unpack each into a folder of its name, and pass the folder "
        f"above. To read one of them, pass its path, such as {chosen}."
    )


def _is_data_file(path: Path) -> bool:
    if not path.is_file():
        return False
    is_archive = ARCHIVE_NAME.search(path.name) is not None
    is_csv = is_table(path) and not is_plain_text(path)
    return is_archive or is_csv or is_row_file(path) or path.suffix.lower() == ".npz"
