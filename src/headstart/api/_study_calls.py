"""The call of a study function: its data, options and folder, and how it is carried out."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from headstart import store
from headstart.api._arguments import default_folder, output_folder, tracking
from headstart.api._command_line import command_of
from headstart.api._data import Data, open_data
from headstart.api._explain_errors import explain_worst_errors
from headstart.api._keys import StudyKeys
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.results import Comparison, Finding

if TYPE_CHECKING:
    from headstart.studies import GateQuestion, Study

FindingT = TypeVar("FindingT", bound=Finding)


@dataclass(frozen=True)
class StudyCall:
    """A call of a study function, which makes it before it imports PyTorch: its clock runs.

    Attributes:
        data: What the caller gave as data.
        keys: Keys of the recipe, the dataset and the split.
        options: The options of the command, under their names on the command line.
        out: The study folder; None for one under `runs/`.
        track: The name of a tracker; None for none.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster; None for none.
        opened: The data, if they are open already.
        started: `time.perf_counter()` when the call was made. Importing PyTorch takes seconds,
            which count in a time limit.
    """

    data: Data
    keys: StudyKeys
    options: dict[str, Any]
    out: str | Path | None
    track: str | None = None
    workers: int = 1
    ray: str | None = None
    opened: SplitDataset | None = None
    started: float = field(default_factory=time.perf_counter)


def carry_out(
    study: Study[FindingT], call: StudyCall, gate: GateQuestion | None = None
) -> FindingT:
    """Carry out a study in its folder, and write its report.

    Args:
        study: The configuration of the study.
        call: The call, which names data and folder.
        gate: What the report decides about two contenders, if anything.
    """
    from headstart.execution import Where
    from headstart.report import write_report
    from headstart.studies import run_study

    study.check()
    if call.track is not None and call.ray is not None:
        raise InputError(
            "--track follows runs on this machine: it cannot follow those on a Ray cluster.",
            "Leave one of --track and --ray out.",
        )
    workers = Where(workers=call.workers, ray=call.ray)
    verb = study.finding_type.study_name()
    # Figures and models of single runs are not logged: a study has hundreds of runs.
    with tracking(call.track, with_files=False):
        data = call.opened or open_data(call.data, call.keys)
        content = json.dumps(study.as_json(), sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        folder = output_folder(call.out) or default_folder(data, verb, digest, "")
        options = {**call.options, "track": call.track, **call.keys}
        finding = run_study(
            study,
            data,
            folder,
            workers=workers,
            command=command_of(verb, call.data, options, call.out),
            started=call.started,
        )
        if gate is not None:
            _record_gate(folder, gate)
        if not (folder / "report.html").exists():
            if isinstance(finding, Comparison):
                explain_worst_errors(finding, data, folder)
            write_report(folder)
    return finding


def _record_gate(folder: Path, gate: GateQuestion) -> None:
    """Write the question of a gate, and remove a report that lacks it."""
    from headstart.studies import GATE_FILE, GateQuestion

    if GateQuestion.read(folder) != gate:
        store.write_json(folder / GATE_FILE, gate.as_json())
        store.remove_file(folder / "report.html")
