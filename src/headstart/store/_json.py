"""Readers of JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.errors import InputError
from headstart.store._limits import LARGEST_TEXT_BYTES
from headstart.store._seal import read_verified


def read_json(path: Path, limit: int = LARGEST_TEXT_BYTES) -> Any:
    """Return the content of a JSON file that Headstart wrote, verified if its folder is sealed.

    Args:
        path: The file.
        limit: The most bytes that it may have.

    Raises:
        InputError: The file is missing, is too large, is not JSON, or is not as it was sealed.
    """
    try:
        return json.loads(read_verified(path, limit).decode("utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist.", f"Is {path.parent} a folder that Headstart made?"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as JSON: {error}.",
            "It may be damaged. Move the folder away and run the command again.",
        ) from error


def read_json_or(path: Path, default: Any) -> Any:
    """Return the content of a JSON file, or `default` if the file is missing or damaged.

    A file is damaged as well if its content is not of the type of the default, such as a list in
    the place of an object. It suits files that can be recreated.
    """
    try:
        content = read_json(path)
    except InputError:
        return default
    return content if default is None or isinstance(content, type(default)) else default
