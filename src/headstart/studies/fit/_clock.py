"""The clock of a fit: what is left of its time limit, over interruptions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import Stopped
from headstart.studies._study import StudyContext

_FILE = "clock.json"
_SECONDS_BETWEEN_WRITES = 5.0

# Reserved for the figures and the page, and a share of the limit for what was not measured.
_REPORT_SECONDS = 4.0
_RESERVED_SHARE = 0.02
# Of a short limit, the report gets at most this share.
_MOST_RESERVED = 0.3
# A busy machine makes what is reserved take longer, at most by this factor. A run of a second must
# not decide that: on a busy machine, one took the rest of a short limit from the classifier. So the
# pace begins as that of so many seconds on an idle machine.
_MOST_PACE, _IDLE_SECONDS = 3.0, 5.0


@dataclass
class FitClock:
    """Counts the seconds of a study, those before an interruption included.

    Attributes:
        limit: The time limit in seconds.
        context: The study, whose own clock began with the command.
        evaluation: Expected seconds of the final evaluation of the present choice.
        last_fit: Expected seconds of its last fit, on training and validation images together.
        pace: Seconds per second of work of this process, which other work on the machine raises.
    """

    limit: float
    context: StudyContext
    evaluation: float = 0.0
    last_fit: float = 0.0
    pace: float = 1.0

    def __post_init__(self) -> None:
        content: Any = store.read_json_or(self._path, {})
        self._before = float(content.get("seconds", 0.0)) if isinstance(content, dict) else 0.0
        self._written = time.monotonic()
        self._seconds = self._worked = _IDLE_SECONDS

    @property
    def _path(self) -> Path:
        return self.context.folder / _FILE

    def spent(self) -> float:
        """Return the seconds spent so far."""
        return self._before + self.context.seconds_spent()

    def left(self) -> float:
        """Return the seconds until the last fit, or else the final evaluation, must begin."""
        reserve = self.pace * _REPORT_SECONDS + _RESERVED_SHARE * self.limit
        reserve = min(reserve, _MOST_RESERVED * self.limit) + self.evaluation
        return self.limit - self.spent() - reserve - self.last_fit

    @staticmethod
    def usable(seconds: float) -> float:
        """Return the part of so many more seconds of the limit that is not reserved."""
        return (1 - _RESERVED_SHARE) * seconds

    def observe(self, seconds: float, worked: float) -> None:
        """Take into account how busy the machine was.

        Args:
            seconds: Seconds that something took.
            worked: Seconds of processor time that this process had in them, of all threads.
        """
        self._seconds += seconds
        self._worked += worked
        self.pace = min(_MOST_PACE, max(1.0, self._seconds / self._worked))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write the seconds spent if a signal ends the block."""
        try:
            yield
        except (Stopped, SystemExit, KeyboardInterrupt):
            self.write()
            raise

    def write(self) -> None:
        """Write the seconds spent, so that a killed study continues with what is left."""
        store.write_json(self._path, {"seconds": round(self.spent(), 1)})
        self._written = time.monotonic()

    def tick(self, *_: object) -> None:
        """Write the seconds spent if the last time is some seconds ago."""
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self.write()
