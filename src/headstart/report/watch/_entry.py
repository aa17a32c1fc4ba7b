"""One row of the live view: a run or a study, as its folder describes it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal

from headstart.results import JsonObject

State = Literal["running", "unfinished", "finished", "damaged"]


@dataclass(frozen=True)
class Score:
    """The accuracy on one part of the split.

    Attributes:
        accuracy: Accuracy, as a fraction.
        interval: Its 95% interval; None where it is not known.
        n: Number of images; None where it is not known.
    """

    accuracy: float
    interval: tuple[float, float] | None = None
    n: int | None = None


@dataclass(frozen=True)
class Entry:
    """A run or a study.

    Attributes:
        id: Path of its folder, relative to the watched folder; "." for that folder itself.
        kind: Whether it is a run or a study.
        verb: The command that made it: train for a run, or the name of the study.
        state: "running" if a process holds its lock.
        parent: The id of the study that the run belongs to; None for single runs and for studies.
        model: Name of the model; "" for a study, and where it is not known.
        seed: Seed of a run.
        data: Name of the dataset; "" where it is not known.
        changed: Time of the last change of its files, in seconds since 1970.
        fraction: Share of the work that is done, from 0 to 1; None where it is not known.
        progress: What is done, in words.
        seconds: Seconds that it took so far.
        ends: Expected time of its end, in seconds since 1970; None where it is not known.
        time_limit: Time limit of a study in seconds, whose end is `ends`. The study may end
            earlier. None without a limit.
        validation: Accuracy on the validation images, so far.
        test: Accuracy on the test images.
        sentence: The finding of a study, in words.
        problem: What is damaged, or why an action failed; "" if nothing.
        has_report: Whether there is a `report.html`.
        can_stop: Whether a button may ask its process to stop.
        can_resume: Whether a button may start its command again.
        command: The command that stops or resumes it, to type; "" if none is known.
    """

    id: str
    kind: Literal["run", "study"]
    verb: str
    state: State
    parent: str | None = None
    model: str = ""
    seed: int | None = None
    data: str = ""
    changed: float = 0.0
    fraction: float | None = None
    progress: str = ""
    seconds: float | None = None
    ends: float | None = None
    time_limit: float | None = None
    validation: Score | None = None
    test: Score | None = None
    sentence: str = ""
    problem: str = ""
    has_report: bool = False
    can_stop: bool = False
    can_resume: bool = False
    command: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.id.rsplit("/", 1)[-1]

    def seconds_left(self) -> float | None:
        """Return the expected seconds until its end; None unless it runs and they are known."""
        if self.state != "running" or self.ends is None:
            return None
        return max(0.0, self.ends - time.time())

    def fraction_now(self) -> float | None:
        """Return the share of the work that is done, or else of the time limit."""
        left = self.seconds_left()
        if self.fraction is not None or self.time_limit is None or left is None:
            return self.fraction
        return max(0.0, 1 - left / self.time_limit)

    def as_json(self) -> JsonObject:
        """Return the entry as dictionaries and plain values, ready for `json.dump`."""
        content: JsonObject = asdict(self)
        return content
