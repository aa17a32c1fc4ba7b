"""Tables of defaults and presets, and the evidence for their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.models import is_backbone, options_of

# Keys of the tables below: a model's name, or one of these kinds of backbone.
FROZEN = "frozen backbone"
FINE_TUNED = "fine-tuned backbone"
FROM_SCRATCH = "backbone from random weights"
_TRANSFER_KINDS = {"finetune": FINE_TUNED, "scratch": FROM_SCRATCH}
LEARNING_BACKBONES = tuple(_TRANSFER_KINDS.values())

DEFAULTS: dict[str, dict[str, object]] = {
    # Chosen on validation images of four datasets, one seed each: 0.6 to 2.9 points above Adam at
    # 0.001 after as many epochs (benchmarks/tuning.md).
    "mlp": {
        "optimizer": "muon",
        "lr": 0.08,
        "momentum": 0.6,
        "schedule": "linear",
    },
    # Chosen on Fashion-MNIST's validation images (benchmarks/cnn.md).
    "cnn": {
        "optimizer": "muon",
        "lr": 0.12,
        "momentum": 0.6,
        "schedule": "linear",
        "warmup": 0.15,
        "label_smoothing": 0.1,
        "flip": None,
    },
    # The published networks keep what was published.
    "cnn-fashion": {
        "optimizer": "adam",
        "lr": 1e-3,
        "epochs": 20.0,
        "batch": 128,
    },
    "cnn-fashion-small": {
        "optimizer": "rmsprop",
        "lr": 1e-3,
        "epochs": 15.0,
        "batch": 128,
    },
    "cnn-scenes": {
        "optimizer": "adam",
        "lr": 1e-4,
        "epochs": 10.0,
        "batch": 32,
    },
    # The publication gives the network, but not the optimizer, epochs and batch size. These are
    # those of cnn-scenes.
    "inception-mixed7": {
        "optimizer": "adam",
        "lr": 1e-4,
        "epochs": 10.0,
        "batch": 32,
    },
    FROZEN: {
        "optimizer": "lbfgs",
        "l2": None,
    },
    FINE_TUNED: {
        "optimizer": "adamw",
        "lr": 5e-4,
        "schedule": "cosine",
        "warmup": 0.2,
        "label_smoothing": 0.1,
        "flip": None,
        "shift": 0.06,
        "batch": 64,
    },
    FROM_SCRATCH: {
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

# A head that is trained iteratively: one with hidden layers, or one for which any of the keys below
# is given.
ITERATIVE_HEAD: dict[str, object] = {
    "optimizer": "adam",
    "lr": 2e-3,
    "l2": 0.0,
    "schedule": "cosine",
    "label_smoothing": 0.1,
}
ITERATIVE_KEYS = {
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

# What a preset changes in a model's default recipe, which is `balanced` (benchmarks/cnn.md). The
# published networks have no presets.
PRESETS = ("fast", "balanced", "best")
PRESET_CHANGES: dict[str, dict[str, dict[str, object]]] = {
    "mlp": {
        "fast": {"effort": 0.25, "nodes": 256},
        "best": {"effort": 3.0, "nodes": 1024, "dropout": 0.4},
    },
    "cnn": {
        "fast": {"effort": 0.153, "nodes": 16, "downsample": "stride", "flip": False, "lr": 0.15},
        "best": {"effort": 4.0, "nodes": 64, "cutout": 0.3, "shift": 0.04},
    },
    FROZEN: {
        "fast": {"effort": 0.5, "input_px": 64},
        "best": {"effort": 1.5, "input_px": 224},
    },
    FINE_TUNED: {
        "fast": {"effort": 0.5, "input_px": 64},
        "best": {"effort": 2.0, "input_px": 160},
    },
    FROM_SCRATCH: {
        "fast": {"effort": 0.5, "input_px": 64},
        "best": {"effort": 2.0, "input_px": 160},
    },
}

# A recipe with another optimizer than its model's default gets that optimizer's usual learning rate
# and momentum.
OPTIMIZER_DEFAULTS: dict[str, dict[str, float]] = {
    "muon": {"lr": 0.12, "momentum": 0.6},
    "adam": {"lr": 1e-3, "momentum": 0.0},
    "adamw": {"lr": 1e-3, "momentum": 0.0},
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "momentum": 0.0},
}
WITHOUT_MOMENTUM = ("adam", "adamw", "lbfgs")

# Largest default batch size.
BATCH_SIZES = {
    "mlp": 256,
    "cnn": 512,
    FROZEN: 256,
    FINE_TUNED: 64,
    FROM_SCRATCH: 64,
}
SMALL_CNN_BATCH_SIZE = 384  # of the fast preset: more steps from as many images (benchmarks/cnn.md)
SMALLEST_BATCH_SIZE = 16
# Few images still mean many updates. A guess that held on digits and Fashion-MNIST.
STEPS_PER_EPOCH = 20

# Default number of epochs: so many that training sees this many images, within the bounds.
IMAGES_TO_SEE = {
    "mlp": 1_000_000,
    "cnn": 800_000,
    FROZEN: 600_000,
    # A guess: on CIFAR-10, 8,500 images nine times.
    FINE_TUNED: 80_000,
    FROM_SCRATCH: 80_000,
}
EPOCH_BOUNDS = (8, 40)
EPOCH_BOUNDS_OF_LEARNING_BACKBONES = (3, 40)

# A linear head on 1,280 features overfits few images and underfits many (benchmarks/cnn.md). The
# threshold is a guess.
MANY_IMAGES = 20_000
FROZEN_DROPOUT = 0.5
LEARNING_DROPOUT = 0.2


def kind_of(model: str, values: Mapping[str, Any]) -> str:
    """Return the key of the tables above for a model with such options.

    Raises:
        InputError: The model is unknown.
    """
    if not is_backbone(model):
        return model
    default = options_of(model).model_fields["transfer"].default
    transfer = values.get("transfer") or default
    if transfer in _TRANSFER_KINDS:
        return _TRANSFER_KINDS[transfer]
    return model if model in DEFAULTS else FROZEN
