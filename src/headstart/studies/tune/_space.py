"""The search space of `tune`, from a file, a mapping or a function, checked before training."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from headstart import store
from headstart.errors import InputError, did_you_mean
from headstart.models.recipes import Recipe, keys_of, make_recipe

Values = dict[str, object]
# All recipes of a search get the same budget, so the length of a run is not searched.
_BUDGET_KEYS = ("epochs", "effort", "time_limit", "target", "patience")
_RANGE_KEYS = {"low", "high", "log"}
_EXAMPLE = (
    "Example in TOML, one line per key: "
    "lr = {low = 1e-4, high = 1e-1, log = true}, then nodes = [64, 128]"
)


class Draw(Protocol):
    """The part of `optuna.Trial` that a search space uses."""

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True)
class SearchSpace:
    """The hyper-parameters to search.

    Attributes:
        draw: Draws values by key.
        described: The space as JSON; empty for a function, which cannot be described.
    """

    draw: Callable[[Draw], Values]
    described: dict[str, object]


def read_space(path: Path) -> dict[str, object]:
    """Read a search space from a TOML or YAML file.

    Raises:
        InputError: The file is missing, has another suffix, holds no mapping, or has a syntax error
            (its line is named).
    """
    import yaml

    suffix = path.suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml"):
        raise InputError(
            f"invalid --space {path}: expected a .toml or .yaml file, got '{path.suffix}'.",
            _EXAMPLE,
        )
    try:
        text = store.read_file(path).decode("utf-8")
        space: Any = tomllib.loads(text) if suffix == ".toml" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}.", _EXAMPLE) from None
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path}: {reason}.", _EXAMPLE) from None
    if not isinstance(space, dict) or not space:
        raise InputError(f"{path} contains no hyper-parameters.", _EXAMPLE)
    return space


def make_space(
    model: str, given: Mapping[str, Any] | Callable[[Draw], Values], fixed: Mapping[str, Any]
) -> SearchSpace:
    """Make a search space for a model.

    Args:
        model: The model's name.
        given: By key of the recipe or network: a list of choices, a range {low, high, log}, or one
            value. Or a function from a draw (an `optuna.Trial`) to values.
        fixed: Values that all recipes share.

    Raises:
        InputError: A key is unknown (the nearest one is named) or fixed already, or a value is out
            of range.
    """
    if callable(given):
        return SearchSpace(given, {})

    options = {"optimizer": "sgd", "transfer": fixed.get("transfer")}
    known = sorted(keys_of(model, options) - set(_BUDGET_KEYS))
    for key, choice in given.items():
        _check_key(model, key, known, fixed)
        for value in _extreme_values(key, choice):
            with_momentum = {"optimizer": "sgd"} if key == "momentum" else {}
            make_recipe(model, {**fixed, **with_momentum, key: value})

    choices = {}
    for key, choice in given.items():
        choices[key] = dict(choice) if isinstance(choice, dict) else choice

    def draw_values(draw: Draw) -> Values:
        return {key: _suggest(draw, key, choice) for key, choice in choices.items()}

    return SearchSpace(draw_values, choices)


def _check_key(model: str, key: str, known: list[str], fixed: Mapping[str, Any]) -> None:
    if key in _BUDGET_KEYS:
        raise InputError(
            f"'{key}' cannot be searched: all recipes of a study get the same budget.",
            "Set it as an option of the command.",
        )
    if key not in known:
        raise InputError(
            f"model {model} has no hyper-parameter '{key}' to search{did_you_mean(key, known)}",
            f"Choose from: {', '.join(known)}.",
        )
    if fixed.get(key) is not None:
        raise InputError(
            f"'{key}' is both fixed at {fixed[key]} and in the search space.",
            "Remove one of the two.",
        )


def _extreme_values(key: str, choice: Any) -> list[Any]:
    """Return all choices, or both ends of a range.

    Raises:
        InputError: The choices or the range are invalid.
    """
    if isinstance(choice, dict):
        _check_range(key, choice)
        return [choice["low"], choice["high"]]

    values = choice if isinstance(choice, list | tuple) else [choice]
    if not values or any(isinstance(value, list | dict | tuple) for value in values):
        raise InputError(
            f"invalid choices of '{key}': expected a list of numbers or words, got {choice}.",
            f"Example: {key} = [1, 2, 3]",
        )
    return list(values)


def _check_range(key: str, given: Mapping[str, Any]) -> None:
    low, high = given.get("low"), given.get("high")
    is_valid = _is_number(low) and _is_number(high) and not set(given) - _RANGE_KEYS
    if is_valid:
        assert low is not None and high is not None
        is_valid = low < high and (low > 0 or not given.get("log"))
    if not is_valid:
        raise InputError(
            f"invalid range of '{key}': expected low < high, and low > 0 where log is true, "
            f"got {given}.",
            f"Example: {key} = {{low = 1e-4, high = 1e-1, log = true}}",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _suggest(draw: Draw, key: str, choice: Any) -> Any:
    """Draw one value."""
    if isinstance(choice, list | tuple):
        return draw.suggest_categorical(key, list(choice))
    if not isinstance(choice, dict):
        return draw.suggest_categorical(key, [choice])

    low, high, log = choice["low"], choice["high"], bool(choice.get("log"))
    if isinstance(low, int) and isinstance(high, int):
        return draw.suggest_int(key, low, high, log=log)
    return draw.suggest_float(key, float(low), float(high), log=log)


class DefaultSampler:
    """A draw that always takes the offered value nearest to a recipe.

    Attributes:
        drawn: The values taken so far, by key.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._defaults = recipe.flat()
        self.drawn: Values = {}

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        default = self._defaults.get(name)
        if default in choices:
            return self._take(name, default)
        if isinstance(default, int | float) and all(_is_number(choice) for choice in choices):
            target = float(default)
            return self._take(name, min(choices, key=lambda choice: abs(choice - target)))
        return self._take(name, choices[0])

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return int(self._take(name, round(self._clamp(name, low, high))))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self._take(name, self._clamp(name, low, high)))

    def _clamp(self, name: str, low: float, high: float) -> float:
        default = self._defaults.get(name)
        if not isinstance(default, int | float):
            return low
        return min(high, max(low, default))

    def _take(self, name: str, value: Any) -> Any:
        self.drawn[name] = value
        return value
