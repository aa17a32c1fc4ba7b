"""Setting aside what is damaged or left over, so that nothing uses it and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart import store
from headstart.diagnosis._types import Diagnosis

SET_ASIDE = ".set-aside"


def set_aside(diagnoses: Iterable[Diagnosis]) -> list[Path]:
    """Move damaged cache entries, damaged checkpoints and debris into a folder beside them.

    Nothing is deleted. Damaged runs and studies stay where they are: most of their files still
    work, and they can be restored from a copy.

    Returns:
        The new path of each.

    Raises:
        ResourceError: Something cannot be moved.
    """
    moved: list[Path] = []
    for diagnosis in diagnoses:
        path = Path(diagnosis.path)
        is_recreated = diagnosis.kind in ("cache entry", "checkpoint")
        is_damaged = diagnosis.state == "damaged" and is_recreated
        if (is_damaged or diagnosis.state == "debris") and path.exists():
            target = _free_name(path.parent / SET_ASIDE / path.name.lstrip("."))
            store.ensure_folder(target.parent)
            store.rename(path, target)
            moved.append(target)
    return moved


def _free_name(path: Path) -> Path:
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
