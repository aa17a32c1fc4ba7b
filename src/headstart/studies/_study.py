"""The protocol of a study, and the function that carries out any study.

To add a study, write one module: its configuration, which implements `Study`, and its finding, a
subclass of `headstart.results.Finding`. Then list the finding in `headstart.results.FINDINGS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from headstart import progress, store
from headstart.data import SplitDataset, describe, write_split
from headstart.errors import InputError
from headstart.evaluation import DEFAULT_MARGIN, count_groups
from headstart.execution import Executor, Where, open_executor
from headstart.formatting import counted
from headstart.results import (
    Budget,
    EvaluationPart,
    EvaluationReuse,
    Finding,
    FitFinding,
    JsonObject,
    read_finding,
)
from headstart.studies._extension import EARLIER_FINDING, forget_earlier, reopened
from headstart.studies._test_reuse import count_study

FindingT = TypeVar("FindingT", bound=Finding)
FindingT_co = TypeVar("FindingT_co", bound=Finding, covariant=True)
# With fewer images of a class on average, a class may have none to spare for validation.
_LEAST_IMAGES_PER_CLASS = 4
# Values of the studies that were recorded before these keys existed.
_ADDED_LATER = {"equivalence_margin": DEFAULT_MARGIN}
# Values of the keys that an identity has only if they differ from these.
_LEFT_OUT: JsonObject = {
    "groups": None,
    "folds": None,
    "until_decided": False,
    "without_plan": None,
    "when_slow": "shorten",
    "images": None,
}
_FINGERPRINTS = ("dataset", "split", "without_plan")
# The files of a study that its seal lists, and what needs them. Its runs have seals of their own.
_SEALED = {
    "finding.json": ("reports", "extensions"),
    "study.json": ("extensions",),
    "split.npz": ("extensions",),
    "budget.json": ("extensions",),
    "looks.json": ("extensions",),
}
# The files that are of no use to another study in the same folder.
_PLANS = ("budget.json", "looks.json", "ladder.json", "clock.json", "searches.json")


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

    def extends(self, recorded: JsonObject, identity: JsonObject, folder: Path) -> bool:
        """Return whether this study continues the one in a folder, with more runs or more time.

        The study in the folder is finished, or it was interrupted.

        Args:
            recorded: The full identity of the study in the folder.
            identity: The full identity of this study.
            folder: The study folder.
        """
        return False

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

    @property
    def has_previous_finding(self) -> bool:
        """True if the study in the folder had finished, and is being extended."""
        return (self.folder / EARLIER_FINDING).exists()

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
    ) -> dict[str, object]:
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
            "evaluated_groups": count_groups(self.data.groups_of(evaluated_on)),
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
    is_extended = _is_extended(study, folder, identity)
    if not is_extended and (finding := _load_finding(study, folder, identity)) is not None:
        _clear_runs(folder)
        return finding

    with store.claim(folder):
        is_extended = _is_extended(study, folder, identity)
        # Another process may have finished the study in the meantime.
        if not is_extended and (finding := _load_finding(study, folder, identity)) is not None:
            return finding
        created = datetime.now(UTC).isoformat(timespec="seconds")
        context = StudyContext(data, folder, started, workers or Where(), command, created)

        with reopened(folder, identity) if is_extended else nullcontext():
            _begin(study, folder, identity, data)
            if data.dataset.source:
                store.record_command(folder, command)
            with _suitable_threads(study, context.workers):
                finding = study.run(context)
            _clear_runs(folder)
            reuse = _count(finding, data, folder, identity)
            finding = finding.model_copy(update={"reuse": reuse})

            if context.has_previous_finding:
                store.remove_file(folder / "report.html")  # of the earlier finding
            content = store.json_bytes(finding.as_json())
            store.seal(folder, _SEALED, final=("finding.json", content))
        forget_earlier(folder)
        store.forget_command(folder)
        return finding


def _suitable_threads(study: Study[FindingT], where: Where) -> AbstractContextManager[None]:
    """Return the block for a study's runs, with fewer threads if they execute here in limited time.

    Without a limit, fewer threads are only suggested. Studies that have none, such as a quick
    audit, may need no PyTorch.
    """
    content = study.as_json()
    if "time_limit" not in content or where.workers > 1 or where.ray is not None:
        return nullcontext()

    from headstart import classifier

    if content["time_limit"] is not None:
        return classifier.fewer_threads_under_load()
    classifier.suggest_fewer_threads_under_load()
    return nullcontext()


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
        "Set --test or --validation to a fraction above 0.",
    )


def no_validation_images(data: SplitDataset, chosen: str) -> InputError:
    """Return the error about a study that selects on validation images, of which there are none.

    Args:
        data: The dataset and its split.
        chosen: What the study selects, with its article.
    """
    hint = "Pass --validation FRACTION, a number above 0."
    images, classes = len(data.dataset), len(data.class_names)
    if images < _LEAST_IMAGES_PER_CLASS * classes:
        hint = (
            f"Add images: {counted(images, 'image')} of {counted(classes, 'class', 'classes')} "
            f"leave none for validation. Then pass --validation FRACTION, a number above 0."
        )
    return InputError(f"there are no validation images to select {chosen} on.", hint)


def to_json(content: Mapping[str, Any]) -> JsonObject:
    """Return the content as it is read back from JSON: tuples become lists, keys become text."""
    json_object: JsonObject = json.loads(json.dumps(content))
    return json_object


def given_values(values: Mapping[str, Any]) -> dict[str, object]:
    """Return the recipe values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def _full_identity(study: Study[Finding], data: SplitDataset) -> JsonObject:
    groups = {"groups": data.groups_digest} if data.groups_digest else {}
    return {
        "study": study.finding_type.study_name(),
        **study.identity(),
        **groups,
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }


def _begin(study: Study[Finding], folder: Path, identity: JsonObject, data: SplitDataset) -> None:
    """Record what the study is, so that an interrupted study is recognised."""
    store.clear_debris(folder)
    store.unseal(folder)  # of a process that was killed before it wrote `finding.json`
    recorded = store.read_json_or(folder / "study.json", {})
    is_ours = recorded == identity or (recorded and study.extends(recorded, identity, folder))
    if not is_ours:
        # An interrupted study without results was here; its plan is not ours.
        for name in _PLANS:
            store.remove_file(folder / name)
    store.write_json(folder / "study.json", identity)
    write_split(data, folder)


def _clear_runs(folder: Path) -> None:
    """Remove what is left of checkpoints, whose removal an I/O error or a power loss undid."""
    for run in (folder / "runs").glob("*"):
        store.clear_debris(run)


def _is_extended(study: Study[Finding], folder: Path, identity: JsonObject) -> bool:
    if not (folder / "finding.json").exists() or not (folder / "study.json").exists():
        return False
    return study.extends(store.read_json(folder / "study.json"), identity, folder)


def _count(
    finding: Finding, data: SplitDataset, folder: Path, identity: JsonObject
) -> EvaluationReuse | None:
    """Count the study among those on the same test images; a failure ends no study."""
    try:
        return count_study(finding, data, folder, identity)
    except Exception as error:
        # The runs may have taken hours: the finding does not depend on this.
        progress.warn(
            "WARNING: the finding does not say how many studies used its test images, because "
            f"counting them failed: {type(error).__name__}: {error}."
        )
        return None


def _load_finding(study: Study[FindingT], folder: Path, identity: JsonObject) -> FindingT | None:
    """Return the finding in `folder`, or None if the study has not finished there.

    Raises:
        InputError: The folder holds results of another study, or files that are not of a study.
        DamagedFile: A file of the finished study has changed or is missing.
    """
    if not (folder / "study.json").exists():
        _require_no_other_files(folder)
        return None

    is_finished = (folder / "finding.json").exists()
    has_results = is_finished or any((folder / "runs").glob("*/metrics.json"))
    if has_results and not study.extends(store.read_json(folder / "study.json"), identity, folder):
        _require_same_study(folder, identity, is_finished=is_finished)
    if not is_finished:
        return None

    store.require_intact(folder)
    store.note_if_unsealed(folder)
    finding = read_finding(folder)
    if not isinstance(finding, study.finding_type):
        raise InputError(
            f"{folder / 'finding.json'}: invalid study: expected "
            f"{study.finding_type.study_name()}, got {finding.study}.",
            "Choose another --out, or remove that folder.",
        )
    return _at_its_place(finding, folder)


def _at_its_place(finding: FindingT, folder: Path) -> FindingT:
    """Return a finding whose paths lead into its folder, which may have been moved since."""
    paths = {"report": str(folder / "report.html")}
    if isinstance(finding, FitFinding):
        classifier = folder / Path(finding.run).name
        if classifier.exists():
            paths["run"] = str(classifier)
    return finding.model_copy(update=paths)


def _require_no_other_files(folder: Path) -> None:
    if not folder.is_dir():
        return
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    if names:
        raise InputError(
            f"{folder} is not empty and does not hold a study: {', '.join(sorted(names)[:3])}.",
            "Choose another --out.",
        )


def _require_longer(folder: Path, limit: float, now: float) -> None:
    """Raise an error if a time limit is shorter than that of the study in a folder, in seconds."""
    if now < limit:
        raise InputError(
            f"{folder} holds a study with a longer --time-limit: {limit:g} s, not {now:g} s.",
            f"Pass --time-limit {limit:g}s or more to continue it, or choose another --out.",
        )


def _require_same_study(folder: Path, identity: JsonObject, *, is_finished: bool) -> None:
    recorded = {**_ADDED_LATER, **_LEFT_OUT, **store.read_json(folder / "study.json")}
    if is_finished and recorded["when_slow"] == "lengthen":
        # It has all its runs, so it also answers a study that could have lost some.
        recorded["when_slow"] = identity.get("when_slow", _LEFT_OUT["when_slow"])
    # Other data come first: the hint of another time limit would not help with them.
    items = sorted({**_LEFT_OUT, **identity}.items(), key=lambda item: item[0] == "time_limit")
    for key, value in items:
        if recorded.get(key) == value:
            continue
        if key == "groups":
            raise InputError(
                f"{folder} holds a study with other groups, or without groups.",
                "Pass the same --group-by, or choose another --out.",
            )
        if key == "images":
            raise InputError(
                f"{folder} holds a fit with another size or shape of the images.",
                "Pass the same --image-size and --resize, or choose another --out.",
            )
        if key == "until_decided":
            ends = "added until it was decided" if recorded[key] else "fixed in number"
            raise InputError(
                f"{folder} holds a study whose seeds were {ends}.",
                "Pass the same --seeds, or choose another --out.",
            )
        if key == "time_limit" and identity["study"] == "fit":
            _require_longer(folder, float(str(recorded[key])), float(str(value)))
            continue
        # Fingerprints say nothing to a reader.
        values = "" if key in _FINGERPRINTS else f": it has {recorded.get(key)}, not {value}"
        raise InputError(
            f"{folder} holds a study with a different value of {key.replace('_', ' ')}{values}.",
            "Choose another --out, or remove that folder. A study in a neighbouring folder reuses "
            "finished runs that match.",
        )
