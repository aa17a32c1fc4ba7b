"""The recipe: everything that defines training besides data and seed. Typed, validated, hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from headstart.errors import InputError
from headstart.models import NetOptions, options_of
from headstart.models._option_metadata import (
    AUGMENTATION,
    TRAINING,
    Neighbours,
    Option,
    Range,
)
from headstart.models.recipes._costs import read_costs

OptimizerName = Literal["muon", "adam", "adamw", "sgd", "rmsprop", "lbfgs"]
Schedule = Literal["constant", "cosine", "linear"]
Batch = Annotated[int, Field(ge=1, le=65536)]
Epochs = Annotated[float, Field(gt=0, le=10_000)]
L2 = Annotated[float, Field(ge=0, le=10)]

_USUAL_RATES = Range(1e-4, 1e-1, log=True)
_RATES_OF_MUON = Range(1e-4, 1.0, log=True)  # its own are 0.08 (mlp) and 0.12 (cnn)
_RATES_OF_BACKBONES = Range(1e-4, 1e-2, log=True)
_USUAL_OPTIMIZERS = ("adam", "sgd", "rmsprop")
_L2 = (0.0, 1e-5, 1e-4, 1e-3)
_SMALL_BATCHES = (32, 64, 128, 256)
_LARGE_BATCHES = (64, 128, 256, 512)


SELECTS_BY_LOSS = "log-loss"
_LATER_KEYS = {"metric": SELECTS_BY_LOSS, "costs": None}


class Recipe(BaseModel):
    """How to train one model. Each field's `Option` holds its help text and search range."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False
    )

    model: str
    net: SerializeAsAny[NetOptions]
    # lbfgs solves the convex problem of a linear head on frozen features. It has no learning rate,
    # batch, epochs or schedule.
    optimizer: Annotated[
        OptimizerName,
        Option(
            "muon, adam, adamw, sgd, rmsprop, or lbfgs (linear head, frozen backbone).",
            TRAINING,
            search={
                "mlp": ("muon", *_USUAL_OPTIMIZERS),
                "cnn": ("muon", *_USUAL_OPTIMIZERS),
                "head": _USUAL_OPTIMIZERS,
                "published": _USUAL_OPTIMIZERS,
            },
            effects=("adam", "sgd", "rmsprop", "muon"),
        ),
    ] = "adam"
    # muon derives the learning rates of biases and head from it.
    lr: Annotated[
        float,
        Field(gt=0, le=100),
        Option(
            "Peak learning rate.",
            TRAINING,
            search={
                "mlp": _RATES_OF_MUON,
                "cnn": _RATES_OF_MUON,
                "head": _USUAL_RATES,
                "finetune": _RATES_OF_BACKBONES,
                "scratch": _RATES_OF_BACKBONES,
                "published": _USUAL_RATES,
            },
        ),
    ] = 1e-3
    # None: the model's usual batch size, less when there are few training images.
    batch: Annotated[
        Batch | None,
        Option(
            "Batch size: images per step.",
            TRAINING,
            in_studies=True,
            search={
                "mlp": _SMALL_BATCHES,
                "cnn": _LARGE_BATCHES,
                "head": _LARGE_BATCHES,
                "published": _SMALL_BATCHES,
            },
            effects=Neighbours(least=8, doubled=True),
        ),
    ] = None
    # None: enough for the number of images.
    epochs: Annotated[
        Epochs | None,
        Option(
            "Passes over the training images; fractions are allowed.", TRAINING, in_studies=True
        ),
    ] = None
    effort: Annotated[
        float,
        Field(gt=0, le=100),
        Option("Factor on the default number of epochs."),
    ] = 1.0
    # `epochs` is the upper bound of the planned schedule.
    time_limit: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Option(
            "Time for the whole run, such as 90s, 5m or 1h; the schedule is planned to fit.",
            TRAINING,
            in_studies=True,
        ),
    ] = None
    schedule: Annotated[
        Schedule,
        Option(
            "Learning-rate schedule: constant, linear or cosine.",
            TRAINING,
            effects=("constant", "cosine", "linear"),
        ),
    ] = "constant"
    warmup: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Fraction of the steps over which the learning rate rises from zero."),
    ] = 0.0
    momentum: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Momentum of muon, sgd and rmsprop."),
    ] = 0.0
    # Added to the gradient (adam, sgd, rmsprop, muon's head) or decoupled (adamw). For lbfgs it is
    # the penalty on the mean loss, and None chooses it by cross-validation.
    l2: Annotated[
        L2 | None,
        Option(
            "Weight decay.",
            TRAINING,
            search={"mlp": _L2, "cnn": _L2, "head": _L2, "published": _L2},
            effects=(0.0, 1e-4, 1e-3),
        ),
    ] = 0.0
    label_smoothing: Annotated[
        float,
        Field(ge=0, lt=1),
        Option(
            "Fraction of the target that is spread over all classes.",
            TRAINING,
            search={"finetune": (0.0, 0.1), "scratch": (0.0, 0.1)},
            also=("label_smoothing", (0.0, 0.05, 0.1, 0.2)),
            effects=(0.0, 0.1),
        ),
    ] = 0.0
    # The best weights are restored.
    patience: Annotated[
        Annotated[int, Field(ge=1)] | None,
        Option("Stop after this many epochs without a lower validation loss.", TRAINING),
    ] = None
    target: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None,
        Option("Stop at this validation accuracy, such as 0.97.", TRAINING),
    ] = None
    # Early stopping, and the search of `tune`, select by it. Fields of earlier recipes have none.
    metric: Annotated[
        str,
        Option(
            "Metric to select by, such as macro-f1 or FILE.py:function; default: log-loss.",
            TRAINING,
            in_studies=True,
        ),
    ] = SELECTS_BY_LOSS
    # auto: balanced where the metric counts classes alike and the training images do not.
    class_weights: Annotated[
        Literal["none", "balanced", "auto"],
        Option("Weights of classes: none, balanced (by inverse frequency), or auto.", TRAINING),
    ] = "none"
    # The content of the CSV. Predictions minimise the expected cost; training does not change.
    costs: Annotated[
        str | None,
        BeforeValidator(read_costs),
        Option("CSV of costs per true class (rows) and predicted class (columns).", TRAINING),
    ] = None
    # Predictions are averaged over both mirror images. None: measured on the training images, by
    # `features.decide_mirroring`.
    flip: Annotated[
        bool | None,
        Option(
            "Mirror half of the images; default: the recipe or a check of the data decides.",
            AUGMENTATION,
            flag="--flip/--no-flip",
        ),
    ] = False
    rotation: Annotated[
        float,
        Field(ge=0, le=180),
        Option(
            "Largest rotation, in degrees.",
            AUGMENTATION,
            also=("augmentation", (0.0, 5.0, 10.0, 15.0)),
        ),
    ] = 0.0
    shift: Annotated[
        float,
        Field(ge=0, le=0.5),
        Option(
            "Largest shift, as a fraction of the image size.",
            AUGMENTATION,
            search={"finetune": (0.0, 0.06, 0.12), "scratch": (0.0, 0.06, 0.12)},
            also=("augmentation", (0.0, 0.05, 0.1)),
        ),
    ] = 0.0
    shear: Annotated[
        float,
        Field(ge=0, le=60),
        Option("Largest shear, in degrees.", AUGMENTATION),
    ] = 0.0
    zoom: Annotated[
        float,
        Field(ge=0, lt=1),
        Option(
            "Largest zoom in or out, as a fraction.",
            AUGMENTATION,
            also=("augmentation", (0.0, 0.1)),
        ),
    ] = 0.0
    cutout: Annotated[
        float,
        Field(ge=0, le=1),
        Option(
            "Width of a blanked square, as a fraction of the image size.",
            AUGMENTATION,
            also=("augmentation", (0.0, 0.25, 0.4)),
        ),
    ] = 0.0
    # auto: bfloat16 where the processor or GPU supports it and computes a convolution correctly.
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"],
        Option("Precision of the computation: auto, float32 or bfloat16.", TRAINING),
    ] = "auto"

    @model_serializer(mode="wrap")
    def _write(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave defaults of later keys out: recipes keep the digests that they had before."""
        content: dict[str, Any] = write(self)
        for key, default in _LATER_KEYS.items():
            if content.get(key, default) == default:
                content.pop(key, None)
        return content

    def changes_from(self, other: Recipe) -> list[str]:
        """Return the keys, of the network as well, in which this recipe differs from another."""
        own, others = self.flat(), other.flat()
        return [key for key in {**own, **others} if own.get(key) != others.get(key)]

    def flat(self) -> dict[str, object]:
        """Return all keys and values, of the network as well, in one mapping."""
        own = self.model_dump(mode="json", exclude={"net"})
        return {**own, **self.net.model_dump(mode="json")}

    @property
    def on_features(self) -> bool:
        """True if only a head is trained, on the features of a frozen backbone."""
        return not self.net.learns_end_to_end

    @property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the recipe's canonical JSON."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def read_recipe(written: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.model_dump` wrote.

    Raises:
        InputError: The model is unknown, or its name is not text.
        ValidationError: A key is unknown, or a value is out of its range.
    """
    model = written["model"]
    if not isinstance(model, str):
        raise InputError(f"invalid model of a recipe: expected a name, got {model!r:.60}.")
    net = options_of(model)(**written["net"])
    return Recipe(**{**written, "net": net})


def with_net(recipe: Recipe, **options: Any) -> Recipe:
    """Return the recipe with these options of its network changed."""
    return recipe.model_copy(update={"net": recipe.net.model_copy(update=options)})
