"""The recipe: everything that defines training besides data and seed; typed, validated, hashed. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

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

OptimizerName = Literal["muon", "adam", "adamw", "sgd", "rmsprop", "lbfgs"]
Schedule = Literal["constant", "cosine", "linear"]


class Recipe(BaseModel):
    """How to train one model.

    Attributes:
        model, net: the network's name and its options.
        optimizer, lr: which one, and its highest learning rate; muon derives the rates of biases and head from it. lbfgs, of a
            linear head on frozen features, solves the convex problem at once: no rate, batch, epochs or schedule count.
        batch: images a step; None picks the model's usual one, less when there are few training images.
        epochs: passes over the training images, need not be whole; None picks enough for the number of images.
        effort: scales the number of epochs where that is left open.
        time_limit: seconds for the whole run; the schedule is planned to end in time, with `epochs` as its upper bound.
        schedule, warmup: shape of the learning rate; `warmup` is the part of the steps in which it rises from zero.
        momentum: of muon, sgd and rmsprop.
        l2: weight decay; added to the gradient (adam, sgd, rmsprop, muon's head) or decoupled (adamw); of lbfgs the penalty on
            the mean loss, and None chooses it by cross-validation.
        label_smoothing: share of the target spread over all classes.
        patience: epochs without a lower validation loss after which training stops and takes the best weights back.
        target: validation accuracy at which training stops.
        class_weights: "balanced" weighs each class by the inverse of its frequency.
        flip: mirror half of the training images, and average predictions over both; None: unless classes are digits or letters.
        rotation, shear: largest angle in degrees; shift, zoom: largest part of the side.
        cutout: side of a square that is blanked in each training image, as a part of the image's side.
        precision: "auto" takes bfloat16 where the processor or GPU has it and gets a convolution right.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False
    )

    model: str
    net: SerializeAsAny[NetOptions]
    optimizer: OptimizerName = "adam"
    lr: Annotated[float, Field(gt=0, le=100)] = 1e-3
    batch: Annotated[int, Field(ge=1, le=65536)] | None = None
    epochs: Annotated[float, Field(gt=0, le=10_000)] | None = None
    effort: Annotated[float, Field(gt=0, le=100)] = 1.0
    time_limit: Annotated[float, Field(gt=0)] | None = None
    schedule: Schedule = "constant"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    l2: Annotated[float, Field(ge=0, le=10)] | None = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Annotated[int, Field(ge=1)] | None = None
    target: Annotated[float, Field(gt=0, le=1)] | None = None
    class_weights: Literal["none", "balanced"] = "none"
    flip: bool | None = False
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    shear: Annotated[float, Field(ge=0, le=60)] = 0.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def changes_from(self, other: Recipe) -> list[str]:
        """The keys, of the network as well, in which this recipe differs from another."""
        flat = [recipe.flat() for recipe in (self, other)]
        return [key for key in {**flat[0], **flat[1]} if flat[0].get(key) != flat[1].get(key)]

    def flat(self) -> dict[str, Any]:
        """All keys and values, of the network as well, in one mapping."""
        own = self.model_dump(mode="json", exclude={"net"})
        return {**own, **self.net.model_dump(mode="json")}

    @property
    def on_features(self) -> bool:
        """Whether it learns on the features of a frozen backbone."""
        return not self.net.learns_end_to_end

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the recipe's canonical JSON."""
        return hashlib.sha256(
            json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()
        ).hexdigest()


# cnn: found on Fashion-MNIST's validation images (benchmarks/cnn.md). mlp: on validation images of four datasets, one seed each,
# 0.6 to 2.9 points above Adam at 0.001 after as many epochs (benchmarks/tuning.md). Published presets keep what was published.
_BACKBONE = "a backbone"  # any that has no recipe of its own
_WHOLE = {"finetune": "a fine-tuned backbone", "scratch": "a backbone from random weights"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "mlp": {"optimizer": "muon", "lr": 0.08, "momentum": 0.6, "schedule": "linear"},
    "cnn": {
        "optimizer": "muon",
        "lr": 0.12,
        "momentum": 0.6,
        "schedule": "linear",
        "warmup": 0.15,
        "label_smoothing": 0.1,
        "flip": None,
    },
    "cnn-fashion": {"optimizer": "adam", "lr": 1e-3, "epochs": 20.0, "batch": 128},
    "cnn-fashion-small": {"optimizer": "rmsprop", "lr": 1e-3, "epochs": 15.0, "batch": 128},
    "cnn-scenes": {"optimizer": "adam", "lr": 1e-4, "epochs": 10.0, "batch": 32},
    # Optimizer, epochs and batch as cnn-scenes: what was published gives the network, not these.
    "inception-mixed7": {"optimizer": "adam", "lr": 1e-4, "epochs": 10.0, "batch": 32},
    _BACKBONE: {"optimizer": "lbfgs", "l2": None},
    _WHOLE["finetune"]: {
        "optimizer": "adamw",
        "lr": 5e-4,
        "schedule": "cosine",
        "warmup": 0.2,
        "label_smoothing": 0.1,
        "flip": None,
        "shift": 0.06,
        "batch": 64,
    },
    _WHOLE["scratch"]: {
        "optimizer": "adamw",
        "lr": 2e-3,
        "l2": 0.05,
        "schedule": "cosine",
        "warmup": 0.1,
        "label_smoothing": 0.1,
        "flip": None,
        "shift": 0.06,
        "batch": 64,
    },
}
# A head that learns by steps: one with hidden layers, or whoever gives a rate, epochs or another of these.
_BY_STEPS: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 2e-3,
    "l2": 0.0,
    "schedule": "cosine",
    "label_smoothing": 0.1,
}
_OF_STEPS = {
    "lr",
    "batch",
    "epochs",
    "schedule",
    "warmup",
    "momentum",
    "label_smoothing",
    "patience",
    "target",
    "dropout",
}
# What a preset changes in a model's default recipe, which is `balanced` (benchmarks/cnn.md). The published networks have none.
PRESETS = ("fast", "balanced", "best")
_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mlp": {
        "fast": {"effort": 0.25, "nodes": 256},
        "best": {"effort": 3.0, "nodes": 1024, "dropout": 0.4},
    },
    "cnn": {
        "fast": {"effort": 0.153, "nodes": 16, "downsample": "stride", "flip": False, "lr": 0.15},
        "best": {"effort": 4.0, "nodes": 64, "cutout": 0.3, "shift": 0.04},
    },
    _BACKBONE: {"fast": {"effort": 0.5, "input_px": 64}, "best": {"effort": 1.5, "input_px": 224}},
    **{
        kind: {"fast": {"effort": 0.5, "input_px": 64}, "best": {"effort": 2.0, "input_px": 160}}
        for kind in _WHOLE.values()
    },
}
# Where a recipe takes another optimizer than its model's own, that one's usual rate and momentum come with it.
_OF_OPTIMIZER: dict[str, dict[str, float]] = {
    "muon": {"lr": 0.12, "momentum": 0.6},
    "adam": {"lr": 1e-3, "momentum": 0.0},
    "adamw": {"lr": 1e-3, "momentum": 0.0},
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "momentum": 0.0},
}
WITHOUT_MOMENTUM = ("adam", "adamw", "lbfgs")
USUAL_BATCH = {"mlp": 256, "cnn": 512, _BACKBONE: 256, **dict.fromkeys(_WHOLE.values(), 64)}
_SHORT_CNN_BATCH = 384  # of the fast preset: more steps in as many images (benchmarks/cnn.md)
IMAGES_TO_SEE = {
    "mlp": 1_000_000,
    "cnn": 800_000,
    _BACKBONE: 600_000,
    **dict.fromkeys(_WHOLE.values(), 80_000),  # a guess: on CIFAR-10, 8,500 images nine times
}  # default epochs: this many images, within the bounds below
EPOCH_BOUNDS = (8, 40)
_BOUNDS_OF_TRANSFER = (3, 40)
_FEWEST_STEPS_AN_EPOCH = 20
# A linear head on 1,280 features overfits few images and underfits many (benchmarks/cnn.md); the border is a guess.
_MANY_IMAGES = 20_000


def make_recipe(
    model: str, values: Mapping[str, Any] | None = None, preset: str = "balanced"
) -> Recipe:
    """A model's recipe with `values` over it; an explicit value always wins.

    Args:
        model: a name of `headstart.models.MODELS`, or timm/NAME.
        preset: fast (seconds), balanced (the default recipe) or best (as long as it pays); of a backbone also a way to use it:
            frozen, finetune or scratch.
        values: fields of the recipe or options of the network, in one flat mapping; None values are left at the default.

    Raises:
        InputError: unknown model, preset or key (the nearest is named), or a value out of its range.
        ResourceError: the weights of a backbone of the hub cannot be fetched.
    """
    options = options_of(model)
    given = {key: value for key, value in (values or {}).items() if value is not None}
    if preset in TRANSFER_MODES and is_backbone(model):
        given, preset = {"transfer": preset, **given}, "balanced"
    kind = _kind(model, given)
    fields = _training_keys(kind)
    for key in given:
        if key not in fields and key not in options.model_fields:
            raise InputError(
                f"model {model} has no option '{key}'{did_you_mean(key, [*fields, *options.model_fields])}",
                f"Its own options: {', '.join(options.model_fields) or 'none'}; of training: {', '.join(fields)}.",
            )
    defaults = {**_DEFAULTS[kind], **_changes_of(preset, model, kind)}
    if defaults["optimizer"] == "lbfgs":
        defaults |= _how_a_head_learns(given)
    optimizer = given.get("optimizer", defaults["optimizer"])
    if given.get("momentum") and optimizer in WITHOUT_MOMENTUM:
        raise InputError(
            f"{optimizer} has no momentum to set.",
            "Leave it out, or take --optimizer sgd, rmsprop or muon.",
        )
    try:
        own = {**defaults, **given}
        net = options(**{key: value for key, value in own.items() if key in options.model_fields})
        if net.is_scratch_control:
            net = net.model_copy(update={"pretrained": False})
        training = {key: value for key, value in given.items() if key in fields}
        defaults = {
            key: value for key, value in defaults.items() if key not in options.model_fields
        }
        usual = _OF_OPTIMIZER.get(optimizer, {}) if optimizer != defaults["optimizer"] else {}
        return Recipe(model=model, net=pin_weights(model, net), **{**defaults, **usual, **training})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or model
        raise InputError(
            f"option {key} is {first['input']!r}: {first['msg'].lower()}.",
            _hint(key, first["input"]),
        ) from None


def by_steps(
    model: str, values: Mapping[str, Any] | None = None, preset: str = "balanced"
) -> Recipe:
    """As `make_recipe`, but where it would solve for a head at once, the head learns by steps: it has a learning rate to vary."""
    recipe = make_recipe(model, values, preset)
    return (
        make_recipe(model, {**(values or {}), "optimizer": "adam"}, preset)
        if recipe.optimizer == "lbfgs"
        else recipe
    )


def _how_a_head_learns(given: dict[str, Any]) -> dict[str, Any]:
    """What differs from a linear head that is solved for, where the given values want one that learns by steps.

    Raises:
        InputError: lbfgs is asked for together with what it has no use for.
    """
    wanted = sorted(_OF_STEPS & given.keys()) + (
        ["head"] if given.get("head", "linear") != "linear" else []
    )
    if given.get("optimizer") == "lbfgs" and wanted:
        raise InputError(
            f"lbfgs solves for a linear head at once and has no use for {', '.join(wanted)}.",
            "Leave them out, or take --optimizer adam.",
        )
    return _BY_STEPS if wanted or given.get("optimizer", "lbfgs") != "lbfgs" else {}


def _changes_of(preset: str, model: str, kind: str) -> dict[str, Any]:
    if preset not in PRESETS:
        raise InputError(
            f"there is no preset '{preset}'{did_you_mean(preset, PRESETS)}",
            f"Presets: {', '.join(PRESETS)}.",
        )
    if preset != "balanced" and kind not in _PRESETS:
        raise InputError(
            f"model {model} trains as it was published and has no preset '{preset}'.",
            "Leave --preset out, or take --model mlp, cnn, or a backbone.",
        )
    changes = _PRESETS.get(kind, {}).get(preset, {})
    if "input_px" in changes:
        from headstart.models import native_input_size  # needs torch

        if native_input_size(model)[1]:  # it looks at one side only
            return {key: value for key, value in changes.items() if key != "input_px"}
    return changes


def _kind(model: str, values: Mapping[str, Any]) -> str:
    """What the tables above call a model with such options."""
    if not is_backbone(model):
        return model
    own = options_of(model).model_fields["transfer"].default
    way = values.get("transfer") or own
    return _WHOLE.get(way, model if model in _DEFAULTS else _BACKBONE)


def read_recipe(written: Mapping[str, Any]) -> Recipe:
    """The recipe that `model_dump` described.

    Raises:
        InputError, ValidationError: unknown model or key, or a value out of its range.
    """
    return Recipe(**{**written, "net": options_of(written["model"])(**written["net"])})


def _hint(key: str, value: object) -> str:
    if key == "target" and isinstance(value, int | float) and 1 < value <= 100:
        return f"It is a part of one: --target {value / 100:g}."
    return f"Give another value for --{key.replace('_', '-')}."


def _training_keys(kind: str) -> list[str]:
    """The recipe keys that mean something for this kind: a frozen backbone sees each image once, so none is augmented."""
    is_frozen = kind == _BACKBONE or is_backbone(kind)
    without = {"model", "net"} | (
        {"flip", "rotation", "shift", "shear", "zoom", "cutout"} if is_frozen else set()
    )
    return [name for name in Recipe.model_fields if name not in without]


def keys_of(model: str, values: Mapping[str, Any]) -> set[str]:
    """Every key that `make_recipe` takes for this model beside `values`: of training, and the options of its network."""
    options = options_of(model)
    kind = _kind(model, values)
    has_momentum = values.get("optimizer", _DEFAULTS[kind]["optimizer"]) not in WITHOUT_MOMENTUM
    return {*_training_keys(kind), *options.model_fields} - (
        set() if has_momentum else {"momentum"}
    )


def with_net(recipe: Recipe, **options: Any) -> Recipe:
    """The recipe with these options of its network changed."""
    return recipe.model_copy(update={"net": recipe.net.model_copy(update=options)})


def with_depth(recipe: Recipe, image_shape: tuple[int, int, int]) -> Recipe:
    """The recipe with the depth that its network would choose for such images written out, so that it can be varied."""
    is_open = (
        "layers" in type(recipe.net).model_fields and getattr(recipe.net, "layers", None) is None
    )
    return with_net(recipe, layers=default_layers(image_shape)) if is_open else recipe


def resolve(recipe: Recipe, train_images: int, class_names: tuple[str, ...]) -> Recipe:
    """The recipe with everything left open decided by the data: batch, epochs, flips.

    Args:
        train_images: how many images will train.
    """
    changes: dict[str, Any] = {}
    kind = _kind(recipe.model, recipe.net.model_dump())
    if recipe.batch is None:
        # About 20 steps an epoch or more, so that little data still means many updates: a guess that held on
        # digits and Fashion-MNIST.
        few = max(1, train_images // _FEWEST_STEPS_AN_EPOCH)
        most = _SHORT_CNN_BATCH if kind == "cnn" and recipe.effort < 1 else USUAL_BATCH[kind]
        changes["batch"] = max(16, min(most, 2 ** (few.bit_length() - 1)))
    if recipe.optimizer == "lbfgs":
        changes["epochs"] = 1.0
    elif recipe.epochs is None:
        low, high = _BOUNDS_OF_TRANSFER if kind in _WHOLE.values() else EPOCH_BOUNDS
        epochs = recipe.effort * min(high, max(low, round(IMAGES_TO_SEE[kind] / train_images)))
        changes["epochs"] = round(epochs, 1) if epochs < 10 else float(round(epochs))
    if recipe.flip is None:
        changes["flip"] = not are_characters(class_names)
    if isinstance(recipe.net, BackboneOptions) and recipe.net.dropout is None:
        usual = (
            0.0
            if recipe.optimizer == "lbfgs" or train_images >= _MANY_IMAGES
            else 0.5
            if recipe.on_features
            else 0.2
        )
        changes["net"] = recipe.net.model_copy(update={"dropout": usual})
    return recipe.model_copy(update=changes)


def are_characters(class_names: tuple[str, ...]) -> bool:
    """Whether the classes are digits or single letters, whose mirror images mean something else or nothing."""
    return all(name.isdigit() or (len(name) == 1 and name.isalpha()) for name in class_names)
