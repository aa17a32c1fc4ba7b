"""The examination of runs, studies, the cache and the machine, as a function."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.api._results import Result

if TYPE_CHECKING:
    from rich.console import RenderableType

    from headstart.diagnosis import Diagnosis


class DoctorResult(Result):
    """The result of `doctor`.

    Attributes:
        diagnoses: What was found, as typed values. The key `diagnoses` has them as dictionaries.
    """

    diagnoses: tuple[Diagnosis, ...] = ()

    def table(self) -> RenderableType:
        """Return what was found as text."""
        from headstart.report import doctor_lines

        return doctor_lines(self)


def doctor(
    *paths: str | Path, cache: bool = False, repair: bool = False, self_test: bool = False
) -> DoctorResult:
    """Check runs, studies, the cache and the machine: what is damaged, and what to do.

    Nothing is changed unless `repair` is set. In each sealed folder, the SHA-256 of every file is
    compared. Accuracies are recomputed from the predictions, class names are compared
    between files, and SQLite checks its databases.

    Args:
        paths: Folders of runs or studies, or folders that hold some. None for `runs`, if there is
            such a folder.
        cache: Whether to examine the cache of decoded datasets too.
        repair: Whether to move damaged cache entries, damaged checkpoints and what killed
            processes left into a folder `.set-aside` beside them. Nothing is deleted.
        self_test: Whether to test bfloat16 on this machine, which imports torch.

    Returns:
        `healthy`, `damaged` (a number), `debris_bytes`, `diagnoses` (`path`, `kind`, `state`,
        `file`, `reason`, `works`, `help`, `bytes`) and `set_aside` (paths).

    Raises:
        ResourceError: A folder does not exist or cannot be read.
    """
    from headstart.diagnosis import check_machine, examine, set_aside

    folders = [Path(path) for path in paths]
    if not folders and Path("runs").is_dir():
        folders = [Path("runs")]
    diagnoses = examine(folders, cache=cache)
    moved = set_aside(diagnoses) if repair else []
    diagnoses += check_machine(Path.cwd(), self_test=self_test)

    damaged = sum(diagnosis.state == "damaged" for diagnosis in diagnoses)
    result = DoctorResult(
        healthy=damaged == 0,
        damaged=damaged,
        debris_bytes=sum(diagnosis.bytes for diagnosis in diagnoses if diagnosis.state == "debris"),
        diagnoses=[asdict(diagnosis) for diagnosis in diagnoses],
        set_aside=[str(path) for path in moved],
    )
    result.diagnoses = tuple(diagnoses)
    return result
