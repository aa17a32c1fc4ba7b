"""Flags of the command line for recipe keys. Plain Python: nothing here imports Pydantic."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args, get_origin

from headstart.models import Option
from headstart.models._option_metadata import AUGMENTATION, BACKBONE, NETWORK, TRAINING
from headstart.models.recipes._keys import FlagKeys, ParameterKeys, RecipeKeys

_PANELS = (TRAINING, NETWORK, BACKBONE, AUGMENTATION)


class Flag(NamedTuple):
    """A recipe key with a flag of its own.

    Attributes:
        key: The key, such as label_smoothing.
        spelling: The flag, such as --label-smoothing.
        type: The type to which its text is converted; words are checked with the recipe.
        help: One sentence.
        panel: Heading of the help under which it stands.
    """

    key: str
    spelling: str
    type: type
    help: str
    panel: str


def key_options() -> dict[str, Option]:
    """Return the metadata of every key of recipes and networks."""
    annotations = {**ParameterKeys.__annotations__, **RecipeKeys.__annotations__}
    return {key: annotation.__metadata__[0] for key, annotation in annotations.items()}


def train_flags() -> dict[str, Flag]:
    """Return the flags of `headstart train` for recipe keys, in the order of the panels."""
    annotations = {**ParameterKeys.__annotations__, **FlagKeys.__annotations__}
    flags = {key: _flag(key, annotation) for key, annotation in annotations.items()}
    return dict(sorted(flags.items(), key=lambda item: _PANELS.index(item[1].panel)))


def _flag(key: str, annotation: Any) -> Flag:
    option: Option = annotation.__metadata__[0]
    spelling = option.flag or f"--{key.replace('_', '-')}"
    kind = get_args(annotation.__origin__)[0]
    if get_origin(kind) is Literal:
        kind = str
    return Flag(key, spelling, kind, option.help, option.panel or "")
