"""The examination of the machine: disk, memory, permissions, packages and the bfloat16 decision."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from pathlib import Path

from headstart import store
from headstart.diagnosis._types import Diagnosis
from headstart.machine import processor_name, usable_cores, usable_memory_bytes

LEAST_DISK_BYTES = 1 << 30
LEAST_MEMORY_BYTES = 1 << 30


def check_machine(folder: Path, *, self_test: bool = False) -> list[Diagnosis]:
    """Examine what runs need of this machine.

    Args:
        folder: Where runs are written.
        self_test: Whether to test bfloat16 now, which imports torch and takes seconds.
    """
    diagnoses = [_check_disk(folder), _check_memory(), _check_cache_folder()]
    diagnoses += _check_packages()
    diagnoses.append(_test_bfloat16() if self_test else _recorded_bfloat16())
    return diagnoses


def _healthy(name: str, reason: str) -> Diagnosis:
    return Diagnosis(name, "machine", "healthy", None, reason)


def _damaged(name: str, reason: str, help: str) -> Diagnosis:
    return Diagnosis(name, "machine", "damaged", None, reason, "", help)


def _check_disk(folder: Path) -> Diagnosis:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.1f} GB are free in {folder}"
    if free < LEAST_DISK_BYTES:
        return _damaged("disk", text, "Free some space: a run may fail to save.")
    return _healthy("disk", text)


def _check_memory() -> Diagnosis:
    free = usable_memory_bytes()
    machine = f"{usable_cores()} usable cores, {processor_name()}"
    if free is None:
        return _healthy("memory", f"unknown; {machine}")
    text = f"{free / 1e9:,.1f} GB are available; {machine}"
    if free < LEAST_MEMORY_BYTES:
        return _damaged("memory", text, "End other programs, or train with a smaller --batch.")
    return _healthy("memory", text)


def _check_cache_folder() -> Diagnosis:
    cache = store.cache_folder()
    place = cache
    while not place.exists():
        place = place.parent
    if os.access(place, os.W_OK):
        return _healthy("cache", f"{cache} can be written")
    return _damaged(
        "cache",
        f"{cache} cannot be written",
        "Set XDG_CACHE_HOME to a folder that can be written.",
    )


def _check_packages() -> list[Diagnosis]:
    """Compare the installed packages with the declared floors, those of extras included."""
    from packaging.requirements import Requirement

    try:
        declared = importlib.metadata.requires("headstart") or []
    except importlib.metadata.PackageNotFoundError:
        return [_healthy("packages", "Headstart is not installed, so its floors are unknown")]

    diagnoses: list[Diagnosis] = []
    checked = 0
    for text in declared:
        requirement = Requirement(text)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra that is not installed
        checked += 1
        if not requirement.specifier.contains(version, prereleases=True):
            diagnoses.append(
                _damaged(
                    "packages",
                    f"{requirement.name} {version} is installed, and "
                    f"{requirement.specifier} is required",
                    f"Upgrade it: pip install '{requirement.name}{requirement.specifier}'",
                )
            )
    return diagnoses or [_healthy("packages", f"{checked} packages have the required versions")]


def _recorded_bfloat16() -> Diagnosis:
    """Return the decisions about bfloat16 that are kept in the cache."""
    decisions = sorted((store.cache_folder() / "precision").glob("*.json"))
    if not decisions:
        return _healthy("bfloat16", "not decided yet: the first run tests it")
    content = store.read_json_or(decisions[-1], {})
    if not isinstance(content.get("is_used"), bool):
        return _damaged(
            "bfloat16", f"{decisions[-1]} is damaged", "Remove the file: the next run tests again."
        )
    used = "used" if content["is_used"] else "not used"
    return _healthy("bfloat16", f"{used}: {content.get('reason')}")


def _test_bfloat16() -> Diagnosis:
    from headstart.classifier import decide_bfloat16

    decision = decide_bfloat16()
    used = "used" if decision.is_used else "not used"
    return _healthy("bfloat16", f"{used}: {decision.reason}")
