"""Make a recipe from the values that a user gives, and decide what they leave open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from headstart.errors import InputError, did_you_mean
from headstart.models import (
    TRANSFER_MODES,
    BackboneOptions,
    NetOptions,
    default_layers,
    is_backbone,
    options_of,
    pin_weights,
)
from headstart.models.recipes import _defaults as tables
from headstart.models.recipes._defaults import PRESETS, WITHOUT_MOMENTUM, kind_of
from headstart.models.recipes._recipe import Recipe, with_net

# Metrics that are means over classes.
COUNT_CLASSES_ALIKE = ("macro-f1", "balanced-accuracy")

_AUGMENTATION_KEYS = {"flip", "rotation", "shift", "shear", "zoom", "cutout"}


def make_recipe(
    model: str, values: Mapping[str, Any] | None = None, preset: str = "balanced"
) -> Recipe:
    """Return a model's recipe with the given values over its defaults.

    Args:
        model: A name of `headstart.models.MODELS`, or timm/NAME.
        values: Fields of the recipe and options of the network, in one flat mapping. None values
            are left at the default.
        preset: fast (seconds), balanced (the default recipe) or best (as long as it pays). For a
            backbone also how it is used: frozen, finetune or scratch.

    Raises:
        InputError: The model, preset or a key is unknown (the nearest is named), or a value is out
            of its range.
        ResourceError: The weights of a backbone cannot be fetched from the hub.
    """
    given = {key: value for key, value in (values or {}).items() if value is not None}
    if given.get("metric") in COUNT_CLASSES_ALIKE:
        given = {"class_weights": "auto", **given}
    if preset in TRANSFER_MODES and is_backbone(model):
        given = {"transfer": preset, **given}
        preset = "balanced"

    options = options_of(model)
    kind = kind_of(model, given)
    _check_keys(model, kind, given)

    defaults = _defaults_of(model, kind, given, preset)
    _check_momentum(given, given.get("optimizer", defaults["optimizer"]))
    try:
        net = _make_net(options, {**defaults, **given})
        training = _training_values(defaults, given)
        return Recipe(model=model, net=pin_weights(model, net), **training)
    except ValidationError as error:
        raise _input_error(error, model) from None


def make_iterative_recipe(
    model: str, values: Mapping[str, Any] | None = None, preset: str = "balanced"
) -> Recipe:
    """Return a recipe as `make_recipe` does, but always one that has a learning rate to vary.

    Where `make_recipe` would solve for a linear head, the head is trained with adam.
    """
    recipe = make_recipe(model, values, preset)
    if recipe.optimizer != "lbfgs":
        return recipe
    return make_recipe(model, {**(values or {}), "optimizer": "adam"}, preset)


def keys_of(model: str, values: Mapping[str, Any]) -> set[str]:
    """Return every key that `make_recipe` accepts for this model together with `values`."""
    kind = kind_of(model, values)
    keys = {*_training_keys(kind), *options_of(model).model_fields}
    optimizer = values.get("optimizer", tables.DEFAULTS[kind]["optimizer"])
    return keys - {"momentum"} if optimizer in WITHOUT_MOMENTUM else keys


def with_depth(recipe: Recipe, image_shape: tuple[int, int, int]) -> Recipe:
    """Return the recipe with the depth that its network would choose for such images filled in.

    A depth that is filled in can be varied.
    """
    has_depth = "layers" in type(recipe.net).model_fields
    if not has_depth or getattr(recipe.net, "layers", None) is not None:
        return recipe
    return with_net(recipe, layers=default_layers(image_shape))


def resolve(recipe: Recipe, train_images: int) -> Recipe:
    """Return the recipe with the values decided that follow from the number of images.

    These are batch, epochs and a head's dropout. `flip` stays open: `training.resolve_recipe`
    measures whether mirrored images keep their labels.

    Args:
        train_images: Number of training images.
    """
    kind = kind_of(recipe.model, recipe.net.model_dump())
    changes: dict[str, object] = {}
    if recipe.batch is None:
        changes["batch"] = _batch_size(recipe, kind, train_images)
    if recipe.optimizer == "lbfgs":
        changes["epochs"] = 1.0
    elif recipe.epochs is None:
        changes["epochs"] = _epochs(recipe, kind, train_images)
    if isinstance(recipe.net, BackboneOptions) and recipe.net.dropout is None:
        dropout = _head_dropout(recipe, train_images)
        changes["net"] = recipe.net.model_copy(update={"dropout": dropout})
    return recipe.model_copy(update=changes)


def are_characters(class_names: tuple[str, ...]) -> bool:
    """Return whether the classes are digits or single letters.

    Their mirror images mean something else or nothing.
    """
    return all(name.isdigit() or (len(name) == 1 and name.isalpha()) for name in class_names)


def _check_keys(model: str, kind: str, given: Mapping[str, Any]) -> None:
    """Raise InputError for a key that neither the recipe nor the network has."""
    own = list(options_of(model).model_fields)
    training = _training_keys(kind)
    for key in given:
        if key not in training and key not in own:
            raise InputError(
                f"model {model} has no option '{key}'{did_you_mean(key, [*training, *own])}",
                f"Use an option of the model ({', '.join(own) or 'it has none'}) "
                f"or of training ({', '.join(training)}).",
            )


def _training_keys(kind: str) -> list[str]:
    """Return the recipe's keys that have a meaning for this kind of model.

    A frozen backbone sees each image once, so its images are not augmented.
    """
    is_frozen = kind == tables.FROZEN or is_backbone(kind)
    without = {"model", "net"} | (_AUGMENTATION_KEYS if is_frozen else set())
    return [name for name in Recipe.model_fields if name not in without]


def _defaults_of(model: str, kind: str, given: Mapping[str, Any], preset: str) -> dict[str, object]:
    """Return the defaults of recipe and network, for such given values and this preset."""
    defaults = {**tables.DEFAULTS[kind], **_preset_changes(preset, model, kind)}
    if defaults["optimizer"] == "lbfgs" and _trains_iteratively(given):
        defaults |= tables.ITERATIVE_HEAD
    return defaults


def _trains_iteratively(given: Mapping[str, Any]) -> bool:
    """Return whether these values ask for a head that is trained instead of solved for.

    Raises:
        InputError: lbfgs is given together with an option that it does not use.
    """
    unused = sorted(tables.ITERATIVE_KEYS & given.keys())
    if given.get("head", "linear") != "linear":
        unused.append("head")
    optimizer = given.get("optimizer", "lbfgs")
    if "optimizer" in given and optimizer == "lbfgs" and unused:
        raise InputError(
            f"lbfgs solves for a linear head and does not use {', '.join(unused)}.",
            "Leave them out, or use --optimizer adam.",
        )
    return bool(unused) or optimizer != "lbfgs"


def _preset_changes(preset: str, model: str, kind: str) -> dict[str, object]:
    """Return what a preset changes in the defaults of a model."""
    if preset not in PRESETS:
        raise InputError(
            f"unknown preset '{preset}'{did_you_mean(preset, PRESETS)}",
            f"Use one of {', '.join(PRESETS)}.",
        )
    if preset != "balanced" and kind not in tables.PRESET_CHANGES:
        raise InputError(
            f"model {model} trains as it was published and has no preset '{preset}'.",
            "Leave --preset out, or use --model mlp, cnn or a backbone.",
        )

    changes = tables.PRESET_CHANGES.get(kind, {}).get(preset, {})
    if "input_px" not in changes:
        return changes
    from headstart.models import native_input_size  # needs torch

    has_one_size = native_input_size(model)[1]
    return {key: value for key, value in changes.items() if key != "input_px" or not has_one_size}


def _check_momentum(given: Mapping[str, Any], optimizer: str) -> None:
    """Raise InputError for a momentum that the optimizer does not have."""
    if given.get("momentum") and optimizer in WITHOUT_MOMENTUM:
        raise InputError(
            f"optimizer {optimizer} has no momentum.",
            "Leave it out, or use --optimizer sgd, rmsprop or muon.",
        )


def _make_net(options: type[NetOptions], values: Mapping[str, Any]) -> NetOptions:
    """Return the network's options among the values, checked."""
    net = options(**{key: value for key, value in values.items() if key in options.model_fields})
    if net.is_scratch_control:
        return net.model_copy(update={"pretrained": False})
    return net


def _training_values(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, object]:
    """Return the recipe's own values: defaults, then the optimizer's, then the given ones."""
    optimizer = given.get("optimizer", defaults["optimizer"])
    usual: Mapping[str, Any] = {}
    if optimizer != defaults["optimizer"]:
        usual = tables.OPTIMIZER_DEFAULTS.get(optimizer, {})
    values = {**defaults, **usual, **given}
    return {key: value for key, value in values.items() if key in Recipe.model_fields}


def _input_error(error: ValidationError, model: str) -> InputError:
    """Return Pydantic's first complaint as one of our errors."""
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return InputError(f"options of {model} conflict: {message}.")
    key = ".".join(str(part) for part in first["loc"])
    value = first["input"]
    if message.startswith("Input should be "):
        expected = message.removeprefix("Input should be ").partition(", unable")[0]
        if expected.startswith(("greater", "less")):
            expected = f"a value {expected}"
        message = f"expected {expected}, got {value!r}"
    return InputError(f"invalid {key}: {message}.", _value_hint(key, value))


def _value_hint(key: str, value: object) -> str:
    if key == "target" and isinstance(value, int | float) and 1 < value <= 100:
        return f"Write it as a fraction: --target {value / 100:g}."
    # Not every command has an option of its own for each value, but all of them have --set.
    option = f"--{key.replace('_', '-')}"
    return f"Pass another value with {option}, or with --set {key}=VALUE."


def _batch_size(recipe: Recipe, kind: str, train_images: int) -> int:
    """Return the largest power of two that leaves enough steps per epoch, within bounds."""
    most = tables.BATCH_SIZES[kind]
    if kind == "cnn" and recipe.effort < 1:
        most = tables.SMALL_CNN_BATCH_SIZE
    per_step = max(1, train_images // tables.STEPS_PER_EPOCH)
    power_of_two = 1 << (per_step.bit_length() - 1)
    return max(tables.SMALLEST_BATCH_SIZE, min(most, power_of_two))


def _epochs(recipe: Recipe, kind: str, train_images: int) -> float:
    """Return the default number of epochs for so many training images."""
    low, high = tables.EPOCH_BOUNDS
    if kind in tables.LEARNING_BACKBONES:
        low, high = tables.EPOCH_BOUNDS_OF_LEARNING_BACKBONES
    passes = round(tables.IMAGES_TO_SEE[kind] / train_images)
    epochs = recipe.effort * min(high, max(low, passes))
    return round(epochs, 1) if epochs < 10 else float(round(epochs))


def _head_dropout(recipe: Recipe, train_images: int) -> float:
    """Return the default dropout before a backbone's head."""
    if recipe.optimizer == "lbfgs" or train_images >= tables.MANY_IMAGES:
        return 0.0
    return tables.FROZEN_DROPOUT if recipe.on_features else tables.LEARNING_DROPOUT
