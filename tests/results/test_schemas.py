"""The published JSON Schemas, and the list of JSON keys that scripts may rely on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headstart.results import FILES, schema_text, write_schemas

ROOT = Path(__file__).parents[2]
FROZEN_KEYS = Path(__file__).with_name("json_keys.json")


def json_keys(schema: dict[str, Any], definitions: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the path of every key of a schema, such as `contenders[].test.accuracy`."""
    if "$ref" in schema:
        return json_keys(definitions[schema["$ref"].rpartition("/")[2]], definitions, prefix)

    paths = []
    for choice in schema.get("anyOf", []):
        paths += json_keys(choice, definitions, prefix)
    if isinstance(schema.get("items"), dict):
        paths += json_keys(schema["items"], definitions, f"{prefix}[]")
    for key, value in schema.get("properties", {}).items():
        path = f"{prefix}.{key}" if prefix else key
        paths += [path, *json_keys(value, definitions, path)]
    return paths


@pytest.mark.parametrize("name", FILES)
def test_the_published_schema_is_that_of_the_model(name: str) -> None:
    """`python -m headstart.results` writes the schemas again."""
    assert (ROOT / "docs" / "schemas" / f"{name}.json").read_text() == schema_text(name)


def test_every_published_schema_has_a_model() -> None:
    assert {path.stem for path in (ROOT / "docs" / "schemas").glob("*.json")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_json_keys_are_the_frozen_ones(name: str) -> None:
    """A renamed or removed key breaks scripts. It needs a new version and an upgrade."""
    schema = json.loads(schema_text(name))
    assert json_keys(schema, schema.get("$defs", {})) == json.loads(FROZEN_KEYS.read_text())[name]


@pytest.mark.parametrize("name", FILES)
def test_every_field_is_described_by_one_sentence(name: str) -> None:
    schema = json.loads(schema_text(name))
    objects = [schema, *schema.get("$defs", {}).values()]
    for fields in objects:
        for key, field in fields.get("properties", {}).items():
            if key != "study":
                description = field.get("description", "")
                assert description.endswith("."), (fields["title"], key)
                assert ". " not in description, (fields["title"], key)


def test_schemas_are_written_into_a_folder(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path / "schemas")
    assert [path.stem for path in paths] == list(FILES)
    assert all(json.loads(path.read_text())["title"] for path in paths)
