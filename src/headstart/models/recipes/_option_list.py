"""The options of recipes and networks, read from the metadata of their fields."""

from __future__ import annotations

from headstart.models import MODELS, options_of
from headstart.models._option_metadata import Option, option_of
from headstart.models._options import TIMM
from headstart.models.recipes._recipe import Recipe


def recipe_options(model: str) -> dict[str, Option]:
    """Return the options of a model's recipe and network by key.

    Raises:
        InputError: The model is unknown.
    """
    fields = {**Recipe.model_fields, **options_of(model).model_fields}
    options = {key: option_of(field) for key, field in fields.items()}
    return {key: option for key, option in options.items() if option is not None}


def all_options() -> dict[str, Option]:
    """Return the options of every model by key; of networks that share a key, the first one's."""
    options: dict[str, Option] = {}
    for model in (*MODELS, TIMM):
        for key, option in recipe_options(model).items():
            options.setdefault(key, option)
    return options
