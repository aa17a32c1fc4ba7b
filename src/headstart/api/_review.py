"""The review of an audit: its page on a local server, which saves every decision in the plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult

from headstart.data import Dataset, PlanRow, read_plan, write_plan
from headstart.errors import HeadstartError, InputError
from headstart.report import LocalHandler, LocalServer

_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REVIEWED = "reviewed"


class PlanInReview:
    """A plan that is saved after every decision.

    Rows that are in the file already stay, until their image is decided again.

    Args:
        path: The file of the plan.
        dataset: The dataset without the plan.
        proposals: Proposed rows by index of the image.
    """

    def __init__(self, path: Path, dataset: Dataset, proposals: Mapping[int, PlanRow]) -> None:
        self.path = path
        self._dataset, self._proposals = dataset, proposals
        self._lock = threading.Lock()
        rows = read_plan(path) if path.exists() else ()
        self._rows = {(row.image, row.label): row for row in rows}

    @property
    def rows(self) -> tuple[PlanRow, ...]:
        """The rows of the plan."""
        return tuple(self._rows.values())

    def decisions(self, indices: set[int]) -> list[tuple[int, dict[str, str]]]:
        """Return the decisions in the plan about some images, for the script of the page."""
        decided = []
        for index in sorted(indices):
            row = self._rows.get(self._key(index))
            if row is not None:
                decided.append((index, {"action": row.action, "new_label": row.new_label}))
        return decided

    def decide(self, index: int, action: str, new_label: str) -> None:
        """Record one decision and save the plan.

        Args:
            index: Index of the image in the dataset.
            action: drop, relabel or keep; undo removes the decision.
            new_label: Class of a relabelled image.

        Raises:
            InputError: The image, the action or the class does not exist.
            ResourceError: The plan cannot be written.
        """
        if not 0 <= index < len(self._dataset):
            raise InputError(f"invalid image: there is none with the index {index}.")
        if action not in ("drop", "relabel", "keep", "undo"):
            raise InputError(f"invalid action: expected drop, relabel or keep, got {action}.")
        if action == "relabel" and new_label not in self._dataset.class_names:
            raise InputError(f"invalid class: there is none with the name {new_label}.")

        with self._lock:
            key = self._key(index)
            rows = dict(self._rows)
            if action == "undo":
                rows.pop(key, None)
            else:
                rows[key] = self._row(index, cast("Any", action), new_label)
            write_plan(self.path, rows.values())
            self._rows = rows

    def _row(self, index: int, action: Any, new_label: str) -> PlanRow:
        image, label = self._key(index)
        proposal = self._proposals.get(index)
        reason, probability = _REVIEWED, None
        if proposal is not None:
            reason = f"{_REVIEWED}: {proposal.reason}"
            if action == "relabel" and new_label == proposal.new_label:
                probability = proposal.probability
        return PlanRow(
            image, action, label, new_label if action == "relabel" else "", reason, probability
        )

    def _key(self, index: int) -> tuple[str, str]:
        dataset = self._dataset
        return dataset.image_names[index], dataset.class_names[dataset.labels[index]]


def is_reviewed(row: PlanRow) -> bool:
    """Return whether a person decided about a row of a plan."""
    return row.reason.startswith(_REVIEWED)


class ReviewServer(LocalServer):
    """A server of the page of one audit on this machine.

    Args:
        page: Function that returns the page as HTML, with the decisions so far.
        plan: The plan that decisions change.
        port: The port; 0 for a free one.
    """

    def __init__(self, page: Callable[[], str], plan: PlanInReview, port: int = 0) -> None:
        super().__init__(_Handler, port)
        self.page, self.plan = page, plan


class _Handler(LocalHandler):
    """The answers of the server: the page, a decision, the end of the review."""

    server: ReviewServer
    policy = _POLICY

    def get(self, address: SplitResult, query: Mapping[str, list[str]]) -> None:
        if address.path != "/":
            self.send_json(404, {"error": "there is no such page."})
            return
        self.send(200, self.server.page().encode(), "text/html; charset=utf-8")

    def post(self, path: str, content: Mapping[str, Any]) -> None:
        match path:
            case "/decide":
                self._decide(content)
            case "/done":
                self.send_json(200, {"saved": True})
                threading.Thread(target=self.server.shutdown, daemon=True).start()
            case _:
                self.send_json(404, {"error": "there is no such address."})

    def _decide(self, content: Mapping[str, Any]) -> None:
        index, action = content.get("index"), content.get("action")
        new_label = content.get("new_label") or ""
        is_valid = isinstance(index, int) and isinstance(action, str) and isinstance(new_label, str)
        if not is_valid:
            self.send_json(422, {"error": "expected an index, an action and a class."})
            return
        try:
            self.server.plan.decide(cast("int", index), cast("str", action), new_label)
        except HeadstartError as error:
            self.send_json(422 if isinstance(error, InputError) else 507, {"error": str(error)})
            return
        self.send_json(200, {"saved": True, "rows": len(self.server.plan.rows)})
