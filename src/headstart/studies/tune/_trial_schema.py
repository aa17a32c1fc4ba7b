"""Checks of `trials.db` before a search continues from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from headstart import store
from headstart.errors import InputError, ResourceError

TOO_LARGE = "too large"

_NUMBERS = ("at", "epochs", "seconds", "loss", "accuracy", "score")
_TEXTS = ("run", "reason", "message")
_OF_DONE_TRIALS = ("epochs", "seconds", "loss", "accuracy", "run")
_OF_FAILED_TRIALS = ("reason", "message")
_TABLES = ("studies", "trials", "trial_user_attributes", "version_info")
_PLAN_KEYS = frozenset({"epochs", "seconds", "rungs", "seeds", "ends", "searches", "retrains"})
_HINT = "Restore the file from a copy, or run the search again with another --out."
# Of SQLite, about the disk and other processes rather than about the content of the file.
_RESOURCES = ("disk is full", "disk I/O", "locked", "readonly", "unable to open")


def check_file(path: Path) -> None:
    """Let SQLite check an existing database.

    Raises:
        InputError: It is damaged, or it is not a database.
    """
    reason = store.sqlite_damage(path, _TABLES) if path.exists() else None
    if reason is not None:
        raise _damaged(path, reason)


def check_trials(storage: optuna.storages.RDBStorage, path: Path, name: str) -> None:
    """Read every trial of a database, and compare it with what Headstart writes.

    Args:
        storage: The open database.
        path: Its file.
        name: Name of the search, with which the names of its rungs begin.

    Raises:
        InputError: It holds another search, or values of another kind.
    """
    with name_database_errors(path):
        try:
            for study in storage.get_all_studies():
                if not study.study_name.startswith(f"{name}/"):
                    raise InputError(
                        f"{path} holds another search: its recipes, data or options differ.",
                        _HINT,
                    )
                _check_plan(study.user_attrs)
                for trial in storage.get_all_trials(study._study_id, deepcopy=False):
                    _check_trial(trial)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
            raise _damaged(path, str(error) or type(error).__name__) from error


@contextmanager
def name_database_errors(path: Path) -> Iterator[None]:
    """Replace errors of SQLite in the block by one that names the file.

    Raises:
        InputError: The file is damaged.
        ResourceError: The disk is full, or the file cannot be read or written.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        if any(text in reason for text in _RESOURCES):
            raise ResourceError(
                f"cannot use {path}: {reason}.",
                "Free some space, or end other processes that use it. Then run the same command "
                "again.",
            ) from error
        raise _damaged(path, reason) from error
    except optuna.exceptions.StorageInternalError as error:
        raise _damaged(path, str(error.__cause__ or error).splitlines()[0]) from error


def read_facts(frozen: FrozenTrial) -> dict[str, object]:
    """Return the known facts about a trial.

    Raises:
        InputError: They are not what Headstart writes.
    """
    facts = frozen.user_attrs.get("facts", {})
    try:
        _check_facts(facts)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"trial {frozen.number} of the search is damaged: {error}.",
            "Run the search again with another --out, or another --storage.",
        ) from error
    return dict(facts)


def _check_plan(attributes: Mapping[str, Any]) -> None:
    plan = attributes.get("plan")
    if plan is not None and not (isinstance(plan, dict) and plan.keys() >= _PLAN_KEYS):
        raise ValueError("the plan of the search is incomplete")
    if plan is not None:
        _require_numbers(plan, ("epochs", "seconds", "seeds"))
        if not isinstance(plan["rungs"], list) or not plan["rungs"]:
            raise ValueError("the plan of the search has no rungs")
    _require_numbers(attributes, ("seeds", "time left"))


def _check_trial(trial: FrozenTrial) -> None:
    if not isinstance(trial.user_attrs.get("values", {}), dict):
        raise TypeError(f"the values of trial {trial.number} are not named")
    facts = trial.user_attrs.get("facts", {})
    _check_facts(facts)
    needed: tuple[str, ...] = ()
    if trial.state == TrialState.COMPLETE:
        needed = _OF_DONE_TRIALS
    elif trial.state == TrialState.FAIL and facts.get("reason") != TOO_LARGE:
        needed = _OF_FAILED_TRIALS
    missing = [key for key in needed if key not in facts]
    # The last trial of another part, such as the retraining of a shared search, has no facts.
    if missing and facts:
        raise ValueError(f"the result of trial {trial.number} lacks {', '.join(missing)}")


def _check_facts(facts: object) -> None:
    if not isinstance(facts, dict):
        raise TypeError(f"its result is {type(facts).__name__}, not named values")
    _require_numbers(facts, _NUMBERS)
    for key in _TEXTS:
        if not isinstance(facts.get(key, ""), str):
            raise TypeError(f"its {key} is not a text")


def _require_numbers(values: Mapping[str, Any], keys: Any) -> None:
    for key in keys:
        value = values.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"its {key} is not a number")


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is damaged: {reason.rstrip('.')}.", _HINT)
