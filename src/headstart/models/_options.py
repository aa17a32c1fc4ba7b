"""Options of each network and their defaults. Plain data that imports no torch."""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from headstart.errors import InputError, did_you_mean
from headstart.models._option_metadata import BACKBONE, NETWORK, Neighbours, Option, Range

_MAX_UNITS = 8192
_REDUCED_PX = 128  # The cnn averages images of twice this size or more down to it.
Activation = Literal["relu", "tanh", "gelu"]
Width = Annotated[int, Field(ge=1, le=_MAX_UNITS)]
Rate = Annotated[float, Field(ge=0, lt=1)]
InputSize = Annotated[int, Field(ge=16, le=512)]
Pooling = Literal["avg", "max", "flatten"]
LINEAR = "linear"

_LAYERS = Option(
    "Hidden layers (mlp) or blocks (cnn).",
    NETWORK,
    effects=Neighbours(least=1),
)
_NODES = Option(
    "Units per hidden layer, or filters of the first block.",
    NETWORK,
    effects=Neighbours(least=4, doubled=True),
)
_ACTIVATION = Option(
    "relu, tanh or gelu.",
    NETWORK,
    effects=("relu", "tanh", "gelu"),
)
_DROPOUT = Option(
    "Fraction of the units dropped during training.",
    NETWORK,
    search=(0.0, 0.1, 0.2, 0.3, 0.5),
    effects=(0.0, 0.2, 0.5),
)
_FILTERS = Option("Filters of both convolutions, such as 32,64.")
_PADDING = Option("Padding of the convolutions: valid or same.")
_HEAD_DROPOUT = Option("Dropout fraction before the last layer.")
_INPUT_PX = Option("Image size that the backbone sees, in pixels.")
_CUT = Option("Layer whose output is used as features; train --summary lists layers.", BACKBONE)
_POOL = Option("How feature maps become a vector: avg, max or flatten.", BACKBONE)
_HEAD = Option("linear, or dense layers and dropout such as 1024,d0.2,512.", BACKBONE)
# Width, activation and depth: what the usual notebooks on digits and clothes vary.
_SEARCHED_NODES = (32, 64, 128, 256, 512)
_SEARCHED_ACTIVATION = _ACTIVATION.searched(("relu", "tanh", "gelu"))


def _shallower(layers: int | None) -> Range | None:
    """Return the depths to search around the depth of a cnn. None if it is open or 1."""
    if layers is None or layers == 1:
        return None
    return Range(max(1, layers - 2), layers)


TRANSFER_MODES = ("frozen", "finetune", "scratch")  # the ways to use a backbone


class NetOptions(BaseModel):
    """Options of a network. This base class has none.

    Attributes:
        is_backbone: Whether the network is a backbone with a head on it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False
    )
    is_backbone: ClassVar[bool] = False

    @property
    def is_pretrained(self) -> bool:
        """Return whether the network starts from pretrained weights."""
        return False

    @property
    def learns_end_to_end(self) -> bool:
        """Return whether all layers are trained. With a frozen backbone, only the head is."""
        return True

    @property
    def is_scratch_control(self) -> bool:
        """Return whether this is a backbone trained from random weights, the control."""
        return False


class MlpOptions(NetOptions):
    """Options of the dense net, which has `layers` hidden layers of `nodes` units."""

    layers: Annotated[int, Field(ge=0, le=20), _LAYERS.searched(Range(1, 4))] = 2
    nodes: Annotated[Width, _NODES.searched(_SEARCHED_NODES)] = 512
    activation: Annotated[Activation, _SEARCHED_ACTIVATION] = "relu"
    dropout: Annotated[Rate, _DROPOUT] = 0.2


class CnnOptions(NetOptions):
    """Options of the default network.

    A frozen whitening stem is followed by `layers` blocks of two 3x3 convolutions. Each block
    halves the image. `nodes` is the number of filters of the first block. Each later block doubles
    it, up to four times.
    """

    # None: depends on the image size, for example three at 28 to 48 pixels.
    layers: Annotated[
        Annotated[int, Field(ge=1, le=6)] | None,
        _LAYERS.searched(_shallower),
    ] = None
    nodes: Annotated[
        int,
        Field(ge=4, le=1024),
        _NODES.searched((16, *_SEARCHED_NODES)),
    ] = 32
    activation: Annotated[Activation, _SEARCHED_ACTIVATION] = "relu"
    dropout: Annotated[Rate, _DROPOUT] = 0.0
    # A stride costs a third less time per step, and some accuracy in longer runs.
    downsample: Annotated[
        Literal["pool", "stride"],
        Option("How a block halves the image: pool or stride."),
    ] = "pool"


def input_reduction(model: str, image_shape: tuple[int, int, int]) -> int:
    """Return the factor by which a network's input transform reduces height and width.

    The cnn sees images of 256 pixels or more at 128 to 191 pixels. Large images are for backbones,
    which use their details; a cnn at 224 pixels takes 3.4 times the multiply-adds of one at 128.

    Args:
        model: Name of a network.
        image_shape: (height, width, channels).
    """
    return max(1, min(image_shape[:2]) // _REDUCED_PX) if model == "cnn" else 1


def reduced_shape(model: str, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the height, width and channels that a network sees, for the shape of the images."""
    height, width, channels = image_shape
    factor = input_reduction(model, image_shape)
    return height // factor, width // factor, channels


def cnn_stem(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the geometry of the cnn's stem.

    For images above 56 pixels, the stem has a stride. The first block then sees 27 to 56 pixels.

    Args:
        image_shape: (height, width, channels) of the images, of which the stem sees the
            `reduced_shape`.

    Returns:
        Stride, kernel size, and the smaller side of the stem's output, in pixels.
    """
    smaller_px = min(reduced_shape("cnn", image_shape)[:2])
    stride = max(1, 2 ** round(math.log2(smaller_px / 40)))
    kernel = min(2 * stride, smaller_px)
    return stride, kernel, (smaller_px - kernel) // stride + 1


def default_layers(image_shape: tuple[int, int, int]) -> int:
    """Return the number of blocks of the cnn if `layers` is open.

    The output of the last block has 3 to 5 pixels per side.
    """
    stem_px = cnn_stem(image_shape)[2]
    return max(1, int(math.log2(stem_px / 3))) if stem_px >= 3 else 1


class FashionOptions(NetOptions):
    """Options of cnn-fashion.

    Two 3x3 convolutions, each followed by 2x2 pooling and dropout, then a dense layer.
    """

    filters: Annotated[tuple[Width, Width], _FILTERS] = (128, 128)
    padding: Annotated[Literal["valid", "same"], _PADDING] = "valid"
    nodes: Annotated[Width, _NODES] = 128
    activation: Annotated[Activation, _ACTIVATION] = "relu"
    dropout: Annotated[Rate, _DROPOUT] = 0.25
    head_dropout: Annotated[Rate, _HEAD_DROPOUT] = 0.0


class SmallFashionOptions(FashionOptions):
    """Options of cnn-fashion-small: 32 and 64 filters, a dense layer of 256 units."""

    filters: Annotated[tuple[Width, Width], _FILTERS] = (32, 64)
    padding: Annotated[Literal["valid", "same"], _PADDING] = "same"
    nodes: Annotated[Width, _NODES] = 256
    head_dropout: Annotated[Rate, _HEAD_DROPOUT] = 0.3


class ScenesOptions(NetOptions):
    """Options of cnn-scenes, a published basic CNN for scenes of 150x150 pixels."""

    dropout: Annotated[Rate, _DROPOUT] = 0.5


class BackboneOptions(NetOptions):
    """Options of a pretrained backbone with a head on its features, linear by default."""

    is_backbone: ClassVar[bool] = True

    # finetune: a linear head is fitted first, then all layers learn, the lowest ones slowest. A
    # head with hidden layers starts from random weights, at the full learning rate.
    # scratch: the same network from random weights, all of it trained. It is the control.
    transfer: Annotated[
        Literal["frozen", "finetune", "scratch"],
        Option(
            "frozen (only the head learns), finetune (all layers), scratch (random weights).",
            BACKBONE,
        ),
    ] = "frozen"
    layer_decay: Annotated[
        float,
        Field(gt=0, le=1),
        Option(
            "Fine-tuning: learning rate of each stage relative to the stage above it.",
            # All layers of a network from random weights have one learning rate.
            search={"finetune": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)},
        ),
    ] = 0.7
    unfreeze: Annotated[
        float,
        Field(ge=0, lt=1),
        Option("Fine-tuning: fraction of the run in which stages start to learn, top first."),
    ] = 0.0
    # Li et al. (2018), L2-SP.
    l2_sp: Annotated[
        float,
        Field(ge=0, le=10),
        Option("Fine-tuning: weight decay towards the pretrained weights instead of zero."),
    ] = 0.0
    pretrained: Annotated[
        bool,
        Option("Whether a frozen backbone has pretrained weights; false is the control."),
    ] = True
    # A path as the user gives it, "sha256:..." in a finished recipe. None: the published weights.
    weights: Annotated[
        str | None,
        Option("Backbone weights: a .safetensors file with timm's parameter names.", BACKBONE),
    ] = None
    # None: chosen by image size and time.
    input_px: Annotated[InputSize | None, _INPUT_PX] = None
    # None: the whole backbone without its classifier.
    cut: Annotated[str | None, _CUT] = None
    # None: as the backbone does; the average after a cut.
    pool: Annotated[Pooling | None, _POOL] = None
    head: Annotated[str, _HEAD] = LINEAR
    # None: 0 for a head that is solved by L-BFGS and from 20,000 training images. Otherwise 0.5 on
    # a frozen backbone and 0.2 on one that is trained.
    dropout: Annotated[Rate | None, _DROPOUT] = None

    @property
    def is_pretrained(self) -> bool:
        return self.pretrained

    @property
    def learns_end_to_end(self) -> bool:
        return self.transfer != "frozen"

    @property
    def is_scratch_control(self) -> bool:
        return self.transfer == "scratch"

    @model_validator(mode="after")
    def _check_combination(self) -> BackboneOptions:
        if self.transfer == "finetune" and not self.pretrained:
            raise ValueError(
                "random weights cannot be fine-tuned; use transfer=scratch to train them"
            )

        fields = type(self).model_fields
        unused = [
            key
            for key in ("layer_decay", "unfreeze", "l2_sp")
            if getattr(self, key) != fields[key].default
        ]
        if unused and self.transfer != "finetune":
            raise ValueError(
                f"only fine-tuning uses {', '.join(unused)}; pass transfer=finetune or omit it"
            )
        return self

    @field_validator("weights", mode="before")
    @classmethod
    def _path_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, PurePath) else value

    @field_validator("head", mode="before")
    @classmethod
    def _head_as_text(cls, value: object) -> object:
        layers = value if isinstance(value, list | tuple) else str(value).split(",")
        text = ",".join(str(layer).strip() for layer in layers)
        head_layers(text)
        return text


def head_layers(head: str) -> list[int | float]:
    """Parse the hidden layers of a head.

    Args:
        head: "linear", or layers such as "1024,d0.2,512".

    Returns:
        The units of a dense layer as int, and the fraction of a dropout as float.

    Raises:
        ValueError: The text is not in that form.
    """
    if head == LINEAR:
        return []
    layers: list[int | float] = []
    for word in head.split(","):
        if re.fullmatch(r"[1-9]\d*", word) and int(word) <= _MAX_UNITS:
            layers.append(int(word))
        elif re.fullmatch(r"d0?\.\d+", word):
            layers.append(float(word[1:]))
        else:
            raise ValueError(
                f"'{word}' is neither a number of units (1 to {_MAX_UNITS}), "
                f"nor dropout such as d0.2, nor {LINEAR}"
            )
    return layers


class TimmOptions(BackboneOptions):
    """Options of a network of timm.

    Its weights come from the hub, at a pinned revision, or from a file.
    """

    # None: the newest commit when the recipe is made, which is then recorded.
    revision: Annotated[
        str | None,
        Option("Commit of the hub's repository that holds the weights."),
    ] = None


class InceptionOptions(BackboneOptions):
    """Options of inception-mixed7, as in a published comparison on scenes.

    InceptionV3 at 150x150 pixels up to `mixed7`, flattened, then dense layers.
    """

    input_px: Annotated[Annotated[int, Field(ge=75, le=512)] | None, _INPUT_PX] = 150
    cut: Annotated[str | None, _CUT] = "Mixed_6e"  # what Keras calls mixed7
    pool: Annotated[Pooling | None, _POOL] = "flatten"
    head: Annotated[str, _HEAD] = "1024,d0.2,1024,1024,1024,1024"
    dropout: Annotated[Rate | None, _DROPOUT] = 0.0


MODELS: dict[str, type[NetOptions]] = {
    "mlp": MlpOptions,
    "cnn": CnnOptions,
    "cnn-fashion": FashionOptions,
    "cnn-fashion-small": SmallFashionOptions,
    "cnn-scenes": ScenesOptions,
    "efficientnet-lite0": BackboneOptions,
    "efficientnet-lite1": BackboneOptions,
    "efficientnet-lite2": BackboneOptions,
    "inception-mixed7": InceptionOptions,
}
TIMM = "timm/"  # prefix of the names of timm's networks


def is_backbone(model: str) -> bool:
    """Return whether a model name stands for a backbone with a head. False for unknown names."""
    return model.startswith(TIMM) or MODELS.get(model, NetOptions).is_backbone


def options_of(model: str) -> type[NetOptions]:
    """Return the class of the options of a model.

    Raises:
        InputError: The model is unknown. The message names the nearest one.
    """
    if model.startswith(TIMM):
        return TimmOptions
    if model not in MODELS:
        raise InputError(
            f"unknown model '{model}'{did_you_mean(model, list(MODELS))}",
            f"Models: {', '.join(MODELS)}, or {TIMM}NAME.",
        )
    return MODELS[model]
