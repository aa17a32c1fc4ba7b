"""Our exceptions travel between processes, with all they say."""

from __future__ import annotations

import pickle
import signal

import pytest

from headstart import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.Stopped(signal.SIGTERM, "stopped after step 3", "Do the same again."),
        errors.TooLittleMemory("there is not enough memory", "Try a smaller --batch."),
    ],
)
def test_an_error_is_the_same_in_another_process(error: errors.HeadstartError) -> None:
    other = pickle.loads(pickle.dumps(error))
    assert (type(other), str(other), other.exit_code) == (type(error), str(error), error.exit_code)
