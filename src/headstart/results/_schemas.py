"""The JSON Schemas of the result files, generated from the models."""

from __future__ import annotations

import json
from pathlib import Path

from headstart import store
from headstart.results._base import VersionedModel
from headstart.results._metrics import RunMetrics, RunSummary
from headstart.results._read import FINDINGS

FILES: dict[str, type[VersionedModel]] = {
    "metrics": RunMetrics,
    "train": RunSummary,
    **FINDINGS,
}


def schema_text(name: str) -> str:
    """Return the JSON Schema of a result as indented JSON.

    Args:
        name: "metrics" for `metrics.json`, or the command whose JSON output it describes.
    """
    schema = FILES[name].model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write one JSON Schema per result into `folder`, and return their paths."""
    paths = [folder / f"{name}.json" for name in FILES]
    for path in paths:
        store.write_text(path, schema_text(path.stem))
    return paths
