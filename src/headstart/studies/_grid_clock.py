"""The time that is left while the runs of a grid execute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headstart.execution import Outcome
from headstart.formatting import approximate_duration
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit

# A further seed is left out if it would end so much after the limit, as a share of it. A seed that
# some variants already have is completed if it ends within the larger share.
_LATE_SHARE, _LATE_SHARE_OF_SEED = 0.03, 0.08

_NOTED_PACE, _NOTED_LATE_SHARE = 1.2, 0.1  # what the notes mention


@dataclass
class GridClock:
    """Compares the time that runs take with what was expected of them.

    Attributes:
        limit: The time limit of the study.
        seconds: Its seconds.
        context: The study, whose clock counts.
        slots: The number of runs that execute at the same time.
        report_seconds: Seconds that are reserved for the report.
        extra_steps: Steps of the first variant that the study takes besides its runs.
        extra_seconds: Seconds that these steps take.
        costs: Measured seconds of one whole run, by the name of the variant; empty for a study that
            follows the plan of an earlier start.
    """

    limit: TimeLimit
    seconds: float
    context: StudyContext
    slots: int
    report_seconds: float
    extra_steps: int = 0
    extra_seconds: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    _expected: float = 0.0
    _taken: float = 0.0

    @property
    def pace(self) -> float:
        """Seconds that runs took, relative to what was expected of them; 1 before the first."""
        return self._taken / self._expected if self._expected else 1.0

    def left_seconds(self) -> float:
        """Return the seconds until the report must begin."""
        rest = (self.report_seconds + self.extra_seconds) * max(1.0, self.pace)
        return self.seconds - self.context.seconds_spent() - rest

    def record(self, expected: float, outcome: Outcome) -> float:
        """Record a run that has ended, and return its pace; 1 if it says nothing about it.

        Args:
            expected: Seconds that were expected of it.
            outcome: Its outcome.
        """
        if outcome.summary is None or outcome.summary.reused or not expected:
            return 1.0
        taken = outcome.summary.seconds.total - outcome.summary.seconds.prepare
        self._expected += expected
        self._taken += taken
        return taken / expected

    def restart(self) -> None:
        """Forget the runs so far: the expectations were corrected."""
        self._expected = self._taken = 0.0

    def is_late(self, expected: float, *, is_begun: bool) -> bool:
        """Return whether runs of a further seed end too late.

        Args:
            expected: Seconds that are expected of the runs of this seed that are left.
            is_begun: Whether some variants already have this seed.
        """
        if self.limit.when_slow == "lengthen":
            return False
        share = _LATE_SHARE_OF_SEED if is_begun else _LATE_SHARE
        return expected * self.pace / self.slots > self.left_seconds() + share * self.seconds

    def notes(self) -> list[str]:
        """Return sentences about what a slow machine cost."""
        notes = []
        if self.pace >= _NOTED_PACE:
            notes.append(
                f"The machine became slower: runs took {self.pace:.1f} times as long as timed "
                "steps promised."
            )
        late = -self.left_seconds()
        if late > _NOTED_LATE_SHARE * self.seconds:
            duration = approximate_duration(late)
            notes.append(f"The study took about {duration} longer than its limit.")
        return notes
