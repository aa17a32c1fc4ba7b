"""Write the command line that does the same as a call."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.api._data import Data
from headstart.data import Dataset
from headstart.models.recipes import key_options

_DEFAULTS = {
    "split_seed": 0,
    "resize": "pad",
    "preset": "balanced",
    "equivalence": 0.5,
    "when_slow": "shorten",
}


def command_of(verb: str, data: Data, keys: Mapping[str, Any], out: str | Path | None) -> str:
    """Return the command line that does the same as a call of a verb; defaults are left out.

    Args:
        verb: The verb.
        data: Its data. Arrays are written as DATA.
        keys: Values of its options and of recipe keys. A recipe key for which the verb has no flag
            is written with `--set`.
        out: Its output folder.
    """
    source: object = data.source if isinstance(data, Dataset) else data
    if not isinstance(source, str | Path):
        source = ""
    words = ["headstart", verb, str(source or "DATA")]

    recipe_options = key_options()
    for key, value in keys.items():
        is_chosen = (verb, key) == ("fit", "resize")  # where it is left out
        if value is None or (_DEFAULTS.get(key) == value and not is_chosen):
            continue
        if key in recipe_options and not recipe_options[key].has_flag(verb):
            words += ["--set", f"{key}={_text(value)}"]
        else:
            words += _flag(key, value)

    if out:
        words += ["--out", str(out)]
    return shlex.join(words)


def _flag(key: str, value: Any) -> list[str]:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", _text(value)]


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # --epochs 3, as it was typed, and not 3.0
    return str(value)
