"""Evidence for small grey images: features of networks that were trained on the other half.

ImageNet features say little about digits and drawings. A small network, trained on one half of the
images, describes the other half. So no image has taught the network that describes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart import progress
from headstart.audit._folds import assign_folds
from headstart.audit._out_of_fold import OutOfFoldRidge
from headstart.classifier import as_floats, prepare_process
from headstart.data import Dataset, take

Indices = NDArray[np.int64]
Floats = NDArray[np.float32]

LARGEST_SIDE_PX = 32
LEAST_IMAGES = 4000

_CHANNELS = (16, 32, 64)
_CELLS_PER_SIDE = 3
_EPOCHS = 5
_PEAK_LEARNING_RATE = 3e-3
_WEIGHT_DECAY = 0.02
_WARM_UP_FRACTION = 0.2
_LABEL_SMOOTHING = 0.05
_DROPOUT = 0.3
_LARGEST_SHIFT_PX = 2
_BATCH = 128
_BATCH_FOR_FEATURES = 512
_HALVES = 2


def suits_networks(dataset: Dataset) -> bool:
    """Return whether networks are worth their time: many small grey images."""
    height, width, channels = dataset.image_shape
    is_small_grey = channels == 1 and max(height, width) <= LARGEST_SIDE_PX
    return is_small_grey and min(height, width) >= 8 and len(dataset) >= LEAST_IMAGES


@dataclass(frozen=True)
class _Half:
    """One half of the images, described by the network of the other half.

    Attributes:
        rows: Dataset indices, int64 of shape (n,).
        ridge: Their out-of-fold scores.
    """

    rows: Indices
    ridge: OutOfFoldRidge


class HalfNetworks:
    """Out-of-fold scores from two networks, each trained on one half of the images."""

    def __init__(self, dataset: Dataset, units: Indices, folds: int, seed: int) -> None:
        """Train both networks and compute the features.

        Args:
            dataset: The labelled images.
            units: Int64 array of shape (N,): images with the same number stay together.
            folds: Number of folds within each half.
            seed: Seed of the halves and of the training.
        """
        prepare_process()
        half_of = assign_folds(dataset.labels, units, _HALVES, seed)
        self._shape = (len(dataset), len(dataset.class_names))
        self._halves: list[_Half] = []
        steps = _EPOCHS * sum(_steps_per_epoch(int((half_of != half).sum())) for half in (0, 1))
        with progress.task("networks of the two halves", steps, "steps") as task:
            for half in range(_HALVES):
                rows, others = np.flatnonzero(half_of == half), np.flatnonzero(half_of != half)
                network = _train(dataset, others, seed + half, task)
                features = _describe(network, dataset, rows)
                fold_of = assign_folds(dataset.labels[rows], units[rows], folds, seed)
                self._halves.append(_Half(rows, OutOfFoldRidge(features, fold_of)))

    def set_penalty(self, penalty: float) -> None:
        """Factorise the normal equations of every fold of both halves for a penalty."""
        for half in self._halves:
            half.ridge.set_penalty(penalty)

    def scores(self, targets: Floats) -> Floats:
        """Return the out-of-fold predictions of targets, float32 of the same shape.

        Args:
            targets: Float32 array of shape (N, T), such as class indicators.
        """
        scores = np.empty_like(targets)
        for half in self._halves:
            scores[half.rows] = half.ridge.scores(targets[half.rows])
        return scores


def _network(channels: int) -> nn.Sequential:
    """Return an untrained network from floats (n, C, H, W) to features (n, F)."""
    layers: list[nn.Module] = []
    width_before = channels
    for number, width in enumerate(_CHANNELS):
        size = 5 if number == 0 else 3
        layers += [
            nn.Conv2d(width_before, width, size, padding="same"),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        is_last = number == len(_CHANNELS) - 1
        layers.append(nn.AdaptiveMaxPool2d(_CELLS_PER_SIDE) if is_last else nn.MaxPool2d(2))
        width_before = width
    network = nn.Sequential(nn.BatchNorm2d(channels), *layers, nn.Flatten())
    return network.to(memory_format=torch.channels_last)


def _steps_per_epoch(images: int) -> int:
    return max(1, images // _BATCH)


def _train(dataset: Dataset, rows: Indices, seed: int, task: progress.Task) -> nn.Sequential:
    """Train a network on some images, and return it without its head."""
    rng = np.random.default_rng([seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(dataset.image_shape[2])
        features = _CHANNELS[-1] * _CELLS_PER_SIDE**2
        head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(features, len(dataset.class_names)))
        parameters = [*network.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(parameters, _PEAK_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        steps = _steps_per_epoch(len(rows))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            _PEAK_LEARNING_RATE,
            total_steps=_EPOCHS * steps,
            pct_start=_WARM_UP_FRACTION,
        )
        for _ in range(_EPOCHS):
            order = rng.permutation(rows)
            for step in range(steps):
                batch = order[step * _BATCH : (step + 1) * _BATCH]
                logits = head(network(_shifted(_read(dataset, batch), rng)))
                targets = torch.from_numpy(dataset.labels[batch])
                loss = functional.cross_entropy(logits, targets, label_smoothing=_LABEL_SMOOTHING)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                task.advance()
    return network.eval()


def _describe(network: nn.Sequential, dataset: Dataset, rows: Indices) -> NDArray[np.float16]:
    """Return the features of some images, float16 of shape (n, F)."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(rows), _BATCH_FOR_FEATURES):
            batch = _read(dataset, rows[start : start + _BATCH_FOR_FEATURES])
            parts.append(network(batch).half().numpy())
    return np.concatenate(parts)


def _read(dataset: Dataset, rows: Indices) -> Tensor:
    images = as_floats(take(dataset.images, rows), torch.device("cpu")) / 255
    return images.contiguous(memory_format=torch.channels_last)


def _shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift a batch by up to two pixels in each direction."""
    down, right = rng.integers(-_LARGEST_SHIFT_PX, _LARGEST_SHIFT_PX + 1, 2).tolist()
    return torch.roll(images, (down, right), (2, 3))
