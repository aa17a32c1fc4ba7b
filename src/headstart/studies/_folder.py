"""The folder of a study: one question a folder, answered once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import InputError


def plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """As it will be read back from JSON: tuples are lists, keys are words."""
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def finished(folder: Path, study: str, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The finding in `folder`, if it is the one asked for; None where nothing is finished, or where this study was interrupted.

    Args:
        study: its verb.
        identity: what defines the study; an interrupted one of another identity may be taken over while it has no results.

    Raises:
        InputError: results of another study are there, or things that are no study; neither is ever overwritten.
    """
    if not (folder / "study.json").exists():
        strangers = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
        if strangers:
            listed = ", ".join(sorted(strangers)[:3])
            raise InputError(f"{folder} is not empty and holds no study: {listed}.", "Choose another --out.")
        return None
    found = store.read_json(folder / "study.json")
    holds_results = (folder / "finding.json").exists() or any((folder / "runs").glob("*/metrics.json"))
    for key, wanted in {"study": study, **identity}.items():
        if holds_results and found.get(key) != wanted:
            shown = "" if key in ("dataset", "split") else f" ({found.get(key)} there, {wanted} asked)"
            raise InputError(
                f"{folder} holds a study with another {key.replace('_', ' ')}{shown}.",
                "Choose another --out, or remove that folder.",
            )
    return read_finding(folder) if (folder / "finding.json").exists() else None


def read_finding(folder: Path) -> dict[str, Any]:
    """What the study in `folder` found."""
    finding: dict[str, Any] = store.read_json(folder / "finding.json")
    return finding
