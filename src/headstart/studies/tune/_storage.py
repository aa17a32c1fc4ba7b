"""The trials of a search, in Optuna's storage: one machine's own SQLite file, or a database that many machines share.

A trial is drawn once, and counts once. Killed machines leave their trials open: the same command takes its own up again, and
machines that share a database take up those of one that no longer shows signs of life.
"""

from __future__ import annotations

import random
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from headstart.errors import InputError, ResourceError
from headstart.models.recipes import Recipe
from headstart.studies.tune._space import Defaults, Space, Values

SIGN_OF_LIFE_SECONDS = 10.0
DEAD_AFTER_SECONDS = (
    60.0  # without a sign of life, by the watcher's own clock: those of two machines may differ
)
_DRAWN_AT_RANDOM = 8  # before the sampler models anything
_NOT_COUNTED = "too large"
_TRIES = 5


@dataclass(frozen=True)
class Trial:
    """One recipe of the search and what is known of it.

    Attributes:
        values: drawn from the space.
        state: "open", "done" or "failed".
        facts: loss, accuracy, seconds, epochs, at (seconds since the search began), run; or reason and message.
    """

    number: int
    values: Values
    state: str
    facts: dict[str, Any]


class _Seeded(optuna.samplers.BaseSampler):
    """TPE (Bergstra et al. 2011; multivariate: Falkner et al. 2018) whose draws follow from seed, trial number and known results.

    Optuna's own keeps its random numbers in memory, so that a resumed search would not be the search it was.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _of(self, trial: FrozenTrial) -> optuna.samplers.TPESampler:
        seed = (self._seed * 1_000_003 + trial.number) % 2**32
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                n_startup_trials=_DRAWN_AT_RANDOM, multivariate=True, group=True, seed=seed
            )

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sampler = self._of(trial)
        sampler.infer_relative_search_space(
            study, trial
        )  # it keeps the groups of parameters that it finds here
        return sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        sampler = self._of(trial)
        for name in (
            trial.params
        ):  # move on by one draw for each parameter drawn before, or all would be alike
            sampler.sample_independent(study, trial, name, trial.distributions[name])
        return sampler.sample_independent(study, trial, param_name, param_distribution)


class Trials:
    """The trials of one search.

    Args:
        owner: this machine and study folder; open trials of the same owner are taken up again at once.
        is_shared: whether other machines work on the same search.
    """

    def __init__(
        self, study: optuna.Study, space: Space, defaults: Recipe, owner: str, *, is_shared: bool
    ) -> None:
        self.study, self._space, self._defaults, self._owner, self._is_shared = (
            study,
            space,
            defaults,
            owner,
            is_shared,
        )
        self._seen: dict[int, tuple[Any, float]] = {}
        self._mine: set[int] = set()

    def remember(self, key: str, value: Any) -> Any:
        """The value of `key` that all machines agree on: `value`, unless one was kept before."""
        kept = self.recall(key)
        if kept is None:
            self.study.set_user_attr(key, value)
            kept = value
        return kept

    def recall(self, key: str) -> Any:
        """What `remember` kept; None if nothing."""
        return self.study.user_attrs.get(key)

    def all(self) -> list[Trial]:
        """Every trial that counts, by number."""
        return [_read(one) for one in self._counted()]

    def generation(self, size: int, limit: int | None) -> list[Trial]:
        """Trials to run now: own open ones and those of dead machines, then new ones, up to `size` of them.

        Args:
            limit: the search has no more trials than this.
        """
        found = [
            self._take(one)
            for one in self._counted()
            if one.state == TrialState.RUNNING and self._may_take(one)
        ]
        # A generation is drawn whole before its first trial runs, also when it was interrupted while being drawn: what is drawn
        # then depends on the results of the generations before, and not on which of its own trials happened to end first.
        drawn = len(self._counted())
        target = -(-drawn // size) * size if found else drawn + size
        while len(self._counted()) < (target if limit is None else min(target, limit)):
            trial = self._draw()
            counted = [one.number for one in self._counted()]
            if (
                limit is not None and counted.index(trial.number) >= limit
            ):  # another machine was faster
                self.study.tell(trial.number, state=TrialState.PRUNED)
                break
            found.append(trial)
        return found

    def add(self, values: Values) -> None:
        """Put a trial with these values in the queue, unless it is there."""
        self.study.enqueue_trial(values, skip_if_exists=True)

    def queued(self) -> list[FrozenTrial]:
        """Trials that count or wait to be run."""
        return [
            one for one in self.study.get_trials(deepcopy=False) if one.state != TrialState.PRUNED
        ]

    def wait_for_others(self) -> bool:
        """Whether trials of other machines are still open; a little time passes."""
        is_waiting = any(one.state == TrialState.RUNNING for one in self._counted())
        if is_waiting:
            time.sleep(1.0)
        return is_waiting

    def give_up(self, trial: Trial) -> None:
        """Set aside a trial that there is no time for; it does not count."""
        self._mine.discard(trial.number)
        self.study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)

    def done(self, trial: Trial, loss: float, facts: dict[str, Any]) -> None:
        """Note a result. What another machine noted first stays."""
        self._tell(trial, TrialState.COMPLETE, loss, {**facts, "loss": loss})

    def failed(self, trial: Trial, reason: str, message: str, facts: dict[str, Any]) -> None:
        """Note a failure with its reason."""
        self._tell(trial, TrialState.FAIL, None, {**facts, "reason": reason, "message": message})

    def too_large(self, trial: Trial) -> None:
        """Set aside a trial that cannot be run within the budget; it does not count."""
        self._tell(trial, TrialState.FAIL, None, {"reason": _NOT_COUNTED})

    def sign_of_life(self) -> None:
        """Show the other machines that the open trials of this one are being worked on."""
        for number in list(self._mine):
            self._note(number, "alive", time.time())

    def _counted(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False, states=None)
        return [
            one
            for one in trials
            if one.state not in (TrialState.PRUNED, TrialState.WAITING)
            and one.user_attrs.get("facts", {}).get("reason") != _NOT_COUNTED
        ]

    def _may_take(self, one: FrozenTrial) -> bool:
        if one.number in self._mine:
            return False
        alive = one.user_attrs.get("alive")
        before, since = self._seen.setdefault(one.number, (alive, time.monotonic()))
        if before != alive:
            self._seen[one.number] = (alive, time.monotonic())
        is_dead = before == alive and time.monotonic() - since > DEAD_AFTER_SECONDS
        return (
            one.user_attrs.get("owner", "" if self._is_shared else self._owner) == self._owner
            or is_dead
        )

    def _take(self, one: FrozenTrial) -> Trial:
        return self._own(optuna.Trial(self.study, one._trial_id))

    def _draw(self) -> Trial:
        """A new trial; the first of all is the default recipe, as far as the space holds it."""
        if not self.study.get_trials(deepcopy=False):
            usual = Defaults(self._defaults)
            self._space.draw(usual)
            self.study.enqueue_trial(usual.drawn, skip_if_exists=True)
        return self._own(self.study.ask())

    def _own(self, trial: optuna.Trial) -> Trial:
        """Put this machine's name on a trial, and draw what is not drawn yet: a machine may be killed in between."""
        self._mine.add(trial.number)
        trial.set_user_attr("owner", self._owner)
        trial.set_user_attr("alive", time.time())
        values = trial.user_attrs.get("values")
        if values is None:
            values = self._drawn(trial)
            trial.set_user_attr("values", values)
        return Trial(trial.number, values, "open", {})

    def _drawn(self, trial: optuna.Trial) -> Values:
        try:
            return self._space.draw(trial)
        except ValueError as error:
            raise InputError(
                f"the search space cannot be drawn from: {error}",
                "Offer the same choices under a name at every draw; where they depend on another value, use another name.",
            ) from error

    def _note(self, number: int, key: str, value: Any) -> None:
        one = self.study.get_trials(deepcopy=False)[number]
        if one.state == TrialState.RUNNING:
            optuna.Trial(self.study, one._trial_id).set_user_attr(key, value)

    def _tell(
        self, trial: Trial, state: TrialState, loss: float | None, facts: dict[str, Any]
    ) -> None:
        self._mine.discard(trial.number)
        self._note(trial.number, "facts", facts)
        self.study.tell(trial.number, loss, state=state, skip_if_finished=True)


def _read(one: FrozenTrial) -> Trial:
    state = {TrialState.COMPLETE: "done", TrialState.FAIL: "failed"}.get(one.state, "open")
    return Trial(
        one.number,
        one.user_attrs.get("values", dict(one.params)),
        state,
        one.user_attrs.get("facts", {}),
    )


class Ledger:
    """Where the trials of a study are kept, rung by rung.

    Attributes:
        owner: this machine and study folder.
        is_shared: whether other machines may work on the same study.
    """

    def __init__(self, url: str | None, name: str, folder: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.owner, self.is_shared, self._name = (
            f"{socket.gethostname()}:{folder.absolute()}",
            url is not None,
            name,
        )
        self._storage = _storage(url, folder)
        self._opened: list[Trials] = []

    def trials(self, rung: str, space: Space, defaults: Recipe, seed: int) -> Trials:
        """The trials of one rung."""
        study = optuna.create_study(
            storage=self._storage,
            study_name=f"{self._name}/{rung}",
            sampler=_Seeded(seed),
            direction="minimize",
            load_if_exists=True,
        )
        found = Trials(study, space, defaults, self.owner, is_shared=self.is_shared)
        self._opened.append(found)
        return found

    def show_life(self) -> None:
        """For all open trials of this machine."""
        for trials in list(self._opened):
            trials.sign_of_life()

    def close(self) -> None:
        """Let go of the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()


@contextmanager
def open_ledger(url: str | None, name: str, folder: Path) -> Iterator[Ledger]:
    """The trials of the study called `name`.

    Args:
        url: of a database that machines share; None for `trials.db` in the study's folder.

    Raises:
        InputError: no such kind of database; ResourceError: it does not answer.
    """
    ledger, stop = Ledger(url, name, folder), threading.Event()

    def keep_alive() -> None:
        while not stop.wait(SIGN_OF_LIFE_SECONDS):
            ledger.show_life()

    watcher = threading.Thread(target=keep_alive, daemon=True)
    if ledger.is_shared:
        watcher.start()
    try:
        yield ledger
    finally:
        stop.set()
        if ledger.is_shared:
            watcher.join()
        ledger.close()


def _storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    from sqlalchemy.exc import (
        ArgumentError,
        IntegrityError,
        NoSuchModuleError,
        OperationalError,
        ProgrammingError,
    )

    if url is None:
        path = folder.absolute() / "trials.db"
        return optuna.storages.RDBStorage(
            f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}}
        )
    driver = url.replace("postgres://", "postgresql://", 1).replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
    shown = url.rsplit("@", 1)[-1]  # without user and password
    try:
        for _ in range(_TRIES):
            with suppress(
                IntegrityError, ProgrammingError
            ):  # two machines make its tables at the same moment
                return optuna.storages.RDBStorage(driver)
            time.sleep(random.uniform(0.2, 1.0))
        return optuna.storages.RDBStorage(driver)
    except (ModuleNotFoundError, ImportError) as error:
        raise InputError(
            f"the database {shown} needs a driver that is not installed: {error}.",
            "For PostgreSQL: pip install 'headstart[postgres]'",
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InputError(
            f"--storage is {shown}, but wanted is the URL of a database: {str(error).splitlines()[0]}",
            "Example: --storage postgresql://user:password@host/database",
        ) from error
    except OperationalError as error:
        raise ResourceError(
            f"the database {shown} does not answer: {str(error.orig).splitlines()[0] if error.orig else error}.",
            "Is the server running, and may this machine reach it?",
        ) from error
