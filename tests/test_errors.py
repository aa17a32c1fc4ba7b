"""Exceptions keep their message, hint and exit status between processes."""

from __future__ import annotations

import pickle
import signal

import pytest

from headstart import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.Stopped(signal.SIGTERM, "stopped after step 3", "Run it again."),
        errors.TooLittleMemory("there is not enough memory", "Try a smaller --batch."),
    ],
)
def test_a_pickled_error_keeps_its_message_and_exit_status(error: errors.HeadstartError) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), str(other), other.exit_code) == (type(error), str(error), error.exit_code)


def test_an_unknown_name_gets_the_closest_known_name_or_all_of_them() -> None:
    known = ("digits", "mnist", "cifar10")
    assert errors.suggest_name("digist", known) == "did you mean 'digits'?"
    assert errors.suggest_name("zzz", known) == "known: digits, mnist, cifar10"
    assert errors.did_you_mean("digist", known) == ": did you mean 'digits'?"
    assert errors.did_you_mean("zzz", known) == "."
