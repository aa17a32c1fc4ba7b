"""The report about suspect labels, which a quick audit leaves empty. It needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.results import ExpectedWrong, LeakEffect, Suspect

_NOTHING = ExpectedWrong(number=None, interval=None, suspects=0, copies=0, sentence="")


@dataclass(frozen=True)
class SuspectReport:
    """The evidence of predictions of images that were not trained on about their labels.

    Attributes:
        suspects: Probably wrong labels, the most probable first.
        expected_wrong: How many of them are wrong.
        leak_effect: Accuracy with and without leaks, or None.
        notes: Sentences about what was left out.
    """

    suspects: tuple[Suspect, ...] = ()
    expected_wrong: ExpectedWrong = _NOTHING
    leak_effect: LeakEffect | None = None
    notes: tuple[str, ...] = ()
