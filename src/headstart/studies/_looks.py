"""The looks of a comparison at its results while seeds are added, as recorded in `looks.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart import store
from headstart.data import SplitDataset
from headstart.evaluation import DEFAULT_MARGIN, FIRST_LOOK, FUTILE, Looks
from headstart.results import EvaluationPart, JsonObject
from headstart.studies._comparison_entries import ComparisonEntry, correct_predictions
from headstart.studies._comparison_verdict import VerdictRules, current_verdict

_FILE = "looks.json"
# The keys of a study's identity that may change when seeds are added to it.
_SEED_KEYS = ("seeds", "until_decided")


@dataclass
class StudyLooks:
    """The looks of one study.

    Attributes:
        folder: The study folder.
        until_decided: Whether seeds are added until the comparison is decided.
        margin: Equivalence margin, a fraction.
        recorded: The looks in `looks.json`, by number of seeds.
    """

    folder: Path
    until_decided: bool
    margin: float = DEFAULT_MARGIN
    recorded: dict[int, JsonObject] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recorded = read_looks(self.folder)

    def at(self, seeds: int, most: int) -> Looks | None:
        """Return the looks up to one with so many seeds; None if it is the only one.

        Args:
            seeds: Number of seeds of each contender.
            most: Number of seeds at the last look that is planned.
        """
        earlier = [count for count in sorted(self.recorded) if count < seeds]
        if self.until_decided:
            is_planned = all(self.recorded[count]["until_decided"] for count in earlier)
            if seeds < FIRST_LOOK:
                return None
            return Looks((*earlier, seeds), max(most, seeds), is_planned)
        if not earlier:
            return None
        return Looks((*earlier, seeds), seeds, is_planned=False)

    def record(self, seeds: int, outcome: str) -> None:
        """Record a look with its outcome."""
        self.recorded[seeds] = {
            "seeds": seeds,
            "outcome": outcome,
            "until_decided": self.until_decided,
        }
        looks = [self.recorded[count] for count in sorted(self.recorded)]
        store.write_json(self.folder / _FILE, {"looks": looks})

    def is_decided(
        self, entries: list[ComparisonEntry], most: int, data: SplitDataset, part: EvaluationPart
    ) -> bool:
        """Look at the finished runs, and return whether further seeds are not needed.

        Args:
            entries: Contenders with their runs.
            most: Number of seeds at the last look that is planned.
            data: The data of the study.
            part: The part of the split that evaluates.

        Returns:
            True if the comparison is decided, or if more seeds would hardly decide it.
        """
        seeds = max(len(entry.runs) for entry in entries)
        if not self.until_decided or seeds < FIRST_LOOK or seeds >= most:
            return False
        rules = VerdictRules(self.margin, self.at(seeds, most))
        correct = correct_predictions(entries, part)
        left_out = [entry.name for entry in entries if entry.failures]
        verdict = current_verdict(correct, left_out, part, rules, data.groups_of(part))
        self.record(seeds, verdict.outcome)
        if verdict.outcome != "undecided" or verdict.about == "models":
            return True
        probability = verdict.probability_to_decide
        return probability is None or probability < FUTILE


def read_looks(folder: Path) -> dict[int, JsonObject]:
    """Return the recorded looks of a study by their number of seeds; empty if there are none."""
    if not (folder / _FILE).exists():
        return {}
    content: Any = store.read_json(folder / _FILE)
    return {look["seeds"]: look for look in content["looks"]}


def extends(recorded: Mapping[str, Any], identity: Mapping[str, Any], folder: Path) -> bool:
    """Return whether a comparison adds seeds to the finished one in a folder.

    An interrupted comparison is not extended: its seeds and its looks are planned.

    Args:
        recorded: The identity of the study in the folder.
        identity: The identity of this study.
        folder: The study folder.
    """
    if recorded == identity or not (folder / "finding.json").exists():
        return False
    others = (set(recorded) | set(identity)) - set(_SEED_KEYS)
    if any(recorded.get(key) != identity.get(key) for key in others):
        return False
    most = max(read_looks(folder), default=0)
    return bool(most) and len(identity["seeds"]) > most
