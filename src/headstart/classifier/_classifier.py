"""The classifier: from uint8 images to class probabilities, in one module that a run leaves for use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from headstart import __version__, progress, store
from headstart.classifier._device import best_device, prepare_process, use_bfloat16
from headstart.classifier._file_format import FORMAT, ClassifierFile, Use
from headstart.data import check_pixels, take
from headstart.errors import InputError
from headstart.models import (
    Backbone,
    BackboneOptions,
    BackboneWithHead,
    build_head,
    build_network,
    load_backbone,
)
from headstart.models.recipes import Recipe

_BLOCK_ROWS = 1 << 14
_PIXELS_A_BATCH = (
    1 << 20
)  # as the network sees them; bounds the memory of a prediction: 1,000 images of 32x32


class Standardise(nn.Module):
    """Floats in 0-255 to zero mean and unit variance by channel, as measured on the training images."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def fit(self, images: NDArray[np.uint8]) -> None:
        """From training images `(N, H, W, C)` uint8."""
        mean, std = _moments(images.reshape(-1, images.shape[-1]))
        self.mean.copy_(mean.view_as(self.mean))
        self.std.copy_(std.view_as(self.std))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class StandardisedBackbone(nn.Module):
    """A frozen backbone whose features have zero mean and unit variance on the training images."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.zeros(backbone.num_features))
        self.register_buffer("std", torch.ones(backbone.num_features))
        self.mean: Tensor
        self.std: Tensor

    def fit(self, features: NDArray[np.float16]) -> None:
        """From features `(N, size)` of training images."""
        mean, std = _moments(features)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def standardise(self, features: Tensor) -> Tensor:
        """Raw features to what the head learns on."""
        return (features - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        # Rounded as in the cache of features, so that a saved classifier predicts what its run predicted.
        return self.standardise(self.backbone(x).half().float())


class Shown(nn.Module):
    """Images as the backbone in a `BackboneWithHead` wants to see them: resized, in three channels, standardised."""

    def __init__(self, net: BackboneWithHead) -> None:
        super().__init__()
        self._of = (net.backbone,)  # in a tuple: its weights belong to the net alone

    @property
    def backbone(self) -> Backbone:
        """Which sees them so."""
        return self._of[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone.standardise(x)


Front = Standardise | StandardisedBackbone | Shown


def _moments(rows: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation by column, in blocks: a copy in float64 would be eight times the images."""
    total, squares = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS].astype(np.float64)
        total += block.sum(0)
        squares += (block**2).sum(0)
    mean = total / len(rows)
    return torch.from_numpy(mean), torch.from_numpy(
        np.sqrt(np.maximum(squares / len(rows) - mean**2, 0)) + 1e-3
    )


def as_floats(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 `(N, H, W, C)` to float `(N, C, H, W)` in 0-255; the memory stays channels-last."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()


def to_probabilities(logits: Tensor) -> Tensor:
    """Softmax; for one output the sigmoid, as the probability of the second of two classes. `(N, K)` float32."""
    return _pair(logits.float()).softmax(1)


def familiarity(logits: Tensor) -> Tensor:
    """How much the logits of an image look like those of training images: their logarithm of summed exponentials, `(N,)`.

    Small means unlike. One output counts as two logits of opposite sign.

    Source: the negative energy score of Liu et al. (2020), arXiv:2010.03759.
    """
    return _pair(logits.float()).logsumexp(1)


def _pair(logits: Tensor) -> Tensor:
    """One output as two logits of opposite sign, whose softmax is its sigmoid; more outputs as they are.

    Calibration takes logarithms: one minus a sigmoid rounds to 0, and the sigmoid of ONNX Runtime is 0 below -18.
    """
    return torch.cat([-logits, logits], 1) / 2 if logits.shape[1] == 1 else logits


class Classifier(nn.Module):
    """What predicts: `front` (standardising, or a backbone), then `net`, which learnt.

    Attributes:
        class_names: K names in the order of the probabilities.
        image_shape: (height, width, channels) of the images it takes.
        mirror: whether predictions are the average over each image and its mirror image.
        use: how an image file becomes such an image; calibration; what is unlike the training data.
    """

    front: Front
    net: nn.Module
    recipe: Recipe
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mirror: bool

    def __init__(
        self,
        front: Front,
        net: nn.Module,
        recipe: Recipe,
        class_names: tuple[str, ...],
        image_shape: tuple[int, int, int],
    ) -> None:
        super().__init__()
        self.front, self.net = front, net
        self.recipe, self.class_names, self.image_shape = recipe, class_names, image_shape
        self.mirror = bool(recipe.flip)
        self.use = Use()

    @property
    def input_px(self) -> int | None:
        """The side in pixels to which a backbone resizes images; None for the other networks."""
        return None if isinstance(self.front, Standardise) else self.front.backbone.input_px

    def forward(self, x: Tensor) -> Tensor:
        """Floats in 0-255, `(N, C, H, W)`, to logits."""
        return self.logits(self.front(x))

    def logits(self, inputs: Tensor, through: nn.Module | None = None) -> Tensor:
        """What `net` says of its inputs, called `through` a wrapper of it if one is given.

        A head on features computes in float32: it is small, rounding would only blur it.
        """
        on_features = isinstance(self.front, StandardisedBackbone)
        enabled = use_bfloat16(self.recipe.precision) and not on_features
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=enabled):
            found: Tensor = (through or self.net)(inputs)
        return found

    def probabilities(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Class probabilities `(N, K)` of uint8 images `(N, H, W, C)`, or of the given rows of them; not calibrated.

        Raises:
            InputError: the images have another shape than those of the training, or are not uint8.
        """
        return self.judge(images, rows)[0]

    @torch.inference_mode()
    def judge(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`probabilities`, and the `familiarity` `(N,)` of each image."""
        check_pixels(images, self.image_shape)
        rows = np.arange(len(images)) if rows is None else rows
        device = next(self.net.parameters()).device
        size = max(16, _PIXELS_A_BATCH // self._pixels_seen())
        if (
            was_training := self.training
        ):  # to walk through all layers costs a third of one small image
            self.eval()
        chances, familiar = (
            np.empty((len(rows), len(self.class_names)), np.float32),
            np.empty(len(rows), np.float32),
        )
        with (
            progress.task("predicting", len(rows), "images") as task,
            torch.autocast(
                device.type, torch.bfloat16, enabled=use_bfloat16(self.recipe.precision)
            ),
        ):
            for start in range(0, len(rows), size):
                x = as_floats(take(images, rows[start : start + size]), device)
                views = [self(x), self(x.flip(3))] if self.mirror else [self(x)]
                here = slice(start, start + len(x))
                chances[here] = (
                    torch.stack([to_probabilities(view) for view in views]).mean(0).cpu().numpy()
                )
                familiar[here] = (
                    torch.stack([familiarity(view) for view in views]).mean(0).cpu().numpy()
                )
                task.advance(len(x))
        if was_training:
            self.train()
        return chances, familiar

    def _pixels_seen(self) -> int:
        """Of one image, as it comes or as a backbone enlarges it, whichever is more."""
        height, width, _ = self.image_shape
        side = self.input_px or 0
        return max(height * width, side**2)


def outputs_for(classes: int) -> int:
    """One sigmoid output for two classes, else a softmax over all."""
    return 1 if classes == 2 else classes


def file_about(classifier: Classifier) -> ClassifierFile:
    """What `classifier.json` says of a classifier."""
    return ClassifierFile(
        format=FORMAT,
        headstart=__version__,
        model=classifier.recipe.model,
        recipe=classifier.recipe.model_copy(update={"time_limit": None}),
        image_shape=classifier.image_shape,
        class_names=classifier.class_names,
        mirror=classifier.mirror,
        input_px=classifier.input_px,
        **dict(classifier.use),
    )


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write `model.safetensors` and `classifier.json`: weights, and everything else that its use needs."""
    from safetensors.torch import save

    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()
    }
    store.write_bytes(folder / "model.safetensors", save(weights))
    store.write_json(folder / "classifier.json", file_about(classifier).model_dump(mode="json"))


def load_classifier(folder: Path) -> Classifier:
    """The classifier that a finished run left in `folder`.

    Raises:
        InputError: no finished run there, or its files are damaged or from a newer Headstart.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    about = _read_about(folder / "classifier.json")
    path = folder / "model.safetensors"
    try:
        prepare_process()
        with torch.device("meta"):  # no memory before it is known that the weights fit
            classifier = _rebuilt(about)
        weights = load(path.read_bytes())
        classifier.load_state_dict(weights, assign=True)
        if any(
            buffer.is_meta for buffer in classifier.buffers()
        ):  # tables that a backbone computes and does not save
            classifier = _rebuilt(about)
            classifier.load_state_dict(weights, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{path} cannot be used: {str(error).splitlines()[0]}",
            "The file may be damaged; train again in another --out.",
        ) from error
    return classifier.to(best_device()).to(memory_format=torch.channels_last).eval()


def _read_about(path: Path) -> ClassifierFile:
    written = store.read_json(path)
    try:
        return ClassifierFile.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise InputError(
            f"{path} cannot be used: {key} is {str(first['input'])[:80]!r}: {first['msg'].removeprefix('Value error, ')}.",
            "It may be damaged, or of a newer Headstart; train again in another --out.",
        ) from error


def untrained(
    recipe: Recipe,
    class_names: tuple[str, ...],
    image_shape: tuple[int, int, int],
    input_px: int | None,
) -> Classifier:
    """The network of a recipe; its weights are still to be loaded or learnt, those of a backbone as well.

    Args:
        input_px: side at which a backbone sees images.
    """
    options, outputs = recipe.net, outputs_for(len(class_names))
    front: Front
    if isinstance(options, BackboneOptions):
        assert input_px is not None, "a backbone needs a side"
        backbone = load_backbone(recipe.model, options, input_px, 0, empty=True)
        net = build_head(backbone.num_features, outputs, options)
        if not options.learns_end_to_end:
            front = StandardisedBackbone(backbone.fold())
        else:
            net = BackboneWithHead(backbone, net, trains_batch_norm=not options.pretrained)
            front = Shown(net)
    else:
        front = Standardise(image_shape[2])
        net = build_network(recipe.model, options, image_shape, outputs, 0)
    return Classifier(front, net, recipe, class_names, image_shape)


def _rebuilt(about: ClassifierFile) -> Classifier:
    """The network that `classifier.json` describes, its weights still to be loaded."""
    classifier = untrained(about.recipe, about.class_names, about.image_shape, about.input_px)
    classifier.mirror, classifier.use = (
        about.mirror,
        Use(**{key: getattr(about, key) for key in Use.model_fields}),
    )
    return classifier
