"""Metadata of the options of recipes and networks: help, command-line flag, search range.

Plain Python: help texts are read without importing Pydantic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

# Headings of `headstart train --help`.
TRAINING = "Training"
NETWORK = "Network"
BACKBONE = "Backbone"
AUGMENTATION = "Augmentation (training images only)"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log` draws their logarithm uniformly."""

    low: float
    high: float
    log: bool = False

    def as_json(self) -> dict[str, object]:
        """Return the range as users write it in a space file."""
        ends: dict[str, object] = {"low": self.low, "high": self.high}
        return {**ends, "log": True} if self.log else ends


@dataclass(frozen=True)
class Neighbours:
    """The next value below and above: one less and one more, or with `doubled` half and double."""

    least: int
    doubled: bool = False


Choices = tuple[Any, ...]
Space = Range | Choices


@dataclass(frozen=True)
class Option:
    """Metadata of one option, written in its field's annotation.

    Attributes:
        help: One sentence for the command line and the estimator.
        panel: Heading of `headstart train --help` under which the option has a flag. None: it has
            no flag and is given with `--set KEY=VALUE`.
        flag: Spelling of the flag, where it is not the key with hyphens.
        in_studies: Whether the studies of runs have the flag as well.
        search: What `headstart tune` varies by default. A mapping gives a space per kind of model:
            mlp, cnn, head (on a frozen backbone), finetune, scratch or published. A function maps
            the recipe's own value to a space, or to None.
        also: Group of `headstart tune --also`, and what the group varies.
        effects: The values to which `headstart effects` changes the option.
    """

    help: str
    panel: str | None = None
    flag: str | None = None
    in_studies: bool = False
    search: Mapping[str, Space] | Space | Callable[[Any], Space | None] | None = None
    also: tuple[str, Choices] | None = None
    effects: Choices | Neighbours | None = None

    def searched(self, search: Space | Callable[[Any], Space | None]) -> Option:
        """Return the same option with another search space."""
        return replace(self, search=search)

    def has_flag(self, verb: str) -> bool:
        """Return whether a verb of the command line has a flag for the option."""
        return self.panel is not None if verb == "train" else self.in_studies


def option_of(field: Any) -> Option | None:
    """Return the metadata of a Pydantic field; None for a field that is not an option."""
    return next((entry for entry in field.metadata if isinstance(entry, Option)), None)
