"""The search space of `tune`: from a file, a mapping or a function to draws of Optuna, checked before anything is trained."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from headstart.errors import InputError, did_you_mean
from headstart.models.recipes import Recipe, keys_of, make_recipe

Values = dict[str, Any]
_OF_THE_STUDY = (
    "epochs",
    "effort",
    "time_limit",
    "target",
    "patience",
)  # how long a run takes is not a thing to search
_RANGE_KEYS = {"low", "high", "log"}


class Draw(Protocol):
    """The part of `optuna.Trial` that a space uses."""

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


@dataclass(frozen=True)
class Space:
    """What may be drawn. `described` is the space in words of JSON; empty for a function, which can only be called."""

    draw: Callable[[Draw], Values]
    described: dict[str, Any]


def read_space(path: Path) -> dict[str, Any]:
    """The mapping in a TOML or YAML file.

    Raises:
        InputError: no such file, another ending, not a mapping, or a syntax error (with its line).
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        match path.suffix.lower():
            case ".toml":
                found: Any = tomllib.loads(text)
            case ".yaml" | ".yml":
                found = yaml.safe_load(text)
            case _:
                raise InputError(
                    f"{path} ends in '{path.suffix}', but a space is a .toml or .yaml file."
                )
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", _EXAMPLE
        ) from None
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} cannot be read: {' '.join(str(error).split())}.", _EXAMPLE
        ) from None
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path} holds no hyper-parameters.", _EXAMPLE)
    return found


_EXAMPLE = "Example in TOML: lr = {low = 1e-4, high = 1e-1, log = true}; nodes = [64, 128], each on a line of its own."


def make_space(
    model: str, given: Mapping[str, Any] | Callable[[Draw], Values], fixed: Mapping[str, Any]
) -> Space:
    """A space for this model.

    Args:
        given: by key of the recipe or network a list of choices, a range {low, high, log}, or one value; or a function from a
            draw (an `optuna.Trial`) to values.
        fixed: values that all recipes share.

    Raises:
        InputError: an unknown key (the nearest is named), a key that is fixed already, or a value out of range.
    """
    if callable(given):
        return Space(given, {})
    known = sorted(
        keys_of(model, {"optimizer": "sgd", "transfer": fixed.get("transfer")}) - set(_OF_THE_STUDY)
    )
    for key, choice in given.items():
        if key in _OF_THE_STUDY:
            raise InputError(
                f"'{key}' cannot be searched: all recipes of a study get the same budget.",
                "Give it as an option.",
            )
        if key not in known:
            raise InputError(
                f"model {model} has no '{key}' to search{did_you_mean(key, known)}",
                f"Known: {', '.join(known)}.",
            )
        if fixed.get(key) is not None:
            raise InputError(
                f"'{key}' is both fixed at {fixed[key]} and in the search space.",
                "Leave one of them out.",
            )
        for value in _ends(key, choice):
            own = {"optimizer": "sgd"} if key == "momentum" else {}
            make_recipe(model, {**fixed, **own, key: value})
    plain = {
        key: dict(choice) if isinstance(choice, dict) else choice for key, choice in given.items()
    }
    return Space(
        lambda draw: {key: _suggest(draw, key, choice) for key, choice in plain.items()}, plain
    )


def _ends(key: str, choice: Any) -> list[Any]:
    """All choices, or both ends of a range."""
    if isinstance(choice, dict):
        low, high = choice.get("low", ""), choice.get("high", "")
        is_number = all(
            isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)
        )
        if (
            not is_number
            or set(choice) - _RANGE_KEYS
            or not low < high
            or (choice.get("log") and low <= 0)
        ):
            raise InputError(
                f"the range of '{key}' is {choice}, but wanted are low and high, low below high, above 0 where log is true.",
                f"Example: {key} = {{low = 1e-4, high = 1e-1, log = true}}",
            )
        return [low, high]
    values = choice if isinstance(choice, list | tuple) else [choice]
    if not values or any(isinstance(value, list | dict | tuple) for value in values):
        raise InputError(
            f"the choices of '{key}' are {choice}, but wanted are numbers or words.",
            f"Example: {key} = [1, 2, 3]",
        )
    return list(values)


def _suggest(draw: Draw, key: str, choice: Any) -> Any:
    if not isinstance(choice, dict):
        return draw.suggest_categorical(
            key, list(choice) if isinstance(choice, list | tuple) else [choice]
        )
    low, high, log = choice["low"], choice["high"], bool(choice.get("log"))
    if isinstance(low, int) and isinstance(high, int):
        return draw.suggest_int(key, low, high, log=log)
    return draw.suggest_float(key, float(low), float(high), log=log)


class Defaults:
    """A draw that takes, of what it is offered, what comes nearest to a recipe; `drawn` holds it."""

    def __init__(self, recipe: Recipe) -> None:
        self._flat = recipe.flat()
        self.drawn: Values = {}

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        usual = self._flat.get(name)
        numbers = [
            value
            for value in choices
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if usual not in choices and len(numbers) == len(choices) and isinstance(usual, int | float):
            near = float(usual)
            usual = min(numbers, key=lambda value: abs(value - near))
        return self._note(name, usual if usual in choices else choices[0])

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return int(self._note(name, round(self._within(name, low, high))))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self._note(name, self._within(name, low, high)))

    def _within(self, name: str, low: float, high: float) -> float:
        usual = self._flat.get(name)
        return min(high, max(low, usual)) if isinstance(usual, int | float) else low

    def _note(self, name: str, value: Any) -> Any:
        self.drawn[name] = value
        return value
