"""The folder of a study: one question a folder, answered once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from headstart import store
from headstart.data import Split, SplitDataset, describe, write_split
from headstart.errors import InputError


def answer(
    study: str,
    asked: Mapping[str, Any],
    data: SplitDataset,
    folder: Path,
    command: str,
    work: Callable[[], Mapping[str, Any]],
) -> dict[str, Any]:
    """The finding of a study: what `folder` holds of it, or else what `work` finds now, written to `finding.json`.

    Args:
        study: its verb.
        asked: what defines the question beside the images and their split.
        command: what reproduces it, for the record.
        work: makes the runs and says what they show: all keys of the finding but those that every study has.

    Raises:
        InputError: another study, or things that are no study, are in the folder. ResourceError: another process has it.
    """
    identity = {**asked, "dataset": data.dataset.fingerprint, "split": data.split.fingerprint}
    if (finding := finished(folder, study, identity)) is not None:
        return finding
    with store.claim(folder):
        if (
            finding := finished(folder, study, identity)
        ) is not None:  # by another process, meanwhile
            return finding
        begun = {"study": study, **identity}
        if store.read_json_or(folder / "study.json", None) != begun:
            store.remove_file(
                folder / "budget.json"
            )  # the plan of an interrupted study that this one takes over
        store.write_json(folder / "study.json", begun)
        write_split(data, folder)
        facts = {
            "study": study,
            "headstart": version("headstart"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "dataset": {
                **describe(data),
                "counts": {
                    "train": len(data.split.train),
                    "validation": len(data.split.validation),
                    "test": len(data.split.test),
                },
            },
            "report": str(folder / "report.html"),
        }
        store.write_json(folder / "finding.json", plain({**facts, **work()}))
        return read_finding(folder)


def part_that_judges(split: Split) -> str:
    """ "test", or "validation" where there are no test images.

    Raises:
        InputError: there are neither.
    """
    if not len(split.test) and not len(split.validation):
        raise InputError(
            "there is neither a test nor a validation image.",
            "Give --test or --validation a fraction above 0.",
        )
    return "test" if len(split.test) else "validation"


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
        strangers = (
            [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
            if folder.is_dir()
            else []
        )
        if strangers:
            listed = ", ".join(sorted(strangers)[:3])
            raise InputError(
                f"{folder} is not empty and holds no study: {listed}.", "Choose another --out."
            )
        return None
    found = store.read_json(folder / "study.json")
    holds_results = (folder / "finding.json").exists() or any(
        (folder / "runs").glob("*/metrics.json")
    )
    for key, wanted in {"study": study, **identity}.items():
        if holds_results and found.get(key) != wanted:
            shown = (
                "" if key in ("dataset", "split") else f" ({found.get(key)} there, {wanted} asked)"
            )
            raise InputError(
                f"{folder} holds a study with another {key.replace('_', ' ')}{shown}.",
                f"Choose another --out, or remove that folder. Beside {folder}, its finished runs are taken over where they fit.",
            )
    return read_finding(folder) if (folder / "finding.json").exists() else None


def read_finding(folder: Path) -> dict[str, Any]:
    """What the study in `folder` found."""
    finding: dict[str, Any] = store.read_json(folder / "finding.json")
    return finding
