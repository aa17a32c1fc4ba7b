"""No stop signal is lost, wherever it arrives, and a second one ends the process at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator

import pytest

from headstart import progress, signals
from headstart.errors import Stopped
from headstart.execution import run_all


@pytest.fixture
def announced() -> Iterator[list[str]]:
    """Let signals end this process as they end a command; what they announced."""
    words: list[str] = []
    with signals.end_on_signals(lambda: words.append("stopped")):
        yield words


class _Object:
    pass


def _lose_signal() -> None:
    """Receive SIGTERM inside the callback of a weak reference, where Python discards exceptions."""
    thing = _Object()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing
    assert reference() is None


def test_a_signal_ends_a_command(announced: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert (ended.value.code, announced) == (143, ["stopped"])


def test_signals_have_their_earlier_effect_after_a_command() -> None:
    before = signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with signals.end_on_signals(lambda: None), pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), sys.unraisablehook) == before
    signals.raise_if_stopped()


def _advance() -> None:
    progress.on_advance(signals.raise_if_stopped)
    try:
        with progress.task("work", 2, "images") as task:
            task.advance(1)
    finally:
        progress.on_advance(None)


def _next_job() -> None:
    class NoJobs:
        slots = 1

    next(run_all(NoJobs(), []), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("boundary", [signals.raise_if_stopped, _advance, _next_job])
def test_a_signal_whose_exception_was_discarded_ends_the_command_at_the_next_boundary(
    boundary: Callable[[], None], announced: list[str]
) -> None:
    _lose_signal()
    assert announced == ["stopped"]
    with pytest.raises(SystemExit) as ended:
        boundary()
    assert ended.value.code == 143


def test_the_next_training_loop_reads_a_signal_that_was_lost(announced: list[str]) -> None:
    _lose_signal()
    with signals.deferred_signals() as stop:
        signals.raise_if_stopped()  # the loop saves first
        assert stop.signum == signal.SIGTERM


def _explain(signum: int) -> Stopped:
    return Stopped(signum, "kept so far: nothing")


def test_a_block_with_its_own_words_replaces_those_of_the_command(announced: list[str]) -> None:
    with pytest.raises(Stopped, match="kept so far") as ended, signals.explained_stops(_explain):
        signal.raise_signal(signal.SIGTERM)
    assert (ended.value.signum, announced) == (signal.SIGTERM, [])


@pytest.mark.parametrize(
    ("stop", "signum"),
    [(KeyboardInterrupt(), signal.SIGINT), (Stopped(signal.SIGTERM, "saved"), signal.SIGTERM)],
)
def test_every_stop_of_such_a_block_is_explained(stop: BaseException, signum: int) -> None:
    with pytest.raises(Stopped, match="kept so far") as ended, signals.explained_stops(_explain):
        raise stop
    assert ended.value.signum == signum


def test_an_exit_without_a_signal_is_no_stop() -> None:
    with pytest.raises(SystemExit), signals.explained_stops(_explain):
        sys.exit(1)


SECOND = """
import signal, sys
from headstart import signals
command = signals.end_on_signals(lambda: None)
command.__enter__()
try:
    if sys.argv[1] == "deferred":
        with signals.deferred_signals():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)
finally:
    try:
        signal.raise_signal(signal.SIGTERM)
    except SystemExit:  # an exception is not at once
        print("still here", flush=True)
    print("still here", flush=True)
"""


@pytest.mark.parametrize("where", ["deferred", "elsewhere"])
def test_a_second_signal_ends_at_once(where: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SECOND, where], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "", "")
