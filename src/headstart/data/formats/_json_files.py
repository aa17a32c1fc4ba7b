"""The content of a JSON file, described: annotations of objects, or the labels of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import InputError
from headstart.formatting import counted

_LARGEST_BYTES = 64 << 20
_SHOWN_FIELDS = 6
_SHOWN_CHARACTERS = 40
_BOX_FIELDS = frozenset(
    {"annotations", "bbox", "bboxes", "box", "boxes", "objects"}
    | {"polygons", "regions", "segmentation", "shapes"}
)
_ONE_LABEL = "Whole images are classified. If each image has one label, write a CSV of path,label."
_CLASS_FOLDERS = "Pass a folder of class folders, or a CSV of path,label."


def describe_json(path: Path) -> tuple[str, str]:
    """Return what a JSON file holds, and what to do, for the error about it.

    Three forms are known: annotations of objects, as in COCO; a list of objects, one per image; and
    an object of the labels by image. For the latter two, the advice is a command that writes a CSV.
    """
    content = read_json(path)
    if isinstance(content, dict) and annotates_objects(content):
        return "a JSON file of annotated objects, as in COCO (detection, segmentation)", _ONE_LABEL

    name, table = path.name, f"{path.stem}.csv"
    opened = f"open('{table}', 'w', newline='')"
    if isinstance(content, dict) and content and all(map(_is_label, content.values())):
        rows = f"[('path', 'label'), *json.load(open('{name}')).items()]"
        return (
            f"a JSON file of {counted(len(content), 'label')} by image",
            _as_table(f"csv.writer({opened}).writerows({rows})"),
        )
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
        fields = [str(field)[:_SHOWN_CHARACTERS] for field in content[0]]
        if _BOX_FIELDS & {field.lower() for field in fields}:
            return (
                f"a JSON file of annotated objects ({', '.join(fields[:_SHOWN_FIELDS])})",
                _ONE_LABEL,
            )
        code = (
            f"rows = json.load(open('{name}')); table = csv.DictWriter({opened}, rows[0]); "
            "table.writeheader(); table.writerows(rows)"
        )
        return (
            f"a JSON list of {counted(len(content), 'object')} with the fields "
            f"{', '.join(fields[:_SHOWN_FIELDS])}",
            _as_table(code),
        )
    return "a JSON file", _CLASS_FOLDERS


def annotates_objects(content: dict[str, Any]) -> bool:
    """Return whether a JSON object describes objects in images, by the names of its fields."""
    return bool(_BOX_FIELDS & {field.lower() for field in content})


def read_json(path: Path) -> Any:
    """Return the content of a JSON file, or None if it is too large, damaged or not JSON."""
    try:
        return json.loads(store.read_file(path, _LARGEST_BYTES))
    except (ValueError, RecursionError, OSError, InputError):
        return None


def _is_label(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _as_table(code: str) -> str:
    return f'Write it as a table, and pass that: python -c "import csv, json; {code}"'
