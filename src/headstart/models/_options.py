"""What may be set about each network, with its defaults. Plain data: no torch here."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from headstart.errors import InputError, nearest

Activation = Literal["relu", "tanh", "gelu"]
Width = Annotated[int, Field(ge=1, le=8192)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class NetOptions(BaseModel):
    """Options that every network has: none. `about` is one line for lists."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    about: ClassVar[str] = ""


class MlpOptions(NetOptions):
    """The dense net: `layers` hidden layers of `nodes` units."""

    about: ClassVar[str] = "dense net on the pixels"
    layers: Annotated[int, Field(ge=0, le=20)] = 2
    nodes: Width = 512
    activation: Activation = "relu"
    dropout: Rate = 0.2


class CnnOptions(NetOptions):
    """Our default network: a frozen whitening stem, then `layers` blocks of two 3x3 convolutions, each halving the image.

    `nodes` is the number of filters in the first block; every later block doubles it, up to four times.
    """

    about: ClassVar[str] = "small convolutional net, our default"
    layers: Annotated[int, Field(ge=1, le=6)] | None = None  # None: as many as the image has room for, three at 28 to 48 pixels
    nodes: Annotated[int, Field(ge=4, le=1024)] = 32
    activation: Activation = "relu"
    dropout: Rate = 0.0
    downsample: Literal["pool", "stride"] = "pool"  # a stride costs a third less time a step, and some accuracy in longer runs


def cnn_stem(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Stride and kernel of the cnn's stem for images of this shape, and the smaller side of the map that it makes, in pixels.

    Above 56 pixels the stem strides, so that the first block sees 28 to 56 pixels of images up to 448.
    """
    side = min(image_shape[:2])
    stride = min(8, max(1, 2 ** round(math.log2(side / 40))))
    kernel = min(2 * stride, side)
    return stride, kernel, (side - kernel) // stride + 1


def usual_layers(image_shape: tuple[int, int, int]) -> int:
    """Blocks of the cnn where `layers` is left open: so many that the last one ends at 3 to 5 pixels."""
    side = cnn_stem(image_shape)[2]
    return max(1, int(math.log2(side / 3))) if side >= 3 else 1


class FashionOptions(NetOptions):
    """Two 3x3 convolutions, each followed by 2x2 pooling and dropout, then a dense layer (presets cnn-fashion, -small)."""

    about: ClassVar[str] = "two convolutions of 128 filters and a dense layer, as published for Fashion-MNIST"
    filters: tuple[Width, Width] = (128, 128)
    padding: Literal["valid", "same"] = "valid"
    nodes: Width = 128
    activation: Activation = "relu"
    dropout: Rate = 0.25
    head_dropout: Rate = 0.0


class SmallFashionOptions(FashionOptions):
    """The smaller published net: 32 and 64 filters, dense 256."""

    about: ClassVar[str] = "the smaller published Fashion-MNIST net: 32 and 64 filters, dense 256"
    filters: tuple[Width, Width] = (32, 64)
    padding: Literal["valid", "same"] = "same"
    nodes: Width = 256
    head_dropout: Rate = 0.3


class ScenesOptions(NetOptions):
    """Six 3x3 convolutions and four dense layers, as in the published basic CNN for 150x150 scenes."""

    about: ClassVar[str] = "six convolutions and four dense layers, as published for 150x150 scenes"
    dropout: Rate = 0.5


class BackboneOptions(NetOptions):
    """A frozen pretrained backbone with a linear head on its pooled features."""

    about: ClassVar[str] = "EfficientNet-Lite0 with ImageNet weights, frozen; a linear head learns"
    pretrained: bool = True  # False: the control, the same network from random weights
    input_px: Annotated[int, Field(ge=16, le=512)] | None = None  # None: by image size and time
    dropout: Rate | None = None  # of the head; None: 0.5 below 20,000 training images, else none


MODELS: dict[str, type[NetOptions]] = {
    "mlp": MlpOptions,
    "cnn": CnnOptions,
    "cnn-fashion": FashionOptions,
    "cnn-fashion-small": SmallFashionOptions,
    "cnn-scenes": ScenesOptions,
    "efficientnet-lite0": BackboneOptions,
}
BACKBONES = tuple(name for name, options in MODELS.items() if issubclass(options, BackboneOptions))


def options_of(model: str) -> type[NetOptions]:
    """The class of options of a model.

    Raises:
        InputError: no such model; the message names the nearest one.
    """
    if model not in MODELS:
        raise InputError(f"there is no model '{model}': {nearest(model, list(MODELS))}", "Models: " + ", ".join(MODELS) + ".")
    return MODELS[model]
