"""The examination of folders: runs, studies and what is below them."""

from __future__ import annotations

from pathlib import Path

from headstart import store
from headstart.diagnosis._cache import check_cache, check_debris
from headstart.diagnosis._run import check_run
from headstart.diagnosis._study import check_study
from headstart.diagnosis._types import Diagnosis
from headstart.errors import ResourceError

_RUN_FILES = frozenset({"recipe.json", "metrics.json", "model.safetensors"})
_STUDY_FILES = frozenset({"study.json", "finding.json"})
# Folders in a run, whose files its own check reads.
_PARTS_OF_RUNS = frozenset({"state", "checkpoint", "figures"})
# In an ensemble, whose seal lists those of its members.
_MEMBERS = "members"


def examine(paths: list[Path], *, cache: bool = False) -> list[Diagnosis]:
    """Examine runs and studies, and everything below the given folders. Nothing is written.

    Args:
        paths: Folders of runs or studies, or folders that hold some.
        cache: Whether to examine the cache too.

    Raises:
        ResourceError: A path is not a folder, or cannot be read.
    """
    diagnoses: list[Diagnosis] = []
    for path in paths:
        if not path.is_dir():
            raise ResourceError(
                f"cannot look into {path}: it is not a folder.",
                "Name the folder of a run or a study, or a folder that holds some.",
            )
        diagnoses += _examine_below(path)
    if cache:
        diagnoses += check_cache()
    return diagnoses


def _examine_below(folder: Path) -> list[Diagnosis]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        raise ResourceError(
            f"cannot look into {folder}: {error.strerror}.", "Restore the permission to read it."
        ) from error

    diagnoses = check_debris(folder)
    names = {path.name for path in children}
    is_study = bool(names & _STUDY_FILES)
    is_run = not is_study and bool(names & _RUN_FILES) and _MEMBERS not in names
    if is_study:
        diagnoses += check_study(folder)
    elif is_run:
        diagnoses += check_run(folder)
        diagnoses += check_debris(folder / "checkpoint")
    elif store.is_sealed(folder) and "classifier.json" in names:
        diagnoses += _check_classifier(folder)

    for child in children:
        is_part = child.name == _MEMBERS or (is_run and child.name in _PARTS_OF_RUNS)
        if child.is_dir() and not child.is_symlink() and not is_part and child.name[0] != ".":
            diagnoses += _examine_below(child)
    return diagnoses


def _check_classifier(folder: Path) -> list[Diagnosis]:
    """Examine a classifier without a run, such as an ensemble: its seal."""
    help = "Restore the file from a copy, or make the classifier again."
    diagnoses = [
        Diagnosis(
            str(folder), "classifier", "damaged", problem.file, f"it {problem.reason}", "", help
        )
        for problem in store.find_problems(folder)
    ]
    return diagnoses or [Diagnosis(str(folder), "classifier", "healthy")]
