"""The protocol of a study, and the function that carries out any study.

To add a study, write one module: its configuration, which implements `Study`, and its finding, a
subclass of `headstart.results.Finding`. Then list the finding in `headstart.results.FINDINGS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headstart import store
from headstart.data import SplitDataset, describe, write_split
from headstart.errors import InputError
from headstart.execution import Executor, Where, open_executor
from headstart.results import Budget, EvaluationPart, Finding, JsonObject, read_finding

FindingT = TypeVar("FindingT", bound=Finding)
FindingT_co = TypeVar("FindingT_co", bound=Finding, covariant=True)


class Study(Protocol[FindingT_co]):
    """The configuration of a study, and how it is carried out."""

    @property
    def finding_type(self) -> type[FindingT_co]:
        """The class of its finding."""

    def check(self) -> None:
        """Check the configuration before any data are opened.

        Raises:
            InputError: The study cannot be carried out as configured.
        """

    def check_data(self, data: SplitDataset) -> None:
        """Check that the data suit the study, before its folder is claimed.

        Raises:
            InputError: The data do not suit the study.
        """

    def as_json(self) -> JsonObject:
        """Return the configuration, which names the default folder of the study."""

    def identity(self) -> JsonObject:
        """Return what distinguishes the study from others on the same data.

        The default is `as_json`. A study adds what its configuration only refers to, such as the
        content of recipe files.
        """
        return self.as_json()

    def run(self, context: StudyContext) -> FindingT_co:
        """Train the runs of the study and return its finding.

        Called once, with the folder claimed. An interrupted study is called again and reuses the
        runs that are finished.

        Raises:
            RunFailed: No run finished.
        """


@dataclass(frozen=True)
class StudyContext:
    """The data, folder, clock and executor of one study.

    Attributes:
        data: The dataset and its split.
        folder: The study folder.
        started: `time.perf_counter()` when the time limit began to count, in seconds.
        workers: Where runs execute.
        command: The command line that reproduces the study.
        created: The time at which the study began, in ISO 8601.
    """

    data: SplitDataset
    folder: Path
    started: float
    workers: Where = field(default_factory=Where)
    command: str = ""
    created: str = ""

    def seconds_spent(self) -> float:
        """Return the seconds since the study began."""
        return time.perf_counter() - self.started

    def with_data(self, data: SplitDataset) -> StudyContext:
        """Return the same study on other data, such as without validation images."""
        return replace(self, data=data)

    def budget(self, time_limit: float | None, seeds: tuple[int, ...]) -> Budget:
        """Return the budget of the study, with the time that it has taken until now."""
        return Budget(
            time_limit=time_limit, seeds=seeds, seconds_spent=round(self.seconds_spent(), 1)
        )

    @contextmanager
    def open_executor(self) -> Iterator[Executor]:
        """Open the executor of the study, for runs on its data."""
        with open_executor(self.workers, self.data) as executor:
            yield executor

    def common_fields(
        self, evaluated_on: EvaluationPart, test_reads: int, budget: Budget
    ) -> dict[str, Any]:
        """Return the fields that the findings of all studies share, as keyword arguments.

        Args:
            evaluated_on: The part of the split that evaluates the runs.
            test_reads: The number of runs that were evaluated on the test images.
            budget: Time and seeds of the study.
        """
        return {
            "headstart": version("headstart"),
            "created": self.created,
            "command": self.command,
            "dataset": describe(self.data),
            "report": str(self.folder / "report.html"),
            "evaluated_on": evaluated_on,
            "test_reads": test_reads,
            "budget": budget,
        }


def run_study(
    study: Study[FindingT],
    data: SplitDataset,
    folder: Path,
    *,
    workers: Where | None = None,
    command: str = "",
    started: float | None = None,
) -> FindingT:
    """Carry out a study and write its `finding.json`, or return the finding that is there.

    Args:
        study: The configuration of the study.
        data: The dataset and its split, which all runs share.
        folder: The study folder. Finished runs in it are reused.
        workers: Where runs execute; this process by default.
        command: The command line that reproduces the study, for the record.
        started: `time.perf_counter()` when the time limit began to count; now by default.

    Raises:
        InputError: The configuration, the data or the folder cannot be used.
        ResourceError: Another process uses the folder, or it cannot be written.
        RunFailed: No run finished.
    """
    started = time.perf_counter() if started is None else started
    study.check()
    study.check_data(data)
    identity = _full_identity(study, data)
    if (finding := _load_finding(study, folder, identity)) is not None:
        return finding

    with store.claim(folder):
        # Another process may have finished the study in the meantime.
        if (finding := _load_finding(study, folder, identity)) is not None:
            return finding
        _begin(folder, identity, data)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        context = StudyContext(data, folder, started, workers or Where(), command, created)

        finding = study.run(context)

        store.write_json(folder / "finding.json", finding.as_json())
        return finding


def evaluation_part(data: SplitDataset) -> EvaluationPart:
    """Return the part that evaluates: "test", or "validation" if there are no test images.

    Raises:
        InputError: There are neither test nor validation images.
    """
    if len(data.split.test):
        return "test"
    if len(data.split.validation):
        return "validation"
    raise InputError(
        "the split has neither test nor validation images, so nothing can be evaluated.",
        "Give --test or --validation a fraction above 0.",
    )


def to_json(content: Mapping[str, Any]) -> JsonObject:
    """Return the content as it is read back from JSON: tuples become lists, keys become text."""
    json_object: JsonObject = json.loads(json.dumps(content))
    return json_object


def given_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def _full_identity(study: Study[Finding], data: SplitDataset) -> JsonObject:
    return {
        "study": study.finding_type.study_name(),
        **study.identity(),
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }


def _begin(folder: Path, identity: JsonObject, data: SplitDataset) -> None:
    """Record what the study is, so that an interrupted study is recognised."""
    if store.read_json_or(folder / "study.json", None) != identity:
        # An interrupted study without results was here; its plan is not ours.
        store.remove_file(folder / "budget.json")
    store.write_json(folder / "study.json", identity)
    write_split(data, folder)


def _load_finding(study: Study[FindingT], folder: Path, identity: JsonObject) -> FindingT | None:
    """Return the finding in `folder`, or None if the study has not finished there.

    Raises:
        InputError: The folder holds results of another study, or files that are not of a study.
    """
    if not (folder / "study.json").exists():
        _require_no_other_files(folder)
        return None

    is_finished = (folder / "finding.json").exists()
    if is_finished or any((folder / "runs").glob("*/metrics.json")):
        _require_same_study(folder, identity)
    if not is_finished:
        return None

    finding = read_finding(folder)
    if not isinstance(finding, study.finding_type):
        raise InputError(
            f"{folder / 'finding.json'}: invalid study: expected "
            f"{study.finding_type.study_name()}, got {finding.study}.",
            "Choose another --out, or remove that folder.",
        )
    return finding


def _require_no_other_files(folder: Path) -> None:
    if not folder.is_dir():
        return
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    if names:
        raise InputError(
            f"{folder} is not empty and does not hold a study: {', '.join(sorted(names)[:3])}.",
            "Choose another --out.",
        )


def _require_same_study(folder: Path, identity: JsonObject) -> None:
    recorded = store.read_json(folder / "study.json")
    for key, value in identity.items():
        if recorded.get(key) == value:
            continue
        # Fingerprints say nothing to a reader.
        values = "" if key in ("dataset", "split") else f": it has {recorded.get(key)}, not {value}"
        raise InputError(
            f"{folder} holds a study with a different {key.replace('_', ' ')}{values}.",
            "Choose another --out, or remove that folder. A study in a neighbouring folder reuses "
            "finished runs that match.",
        )
