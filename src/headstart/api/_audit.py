"""The audit as a function: what is wrong with the data, a plan for it, and its review."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from headstart import progress, store
from headstart.api._arguments import default_folder, output_folder
from headstart.api._command_line import command_of
from headstart.api._data import Data, load, load_torch, select_keys, split
from headstart.api._keys import SPLIT_KEYS, DataKeys
from headstart.api._results import StudyResult
from headstart.api._review import PlanInReview, ReviewServer, is_reviewed
from headstart.data import (
    LOAD_KEYS,
    PART_NAMES,
    Dataset,
    PlanRow,
    Split,
    SplitDataset,
    check_plan_path,
    plan_text,
    read_plan,
    split_fingerprint,
    summary_line,
    write_plan,
)
from headstart.errors import InputError
from headstart.formatting import counted
from headstart.results import AuditReport

if TYPE_CHECKING:
    from rich.console import RenderableType

_PLAN = "plan.csv"


class AuditResult(StudyResult[AuditReport]):
    """The report of `audit`.

    The keys are those that `headstart audit --json` prints. `finding` is the typed form.
    """

    def table(self) -> RenderableType:
        """Return what was found, the most important first, and what to do about it."""
        from headstart.report import audit_table

        return audit_table(self.finding)


def audit(
    data: Data,
    *,
    fix: str | Path | None = None,
    review: bool = False,
    quick: bool = False,
    out: str | Path | None = None,
    on_review: Callable[[str], None] | None = None,
    **keys: Unpack[DataKeys],
) -> AuditResult:
    """Report problems in a dataset, and how certain they are.

    Unreadable files, copies and near copies, leaks between the parts of the split, the same picture
    under two labels, suspect labels, images of no class, shortcuts, poor quality, and groups. The
    data are never changed. A finished audit is reused.

    Args:
        data: A dataset, or anything that `load` opens.
        fix: A CSV file for the plan: which images to drop or relabel. `load` reads it as `plan`.
            Decisions of an earlier review in this file are kept.
        review: Serve the page on this machine, where every decision is saved in the plan, until
            it is done or Ctrl-C is pressed. The plan is `fix`, or `plan.csv` in the folder.
        quick: Skip suspect labels and the effect of leaks, which need training.
        out: The folder of the report; by default one under `runs/`.
        on_review: Function that receives the address of the page when it is served. By default the
            address is printed on stderr.
        keys: Arguments of `load` and `split`.

    Returns:
        The report. Its keys are those that `headstart audit --json` prints.

    Raises:
        InputError: The data or the folder cannot be used, or no image can be read, or `fix` is a
            file that is not a plan.
        ResourceError: Memory, disk space or a lock is missing.
    """
    started = time.perf_counter()
    if (fix is not None or review) and keys.get("plan") is not None:
        raise InputError(
            "--fix and --review write a plan for the data as they are, without another plan.",
            "Leave out --plan. Decisions in an existing plan stay.",
        )
    if fix is not None:
        check_plan_path(Path(fix))
    if not quick:
        load_torch(data, keys)
    opened, notes = _open(data, keys)
    request = _Request(data, keys, quick, out, opened)
    report = _carry_out(request, notes, started)
    folder = Path(report.report).parent

    plan = Path(fix) if fix is not None else folder / _PLAN
    if review:
        _review(report, opened.dataset, plan, on_review or _announce)
    elif fix is not None:
        with store.named_by("--fix"):
            _write_proposals(report, plan)
    if plan.exists():
        report = report.model_copy(
            update={"plan": str(plan), "next_command": request.command("compare", plan=plan)}
        )
    return AuditResult(report)


@dataclass(frozen=True)
class _Request:
    """A call of `audit`.

    Attributes:
        data: What the caller gave as data.
        keys: Keys of `load` and `split`.
        quick: Whether training is left out.
        out: The folder; None for one under `runs/`.
        opened: The data and their split.
    """

    data: Data
    keys: DataKeys
    quick: bool
    out: str | Path | None
    opened: SplitDataset

    def command(self, verb: str, plan: Path | None = None, **options: Any) -> str:
        """Return a command line about the same data."""
        keys: dict[str, Any] = {**options, **self.keys}
        if plan is not None:
            keys["plan"] = str(plan)
        if verb != "audit" and self.opened.dataset.unreadable:
            keys["skip_bad"] = True
        return command_of(verb, self.data, keys, None)


def _open(data: Data, keys: DataKeys) -> tuple[SplitDataset, tuple[str, ...]]:
    """Open and split the data, without unreadable files; an audit suits data that cannot be split.

    Returns:
        The data, and notes about them.
    """
    dataset = load(data, **{**select_keys(LOAD_KEYS, keys), "skip_bad": True})
    try:
        opened = SplitDataset(dataset, split(dataset, **select_keys(SPLIT_KEYS, keys)))
    except InputError as error:
        opened = SplitDataset(dataset, _own_parts(dataset))
        note = f"These data cannot be split for training: {error.message}"
        progress.warn(note)
        return opened, (note,)
    progress.say(summary_line(opened))
    return opened, ()


def _own_parts(dataset: Dataset) -> Split:
    """Return the parts that the data define. All other images are training images."""
    codes = {name: code for code, name in PART_NAMES.items()}
    validation = np.flatnonzero(dataset.parts == codes["validation"])
    test = np.flatnonzero(dataset.parts == codes["test"])
    train = np.setdiff1d(np.arange(len(dataset)), np.concatenate([validation, test]))
    fingerprint = split_fingerprint(dataset, (train, validation, test))
    return Split(train, validation, test, 0, 0, fingerprint)


def _carry_out(request: _Request, notes: tuple[str, ...], started: float) -> AuditReport:
    """Carry out the audit in its folder, or open the finished one, and write its page."""
    from headstart.report import (
        has_audit_images,
        make_audit_images,
        write_audit_images,
        write_report,
    )
    from headstart.studies import AuditConfig, audited_content, run_study

    opened = request.opened
    config = AuditConfig(
        request.quick,
        audited_content(opened.dataset),
        request.command("audit", review=True, quick=request.quick or None),
        request.command("fit"),
        notes,
    )
    digest = hashlib.sha256(json.dumps(config.as_json(), sort_keys=True).encode()).hexdigest()
    folder = output_folder(request.out) or default_folder(opened, "audit", digest)
    options = {"quick": request.quick or None, **request.keys}
    command = command_of("audit", request.data, options, request.out)
    report = run_study(config, opened, folder, command=command, started=started)

    if not has_audit_images(folder) or not (folder / "report.html").exists():
        write_audit_images(folder, make_audit_images(report, opened.dataset))
        write_report(folder)
    return report


def _write_proposals(report: AuditReport, path: Path) -> None:
    """Write the proposed changes. Decisions of a review that the file holds already stay.

    A file that was edited otherwise is kept under another name.
    """
    from headstart.audit import propose_plan
    from headstart.deploy import keep_earlier

    rows = {(row.image, row.label): row for row in propose_plan(report)}
    reviewed = [row for row in read_plan(path) if is_reviewed(row)] if path.exists() else []
    rows |= {(row.image, row.label): row for row in reviewed}
    text = plan_text(rows.values())
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
        keep_earlier(path)
    write_plan(path, rows.values())
    kept = f"; {counted(len(reviewed), 'reviewed row')} kept" if reviewed else ""
    progress.say(f"{path}: {_summary(tuple(rows.values()))}{kept}")


def _review(
    report: AuditReport, dataset: Dataset, path: Path, announce: Callable[[str], None]
) -> None:
    """Serve the page until the review is done or Ctrl-C is pressed."""
    from headstart.audit import propose_plan
    from headstart.report import (
        REVIEW_LIMITS,
        audit_page_html,
        make_audit_images,
        serve_until_stopped,
    )

    index_of: dict[tuple[str, str], int] = {}
    for number, (name, label) in enumerate(
        zip(dataset.image_names, dataset.labels.tolist(), strict=True)
    ):
        index_of.setdefault((name, dataset.class_names[label]), number)
    rows = propose_plan(report, least_probability=0)
    proposals = {index_of[row.image, row.label]: row for row in rows}

    check_plan_path(path)
    plan = PlanInReview(path, dataset, proposals)
    images = make_audit_images(report, dataset, REVIEW_LIMITS)

    def page() -> str:
        state = {"decisions": plan.decisions(set(images.thumbnails))}
        return audit_page_html(report, images, REVIEW_LIMITS, json.dumps(state))

    serve_until_stopped(ReviewServer(page, plan), announce)
    progress.say(f"{path}: {_summary(plan.rows)}")


def _announce(address: str) -> None:
    from headstart.report import open_browser

    progress.warn(f"Review: {address}\n  Every decision is saved. End with Done or Ctrl-C.")
    open_browser(address)


def _summary(rows: tuple[PlanRow, ...]) -> str:
    counts = {
        action: sum(row.action == action for row in rows) for action in ("drop", "relabel", "keep")
    }
    text = f"{counts['drop']:,} to drop, {counts['relabel']:,} to relabel"
    return f"{text}, {counts['keep']:,} to keep" if counts["keep"] else text
