"""The trials of a search, kept in Optuna's storage.

One machine keeps them in an SQLite file of its own. Several machines share a database. Each trial
is drawn once and counts once. A killed machine leaves its trials open: the same command resumes
them, and machines that share a database continue the trials of a machine that no longer responds.

Optuna's own heartbeat marks the trials of a dead machine as failed and enqueues copies of them. We
need the same trial to be finished under its own number instead, so that an interrupted search ends
with the trials of an uninterrupted one. The heartbeat here is therefore our own. A machine counts
as dead by the clock of the machine that waits for it: the clocks of two machines may differ.
"""

from __future__ import annotations

import random
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from headstart.errors import InputError, ResourceError
from headstart.models.recipes import Recipe
from headstart.studies.tune._space import DefaultSampler, SearchSpace, Values
from headstart.studies.tune._trial_schema import (
    TOO_LARGE,
    check_file,
    check_trials,
    name_database_errors,
    read_facts,
)

_FILE = "trials.db"
HEARTBEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0  # without a new heartbeat
_RANDOM_TRIALS = 8  # drawn before TPE models the results
_CONNECTION_ATTEMPTS = 5


class TrialFacts(TypedDict, total=False):
    """The known facts about the result of a trial.

    Attributes:
        at: Seconds since the search started.
        run: Run folder, relative to the study folder.
        epochs: Epochs trained.
        seconds: Seconds of training.
        loss: Validation loss.
        accuracy: Validation accuracy.
        score: The metric of the search on the validation images; higher is better. Absent if the
            search selects by the loss.
        reason: One word for the kind of failure.
        message: The failure as a sentence.
    """

    at: float
    run: str
    epochs: float
    seconds: float
    loss: float
    accuracy: float
    score: float
    reason: str
    message: str


@dataclass(frozen=True)
class Trial:
    """One recipe of the search and its result.

    Attributes:
        number: Position in the search, from 0.
        values: The drawn hyper-parameters.
        state: "open", "done" or "failed".
        facts: Its result. A failed trial has a reason and a message instead of the scores.
    """

    number: int
    values: Values
    state: str
    facts: TrialFacts


class _SeededSampler(optuna.samplers.BaseSampler):
    """TPE whose draws depend only on the seed, the trial's number and the known results.

    Optuna's sampler keeps its random state in memory, so a resumed search would draw other trials.

    References:
        Bergstra et al. (2011); multivariate form: Falkner et al. (2018).
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _sampler(self, trial: FrozenTrial) -> optuna.samplers.TPESampler:
        seed = (self._seed * 1_000_003 + trial.number) % 2**32
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                n_startup_trials=_RANDOM_TRIALS, multivariate=True, group=True, seed=seed
            )

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        sampler = self._sampler(trial)
        # Fills the sampler's groups of parameters, which sample_relative needs.
        sampler.infer_relative_search_space(study, trial)
        return sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        sampler = self._sampler(trial)
        # Advance the generator by the parameters drawn before. Otherwise all draws would be alike.
        for name in trial.params:
            sampler.sample_independent(study, trial, name, trial.distributions[name])
        return sampler.sample_independent(study, trial, param_name, param_distribution)


class Trials:
    """The trials of one rung of a search.

    Args:
        study: Optuna's study.
        space: The hyper-parameters to draw.
        defaults: The recipe of the first trial.
        owner: This machine and study folder. Open trials of the same owner are resumed immediately.
        is_shared: Whether other machines work on the same search.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        defaults: Recipe,
        owner: str,
        *,
        is_shared: bool,
    ) -> None:
        self.study = study
        self._space = space
        self._defaults = defaults
        self._owner = owner
        self._is_shared = is_shared
        # By trial number: the last heartbeat seen, and when it was first seen on this machine.
        self._heartbeats: dict[int, tuple[Any, float]] = {}
        self._own_numbers: set[int] = set()

    def remember(self, key: str, value: Any) -> Any:
        """Store `value` under `key` unless one is stored, and return the stored one."""
        stored = self.recall(key)
        if stored is not None:
            return stored
        self.study.set_user_attr(key, value)
        return value

    def recall(self, key: str) -> Any:
        """Return the value that `remember` stored under `key`, or None."""
        return self.study.user_attrs.get(key)

    def all(self) -> list[Trial]:
        """Return every trial that counts, by number."""
        return [_read(frozen) for frozen in self._counted()]

    def generation(self, size: int, limit: int | None) -> list[Trial]:
        """Return the trials to run now: own open ones, those of dead machines, and new ones.

        A generation is drawn as a whole before its first trial runs, even if drawing it was
        interrupted. Its draws then depend on the results of earlier generations only, and not on
        which of its own trials ended first.

        Args:
            size: Number of trials in a generation.
            limit: Number of trials of the whole search, or None.
        """
        trials = [
            self._adopt(frozen)
            for frozen in self._counted()
            if frozen.state == TrialState.RUNNING and self._may_adopt(frozen)
        ]
        drawn = len(self._counted())
        target = drawn + size
        if trials:
            target = -(-drawn // size) * size  # the end of the interrupted generation
        if limit is not None:
            target = min(target, limit)

        while len(self._counted()) < target:
            trial = self._draw()
            positions = [frozen.number for frozen in self._counted()]
            if limit is not None and positions.index(trial.number) >= limit:
                # Another machine drew the last trial at the same moment.
                self.study.tell(trial.number, state=TrialState.PRUNED)
                break
            trials.append(trial)
        return trials

    def add(self, values: Values) -> None:
        """Enqueue a trial with these values unless it exists."""
        self.study.enqueue_trial(values, skip_if_exists=True)

    def take_added(self) -> list[Trial]:
        """Return the trials to run now, of those that `add` has enqueued; none is drawn.

        These are own open ones, those of dead machines, and all that wait.
        """
        trials = []
        for frozen in self._counted():
            if frozen.state == TrialState.RUNNING and self._may_adopt(frozen):
                if _was_added(frozen):
                    trials.append(self._adopt(frozen))
                else:  # its machine was killed before it set it aside, see below
                    self.study.tell(frozen.number, state=TrialState.PRUNED, skip_if_finished=True)
        while self._is_one_waiting():
            trial = self.study.ask()
            if not _was_added(self.study.get_trials(deepcopy=False)[trial.number]):
                # Another machine took the last one at the same moment, so Optuna drew one.
                self.study.tell(trial.number, state=TrialState.PRUNED)
                break
            trials.append(self._claim(trial))
        return trials

    def _is_one_waiting(self) -> bool:
        trials = self.study.get_trials(deepcopy=False)
        return any(frozen.state == TrialState.WAITING for frozen in trials)

    def wait_for_others(self) -> bool:
        """Return whether trials of other machines are open, after a second of waiting if so."""
        is_waiting = any(frozen.state == TrialState.RUNNING for frozen in self._counted())
        if is_waiting:
            time.sleep(1.0)
        return is_waiting

    def give_up(self, trial: Trial) -> None:
        """Set aside a trial for which there is no time. It does not count."""
        self._own_numbers.discard(trial.number)
        self.study.tell(trial.number, state=TrialState.PRUNED, skip_if_finished=True)

    def done(self, trial: Trial, loss: float, facts: TrialFacts) -> None:
        """Store a result, unless another machine has stored one.

        Optuna minimises the loss, or the negated score of another metric.
        """
        objective = -facts["score"] if "score" in facts else loss
        self._tell(trial, TrialState.COMPLETE, objective, {**facts, "loss": loss})

    def failed(self, trial: Trial, reason: str, message: str, facts: TrialFacts) -> None:
        """Store a failure and its reason."""
        self._tell(trial, TrialState.FAIL, None, {**facts, "reason": reason, "message": message})

    def too_large(self, trial: Trial) -> None:
        """Set aside a trial that exceeds the budget. It does not count."""
        self._tell(trial, TrialState.FAIL, None, {"reason": TOO_LARGE})

    def send_heartbeat(self) -> None:
        """Let other machines see that this one is working on its open trials."""
        for number in list(self._own_numbers):
            self._set_attribute(number, "alive", time.time())

    def _counted(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False, states=None)
        return [frozen for frozen in trials if _counts(frozen)]

    def _may_adopt(self, frozen: FrozenTrial) -> bool:
        """Return whether an open trial is this machine's own or a dead machine's."""
        if frozen.number in self._own_numbers:
            return False
        heartbeat = frozen.user_attrs.get("alive")
        last, since = self._heartbeats.setdefault(frozen.number, (heartbeat, time.monotonic()))
        if last != heartbeat:
            self._heartbeats[frozen.number] = (heartbeat, time.monotonic())
        is_dead = last == heartbeat and time.monotonic() - since > DEAD_AFTER_SECONDS

        unnamed = "" if self._is_shared else self._owner  # killed before it was given an owner
        return is_dead or frozen.user_attrs.get("owner", unnamed) == self._owner

    def _adopt(self, frozen: FrozenTrial) -> Trial:
        return self._claim(_live_trial(self.study, frozen))

    def _draw(self) -> Trial:
        """Draw a new trial. The first one is the default recipe, as far as the space allows."""
        if not self.study.get_trials(deepcopy=False):
            defaults = DefaultSampler(self._defaults)
            self._space.draw(defaults)
            self.study.enqueue_trial(defaults.drawn, skip_if_exists=True)
        return self._claim(self.study.ask())

    def _claim(self, trial: optuna.Trial) -> Trial:
        """Make this machine the owner of a trial, and draw the values that it lacks.

        A machine may have been killed between creating a trial and drawing its values.
        """
        self._own_numbers.add(trial.number)
        trial.set_user_attr("owner", self._owner)
        trial.set_user_attr("alive", time.time())
        values = trial.user_attrs.get("values")
        if values is None:
            values = self._draw_values(trial)
            trial.set_user_attr("values", values)
        return Trial(trial.number, values, "open", {})

    def _draw_values(self, trial: optuna.Trial) -> Values:
        try:
            return self._space.draw(trial)
        except ValueError as error:
            raise InputError(
                f"cannot draw from the search space: {error}",
                "Offer the same choices under the same name in every draw. "
                "Use another name where the choices depend on another value.",
            ) from error

    def _set_attribute(self, number: int, key: str, value: Any) -> None:
        frozen = self.study.get_trials(deepcopy=False)[number]
        if frozen.state == TrialState.RUNNING:
            _live_trial(self.study, frozen).set_user_attr(key, value)

    def _tell(
        self, trial: Trial, state: TrialState, loss: float | None, facts: dict[str, object]
    ) -> None:
        self._own_numbers.discard(trial.number)
        self._set_attribute(trial.number, "facts", facts)
        self.study.tell(trial.number, loss, state=state, skip_if_finished=True)


def _was_added(frozen: FrozenTrial) -> bool:
    """Return whether a trial was enqueued. Optuna keeps the values that it was enqueued with."""
    return "fixed_params" in frozen.system_attrs


def _counts(frozen: FrozenTrial) -> bool:
    """Return whether a trial belongs to the search: it was not set aside, and it has started."""
    if frozen.state in (TrialState.PRUNED, TrialState.WAITING):
        return False
    return bool(read_facts(frozen).get("reason") != TOO_LARGE)


def _live_trial(study: optuna.Study, frozen: FrozenTrial) -> optuna.Trial:
    """Return a trial that can be written to. Optuna has no public way to reopen one."""
    return optuna.Trial(study, frozen._trial_id)


def _read(frozen: FrozenTrial) -> Trial:
    states = {TrialState.COMPLETE: "done", TrialState.FAIL: "failed"}
    return Trial(
        number=frozen.number,
        values=frozen.user_attrs.get("values", dict(frozen.params)),
        state=states.get(frozen.state, "open"),
        facts=cast("TrialFacts", read_facts(frozen)),
    )


class TrialStorage:
    """The place where the trials of a study are stored, rung by rung.

    Attributes:
        owner: This machine and study folder.
        is_shared: Whether other machines may work on the same study.
    """

    def __init__(self, url: str | None, name: str, folder: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.owner = f"{socket.gethostname()}:{folder.absolute()}"
        self.is_shared = url is not None
        self._name = name
        self._storage = _sqlite_storage(folder, name) if url is None else _database_storage(url)
        self._opened: list[Trials] = []

    def trials(self, rung: str, space: SearchSpace, defaults: Recipe, seed: int) -> Trials:
        """Open the trials of one rung."""
        study = optuna.create_study(
            storage=self._storage,
            study_name=f"{self._name}/{rung}",
            sampler=_SeededSampler(seed),
            direction="minimize",
            load_if_exists=True,
        )
        trials = Trials(study, space, defaults, self.owner, is_shared=self.is_shared)
        self._opened.append(trials)
        return trials

    def send_heartbeats(self) -> None:
        """Send a heartbeat for all open trials of this machine."""
        for trials in list(self._opened):
            trials.send_heartbeat()

    def close(self) -> None:
        """Close the connection to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()


@contextmanager
def open_storage(url: str | None, name: str, folder: Path) -> Iterator[TrialStorage]:
    """Open the trials of a study, and send heartbeats while the block runs.

    Args:
        url: URL of a database that machines share; None for `trials.db` in the study's folder.
        name: The study's name in the database.
        folder: The study's folder.

    Raises:
        InputError: This kind of database is not supported, or `trials.db` is damaged or holds
            another search.
        ResourceError: The database does not answer, or its disk is full.
    """
    storage = TrialStorage(url, name, folder)
    stop = threading.Event()

    def send_heartbeats() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            storage.send_heartbeats()

    heart = threading.Thread(target=send_heartbeats, daemon=True)
    if storage.is_shared:
        heart.start()
    try:
        with nullcontext() if storage.is_shared else name_database_errors(folder / _FILE):
            yield storage
    finally:
        stop.set()
        if storage.is_shared:
            heart.join()
        storage.close()


def _sqlite_storage(folder: Path, name: str) -> optuna.storages.RDBStorage:
    """Open or create the database of one machine."""
    path = folder / _FILE
    check_file(path)
    url = f"sqlite:///{path.absolute()}"
    with name_database_errors(path):
        storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
    check_trials(storage, path, name)
    return storage


def _database_storage(url: str) -> optuna.storages.RDBStorage:
    """Connect to a shared database."""
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    public_url = url.rsplit("@", 1)[-1]  # without user and password
    try:
        return _connect(url)
    except ImportError as error:
        raise InputError(
            f"the database {public_url} needs a driver that is not installed: {error}.",
            "Install it. For PostgreSQL: pip install 'headstart[postgres]'",
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"invalid --storage {public_url}: expected the URL of a database, got: {reason}",
            "Example: --storage postgresql://user:password@host/database",
        ) from error
    except OperationalError as error:
        reason = str(error.orig or error).splitlines()[0]
        raise ResourceError(
            f"the database {public_url} does not answer: {reason}.",
            "Check that the server is running and that this machine can reach it.",
        ) from error


def _connect(url: str) -> optuna.storages.RDBStorage:
    """Open the database, again if another machine creates its tables at the same moment."""
    from sqlalchemy.exc import IntegrityError, ProgrammingError

    driver_url = url.replace("postgres://", "postgresql://", 1)
    driver_url = driver_url.replace("postgresql://", "postgresql+psycopg://", 1)
    for _ in range(_CONNECTION_ATTEMPTS):
        with suppress(IntegrityError, ProgrammingError):
            return optuna.storages.RDBStorage(driver_url)
        time.sleep(random.uniform(0.2, 1.0))
    return optuna.storages.RDBStorage(driver_url)
