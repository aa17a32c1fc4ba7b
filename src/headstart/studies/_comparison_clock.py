"""The time of a comparison that is left until its report must begin."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit, prediction_seconds

# Reserved for the figures, the page and the explanations of errors.
_REPORT_SECONDS, _REPORT_SECONDS_PER_CONTENDER = 3.0, 1.5
_RESERVED_SHARE = 0.02  # of the time limit, for what was not measured


@dataclass
class ComparisonClock:
    """Knows the time limit, and how much of it is left.

    Attributes:
        plan: The plan, whose runs the report shows.
        limit: The time limit.
        context: The study, whose clock counts.
        pace: Seconds per step of the run that was watched last, relative to the timed steps.
    """

    plan: ComparisonPlan
    limit: TimeLimit
    context: StudyContext
    pace: float = 1.0

    @property
    def limit_seconds(self) -> float:
        """The seconds of the time limit, of a study that has one."""
        assert self.limit.seconds is not None, "without a limit, nothing is divided"
        return self.limit.seconds

    def left_seconds(self) -> float:
        """Return the seconds until the report must begin; infinite without a limit."""
        if self.limit.seconds is None:
            return math.inf
        contenders = len(self.plan.contenders)
        report = _REPORT_SECONDS + _REPORT_SECONDS_PER_CONTENDER * contenders
        report += prediction_seconds(self.context.data, self.plan.planned_seeds * contenders)
        reserve = report * max(1.0, self.pace) + _RESERVED_SHARE * self.limit.seconds
        return self.limit.seconds - self.context.seconds_spent() - reserve
