"""Columns of a Parquet or Arrow file with images, labels and groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.parquet._files import import_pyarrow
from headstart.data.formats.tables._columns import LABEL_NAMES
from headstart.data.formats.tables._csv_table import shorten_columns
from headstart.errors import InputError, suggest_name

Features = dict[str, dict[str, Any]]  # descriptions of columns, as `datasets` writes them

_PREFERRED_IMAGE_COLUMNS = ("image", "img")
_PATH_COLUMNS = ("path", "image", "filename", "file", "image_path", "id", "file_name")
_LABEL_COLUMNS = (*LABEL_NAMES, "labels", "category")
_BOX_COLUMNS = frozenset({"objects", "bbox", "bboxes", "boxes", "annotations"})
_METADATA_KEY = b"huggingface"  # `datasets` writes the types of the columns there, as JSON.


@dataclass(frozen=True)
class RowColumns:
    """The columns that are read.

    Attributes:
        image: Column of the images: structs of bytes and path, bytes, or paths.
        image_has_bytes: Whether it holds the content of the files, and not only their paths.
        image_has_path: Whether it holds structs with a path.
        label: Column of the labels.
        group: Column of the groups, or None.
        class_names: Names of the classes if labels are indices into them, or None.
    """

    image: str
    image_has_bytes: bool
    image_has_path: bool
    label: str
    group: str | None
    class_names: tuple[str, ...] | None


def choose_columns(schema: Any, options: LoadOptions, source: str) -> RowColumns:
    """Choose the columns of images, labels and groups.

    Args:
        schema: The `pyarrow.Schema`.
        options: The options of `load`.
        source: Where the columns come from, for error messages.

    Raises:
        InputError: A column is missing, or several could be meant. Or the labels are lists.
    """
    features = _read_features(schema)
    image = _image_column(schema, features, options, source)
    label = _label_column(schema, features, options, source, image)
    _require_one_label(schema, features, label, source)
    if options.group_by is not None:
        _require_column(schema, options.group_by, "group_by", source)

    feature = features.get(label, {})
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    kind = schema.field(image).type
    fields = _struct_fields(kind)
    return RowColumns(
        image=image,
        image_has_bytes="bytes" in fields or _is_binary(kind),
        image_has_path="path" in fields,
        label=label,
        group=options.group_by,
        class_names=None if names is None else tuple(str(name) for name in names),
    )


def _read_features(schema: Any) -> Features:
    """Return what `datasets` wrote about each column, or nothing."""
    content = (schema.metadata or {}).get(_METADATA_KEY)
    if content is None:
        return {}
    try:
        features = json.loads(content)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    if not isinstance(features, dict):
        return {}
    return {name: feature for name, feature in features.items() if isinstance(feature, dict)}


def _image_column(schema: Any, features: Features, options: LoadOptions, source: str) -> str:
    if options.path_column is not None:
        return _require_column(schema, options.path_column, "path_column", source)

    columns: list[str] = schema.names
    declared = [name for name in columns if features.get(name, {}).get("_type") == "Image"]
    structs = [name for name in columns if "bytes" in _struct_fields(schema.field(name).type)]
    binary = [name for name in columns if _is_binary(schema.field(name).type)]
    texts = [name for name in columns if _is_text(schema.field(name).type)]
    paths = [name for name in texts if name.lower() in _PATH_COLUMNS]
    for candidates in (declared, structs, binary, paths):
        preferred = [name for name in candidates if name.lower() in _PREFERRED_IMAGE_COLUMNS]
        if len(preferred) == 1 or len(candidates) == 1:
            return (preferred or candidates)[0]
        if candidates:
            raise InputError(
                f"{source} has several columns of images: {', '.join(candidates)}.",
                f"Choose one: --path-column {candidates[0]}",
            )
    raise InputError(
        f"{source} has no column of images; it has {shorten_columns(schema.names)}.",
        "Give a column image with the bytes or the path of each image, or name the column with "
        "--path-column. Columns of pixels are read from CSV files only.",
    )


def _label_column(
    schema: Any,
    features: Features,
    options: LoadOptions,
    source: str,
    image: str,
) -> str:
    if options.label_column is not None:
        return _require_column(schema, options.label_column, "label_column", source)

    columns: list[str] = schema.names
    lowered = {name.lower(): name for name in columns if name != image}
    for usual in _LABEL_COLUMNS:
        if usual in lowered:
            return lowered[usual]
    declared = [name for name in columns if features.get(name, {}).get("_type") == "ClassLabel"]
    if len(declared) == 1:
        return declared[0]
    if declared:
        raise InputError(
            f"{source} has several columns of classes: {', '.join(declared)}.",
            f"Choose one: --label-column {declared[0]}",
        )
    hint = "Name it with --label-column."
    if _BOX_COLUMNS & set(lowered):
        hint = "Boxes of objects are not supported: each image needs one class. " + hint
    raise InputError(
        f"{source} has no column of labels; it has {shorten_columns(schema.names)}.", hint
    )


def _require_one_label(schema: Any, features: Features, label: str, source: str) -> None:
    types = import_pyarrow().types
    kind = schema.field(label).type
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    if is_list or features.get(label, {}).get("_type") in {"Sequence", "List", "LargeList"}:
        raise InputError(
            f"multi-label is not supported: the column {label} of {source} holds lists.",
            "Give one class per image, for example in another column: --label-column",
        )


def _require_column(schema: Any, name: str, option: str, source: str) -> str:
    names: Sequence[str] = schema.names
    if name not in names:
        raise InputError(
            f"{source} has no column '{name}' ({option}); it has {shorten_columns(names)}.",
            suggest_name(name, tuple(names)),
        )
    return name


def _struct_fields(kind: Any) -> set[str]:
    if not import_pyarrow().types.is_struct(kind):
        return set()
    return {kind.field(number).name for number in range(kind.num_fields)}


def _is_binary(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    types = import_pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))
