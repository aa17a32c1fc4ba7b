"""One run, from recipe to result."""

from __future__ import annotations

import copy
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart import progress, store
from headstart.data import Dataset, Split
from headstart.errors import InputError, ResourceError, RunFailed
from headstart.evaluation import summarise as summarise_predictions
from headstart.models import BackboneOptions, Cnn, Layer, build, build_head, load_backbone, summarise
from headstart.training._augment import augment
from headstart.training._classifier import (
    Classifier,
    Standardise,
    StandardisedBackbone,
    as_floats,
    outputs_for,
    save_classifier,
    to_probabilities,
)
from headstart.training._device import best_device, prepare_process, use_bfloat16
from headstart.training._features import Features, choose_side_px, compute_features
from headstart.training._optimizers import make_optimizers
from headstart.training._plan import Plan, fit_to_time, plan_steps
from headstart.training._recipe import Recipe, resolve
from headstart.training._results import begin, finished, identity, run_summary, write_curves, write_gallery, write_predictions

_STATISTICS_IMAGES = 20_000  # enough to fix mean and standard deviation to three digits
_STATISTICS_BYTES = 1 << 27  # of pixels looked at for them: large images need fewer
_WHITENING_IMAGES = 5_000
_SHARE_FOR_TIMING = 0.04  # of a time limit, for timing steps and for timing predictions, each
_OWN_NAME = re.compile(r"^(net\.|front\.backbone\.net\.)")


class Source(Protocol):
    """What a network learns from: the images, or the features of a frozen backbone."""

    @property
    def seconds(self) -> float:
        """What preparing it cost: features."""

    @property
    def reused_seconds(self) -> float:
        """The part of `seconds` that an earlier run spent."""

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, generator: torch.Generator | None) -> Tensor:
        """Inputs of the network for these dataset indices; augmented if a generator is given."""

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Class probabilities `(n, K)` of these dataset indices."""

    def ms_per_image(self, seconds: float, images: int) -> float:
        """Milliseconds that one prediction takes, when `probabilities` took `seconds` for `images`."""


@dataclass
class Pixels:
    """The images themselves, standardised."""

    dataset: Dataset
    front: Standardise
    seconds: float = 0.0
    reused_seconds: float = 0.0

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, generator: torch.Generator | None) -> Tensor:
        images = as_floats(self.dataset.images[rows], best_device())
        if generator is not None:
            images = augment(images, recipe, generator)
        inputs: Tensor = self.front(images)
        return inputs.contiguous(memory_format=torch.channels_last)

    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return classifier.probabilities(self.dataset.images, rows)

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * seconds / images


@dataclass
class CachedFeatures:
    """Features of a frozen backbone: computed once, so there is nothing to augment."""

    features: Features
    front: StandardisedBackbone

    @property
    def seconds(self) -> float:
        return self.features.seconds

    @property
    def reused_seconds(self) -> float:
        return self.features.seconds if self.features.was_cached else 0.0

    def batch(self, rows: NDArray[np.int64], recipe: Recipe, generator: torch.Generator | None) -> Tensor:
        return self.front.standardise(torch.from_numpy(self.features.of(rows)).to(best_device()).float())

    @torch.inference_mode()
    def probabilities(self, classifier: Classifier, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [
            to_probabilities(classifier.logits(self.batch(part, classifier.recipe, None))).cpu().numpy()
            for part in np.array_split(rows, max(1, len(rows) // 4096))
        ]
        return np.concatenate(parts)

    def ms_per_image(self, seconds: float, images: int) -> float:
        return 1000 * (seconds / images + self.features.seconds / len(self.features.rows))


@dataclass
class History:
    """What happened while training."""

    curve: list[dict[str, float | None]] = field(default_factory=list)
    stopped: str = "schedule done"
    seconds: float = 0.0
    validation: NDArray[np.float32] | None = None  # probabilities under the final weights
    predict_seconds: float = 0.0  # of computing them


def train(recipe: Recipe, dataset: Dataset, split: Split, seed: int, folder: Path, command: str = "") -> dict[str, Any]:
    """Train one model and leave its results in `folder`.

    Args:
        recipe: how; what it leaves open is decided here, from the data and the time.
        dataset, split: on what; the test part is looked at once, at the end.
        seed: of initial weights, order of images and augmentation. On a processor, the same seed and number of threads give the
            same weights bit for bit, unless a time limit decides how many steps there are.
        folder: the run folder; a finished run of the same recipe, data and seed answers at once.
        command: the command line that does the same, for the record.

    Returns:
        The summary that `headstart train --json` prints.

    Raises:
        InputError: the folder holds another run, or data and recipe do not fit; RunFailed: the loss is not finite.
        ResourceError: the folder is in use or cannot be written.
    """
    started = time.perf_counter()
    asked = identity(recipe, dataset, split, seed)
    if (metrics := finished(folder, asked)) is not None:
        return run_summary(folder, metrics, reused=True)
    check(recipe, dataset, split)
    with store.claim(folder), _explained_memory():
        if (metrics := finished(folder, asked)) is not None:  # by another process, meanwhile
            return run_summary(folder, metrics, reused=True)
        begin(folder, asked, dataset, split)
        prepare_process()
        recipe = resolve(recipe, len(split.train), dataset.class_names)
        classifier, source = prepare(recipe, dataset, split, seed)
        plan = plan_steps(recipe, len(split.train))
        _fit_to_time(plan, classifier, source, dataset, split, started)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)  # of dropout; all else draws from its own generator
            history = _fit(classifier, source, plan, dataset, split, seed)
        metrics = _finish(folder, classifier, source, plan, history, dataset, split, seed, started, command)
        return run_summary(folder, metrics, reused=False)


@contextmanager
def _explained_memory() -> Iterator[None]:
    """Turn torch's several words for too little memory into ours."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise ResourceError(
                "there is not enough memory for this run.", "Try a smaller --batch or --image-size, or a smaller network."
            ) from error
        raise


def check(recipe: Recipe, dataset: Dataset, split: Split) -> None:
    """Whether this recipe can be trained on these data; nothing is written, no feature computed.

    Raises:
        InputError: too few classes or images, images too small for the network, or nothing for `patience` or `target` to watch.
    """
    for key in ("patience", "target"):
        if getattr(recipe, key) is not None and not len(split.validation):
            raise InputError(f"--{key} watches validation images, but the split has none.", "Give --validation 0.15, say.")
    present = len(np.unique(dataset.labels[split.train]))
    if present < 2:
        raise InputError(
            f"the training images of {dataset.name} show {present} class, but classification needs two or more.",
            "Give a dataset with at least two classes, or a larger --train-images.",
        )
    resolved = resolve(recipe, len(split.train), dataset.class_names)
    if recipe.model == "cnn" and min(resolved.batch or 1, len(split.train)) < 2:
        raise InputError("model cnn normalises over a batch, which needs two images or more.", "Give --batch 2 or more.")
    if not isinstance(recipe.net, BackboneOptions):
        with torch.device("meta"):  # shapes only: no memory, no random numbers
            build(recipe.model, recipe.net, dataset.image_shape, outputs_for(len(dataset.class_names)), 0)


def prepare(recipe: Recipe, dataset: Dataset, split: Split, seed: int) -> tuple[Classifier, Source]:
    """An untrained classifier and what it learns from: statistics, whitening or features come from the training images."""
    options, device, outputs = recipe.net, best_device(), outputs_for(len(dataset.class_names))
    source: Source
    front: Standardise | StandardisedBackbone
    if isinstance(options, BackboneOptions):
        side_px = choose_side_px(recipe, dataset, split, recipe.time_limit)
        features = compute_features(recipe, dataset, split, seed, side_px)
        front = StandardisedBackbone(features.backbone)
        front.fit(features.of(split.train))
        net = build_head(features.backbone.size, outputs, options)
        source = CachedFeatures(features, front)
    else:
        count = max(64, min(_STATISTICS_IMAGES, _STATISTICS_BYTES // int(np.prod(dataset.image_shape))))
        drawn = np.random.default_rng(seed).permutation(split.train)[:count]
        front = Standardise(dataset.image_shape[2])
        front.fit(dataset.images[np.sort(drawn)])
        net = build(recipe.model, options, dataset.image_shape, outputs, seed)
        if isinstance(net, Cnn):
            sample = np.sort(drawn[: min(_WHITENING_IMAGES, max(64, count // 4))])
            net.whitening.fit(front(as_floats(dataset.images[sample], torch.device("cpu"))))
        source = Pixels(dataset, front)
    classifier = Classifier(front, net, recipe, dataset.class_names, dataset.image_shape)
    return classifier.to(device).to(memory_format=torch.channels_last), source


def _loss_function(recipe: Recipe, dataset: Dataset, split: Split) -> nn.Module:
    """Cross-entropy over logits; one output is the logit of the second of two classes."""
    counts = np.bincount(dataset.labels[split.train], minlength=len(dataset.class_names))
    weights = torch.ones(len(counts))
    if recipe.class_weights == "balanced":  # as scikit-learn's: n / (classes * count)
        weights = torch.from_numpy(counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))).float()
    return CrossEntropy(weights, recipe.label_smoothing).to(best_device())


class CrossEntropy(nn.Module):
    """Mean cross-entropy `(N, outputs)` logits against `(N,)` classes, with class weights and smoothed targets."""

    def __init__(self, weights: Tensor, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.weights: Tensor
        self.smoothing = smoothing

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(_by_class(logits), labels, self.weights, label_smoothing=self.smoothing)


def _by_class(logits: Tensor) -> Tensor:
    """One logit a class, float32: for one output of two classes, the softmax over (0, logit) is its sigmoid."""
    logits = logits.float()
    return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits


@dataclass
class Step:
    """What one update saw: the plain cross-entropy and accuracy of its batch, before the update."""

    loss: float
    right: int
    is_finite: bool  # loss and gradient; if not, nothing was updated


def _step(
    classifier: Classifier, inputs: Tensor, labels: Tensor, loss_function: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> Step:
    logits = classifier.logits(inputs)
    loss = loss_function(logits, labels)
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    gradients = [weight.grad for weight in classifier.net.parameters() if weight.grad is not None]
    is_finite = bool(torch.isfinite(loss) & torch.isfinite(nn.utils.get_total_norm(gradients)))
    if is_finite:
        for optimizer in optimizers:
            optimizer.step()
    with torch.no_grad():
        scores = _by_class(logits)
        plain = functional.cross_entropy(scores, labels)  # comparable with validation's: no smoothing, no class weights
        return Step(float(plain), int((scores.argmax(1) == labels).sum()), is_finite)


def _labels(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(dataset.labels[rows]).to(best_device())


def _fit_to_time(plan: Plan, classifier: Classifier, source: Source, dataset: Dataset, split: Split, started: float) -> None:
    """Measure a few steps and predictions on a copy of the network, and plan the schedule for the time there is."""
    if plan.recipe.time_limit is None:
        return
    trial = copy.deepcopy(classifier).train()
    optimizers, loss_function = make_optimizers(trial.net, plan.recipe), _loss_function(plan.recipe, dataset, split)
    generator = torch.Generator().manual_seed(0)
    rows = split.train[: plan.batch]
    limit, times = plan.recipe.time_limit, [0.0]
    while len(times) < 4 or (len(times) < 11 and sum(times) < 1.0):
        start = time.perf_counter()
        _step(trial, source.batch(rows, plan.recipe, generator), _labels(dataset, rows), loss_function, optimizers)
        times.append(time.perf_counter() - start)
        if sum(times) > _SHARE_FOR_TIMING * limit:
            break
    judged = np.concatenate([split.validation, split.test])
    image_seconds = _seconds_per_prediction(trial, source, judged, _SHARE_FOR_TIMING * limit) if len(judged) else 0.0
    end_seconds = image_seconds * len(split.test) + min(0.5, 0.05 * limit)
    step_seconds = float(np.median(times[min(3, len(times) - 1) :]))  # the first two warm up
    fit_to_time(plan, started, step_seconds, image_seconds * len(split.validation), end_seconds)


def _seconds_per_prediction(trial: Classifier, source: Source, rows: NDArray[np.int64], seconds: float) -> float:
    """Measured on as many images as fit into `seconds`, 16 to 1,000."""
    count = 16
    source.probabilities(trial, rows[:count])  # warm
    while True:
        start = time.perf_counter()
        source.probabilities(trial, rows[:count])
        found = (time.perf_counter() - start) / min(count, len(rows))
        larger = min(1000, int(seconds / found / 2))
        if larger < 4 * count or count >= len(rows):
            return found
        count = larger


def _fit(classifier: Classifier, source: Source, plan: Plan, dataset: Dataset, split: Split, seed: int) -> History:
    """The training loop."""
    recipe = plan.recipe
    optimizers, loss_function = make_optimizers(classifier.net, recipe), _loss_function(recipe, dataset, split)
    generator = torch.Generator().manual_seed(seed)
    history, best = History(), _Best()
    start = time.perf_counter()
    plan.start()
    with progress.task(f"{recipe.model}, seed {seed}", plan.steps * plan.batch, "images") as task:
        while plan.done < plan.steps:
            classifier.train()
            order = torch.randperm(len(split.train), generator=generator).numpy()
            losses, right, seen, rate = 0.0, 0, 0, 0.0
            for index in range(plan.steps_per_epoch):
                rows = split.train[order[index * plan.batch : (index + 1) * plan.batch]]
                rate = plan.rate()
                _set_rate(optimizers, rate)
                inputs = source.batch(rows, recipe, generator)
                step = _step(classifier, inputs, _labels(dataset, rows), loss_function, optimizers)
                if not step.is_finite:
                    raise _diverged(step.loss, index, plan, recipe, rate)
                losses, right, seen = losses + step.loss * len(rows), right + step.right, seen + len(rows)
                plan.step_done()
                task.advance(len(rows))
                if plan.done >= plan.steps:
                    break
            task.resize(plan.steps * plan.batch)
            row = {
                "epoch": plan.epochs,
                "seconds": time.perf_counter() - start,
                "learning_rate": recipe.lr * rate,
                "train_loss": losses / seen,
                "train_accuracy": right / seen,
                "validation_loss": None,
                "validation_accuracy": None,
            }
            if len(split.validation):
                before = time.perf_counter()
                history.validation = _predict(classifier, source, split.validation, recipe)
                history.predict_seconds = time.perf_counter() - before
                judged = summarise_predictions(dataset.labels[split.validation], history.validation)
                row["validation_loss"], row["validation_accuracy"] = judged.loss, judged.accuracy
            history.curve.append(row)
            task.note(_note(row, plan, time.perf_counter() - start))
            if (reason := best.after(row, classifier, recipe)) is not None:
                history.stopped = reason
                break
    if best.restore(classifier):
        history.validation = None
    history.seconds = time.perf_counter() - start
    return history


def _set_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak_lr"]


def _note(row: dict[str, float | None], plan: Plan, seconds: float) -> str:
    judged = row["validation_accuracy"]
    shown = "" if judged is None else f", validation {judged:.2%}"
    return (
        f"epoch {row['epoch']:g}: loss {row['train_loss']:.3f}, accuracy {row['train_accuracy']:.2%}{shown}, "
        f"{plan.done * plan.batch / seconds:,.0f} images/s"
    )


def _diverged(loss: float, index: int, plan: Plan, recipe: Recipe, rate: float) -> RunFailed:
    what = "the gradient is no longer finite" if math.isfinite(loss) else f"the loss became {loss}"
    return RunFailed(
        f"{what} in batch {index + 1} of epoch {plan.done // plan.steps_per_epoch + 1} "
        f"(learning rate {recipe.lr * rate:.3g}); the weights were not updated with it.",
        f"Try a lower learning rate: --lr {recipe.lr / 10:.3g}"
        + (", or --precision float32." if use_bfloat16(recipe.precision) else "."),
    )


def _predict(classifier: Classifier, source: Source, rows: NDArray[np.int64], recipe: Recipe) -> NDArray[np.float32]:
    """Probabilities `(n, K)`; weights that overflowed in the last update show here."""
    found = source.probabilities(classifier, rows)
    if not np.isfinite(found).all():
        raise RunFailed(
            "the weights are no longer finite: the last update was too large.",
            f"Try a lower learning rate: --lr {recipe.lr / 10:.3g}.",
        )
    return found


@dataclass
class _Best:
    """Early stopping: the weights of the epoch with the lowest validation loss, kept only where the recipe has patience."""

    loss: float = math.inf
    epochs_since: int = 0
    weights: dict[str, Tensor] | None = None

    def after(self, row: dict[str, float | None], classifier: Classifier, recipe: Recipe) -> str | None:
        """Why to stop after this epoch, or None."""
        loss, accuracy = row["validation_loss"], row["validation_accuracy"]
        if loss is None or accuracy is None:
            return None
        if recipe.target is not None and accuracy >= recipe.target:
            self.weights = None
            return f"validation accuracy {accuracy:.4f} reached the target {recipe.target:g}"
        if recipe.patience is None:
            return None
        if loss < self.loss:
            self.loss, self.epochs_since = loss, 0
            self.weights = {name: tensor.clone() for name, tensor in classifier.net.state_dict().items()}
            return None
        self.epochs_since += 1
        return f"validation loss did not fall for {self.epochs_since} epochs" if self.epochs_since >= recipe.patience else None

    def restore(self, classifier: Classifier) -> bool:
        """Take the best weights back, if any were kept; whether so."""
        if self.weights is None:
            return False
        classifier.net.load_state_dict(self.weights)
        return True


def _finish(
    folder: Path,
    classifier: Classifier,
    source: Source,
    plan: Plan,
    history: History,
    dataset: Dataset,
    split: Split,
    seed: int,
    started: float,
    command: str,
) -> dict[str, Any]:
    """Judge, and write everything; `metrics.json` comes last."""
    classifier.eval()
    parts: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    measured: dict[str, Any] = {"validation": None, "test": None}
    ms_per_image = None
    for part, rows in (("validation", split.validation), ("test", split.test)):
        if len(rows):
            before = time.perf_counter()
            if part == "validation" and history.validation is not None:
                probabilities, spent = history.validation, history.predict_seconds
            else:
                probabilities = _predict(classifier, source, rows, plan.recipe)
                spent = time.perf_counter() - before
            ms_per_image = source.ms_per_image(spent, len(rows))
            parts[part] = (rows, probabilities)
            measured[part] = {
                **summarise_predictions(dataset.labels[rows], probabilities).as_json(),
                "classes": list(dataset.class_names),
            }
    layers = describe_network(classifier, dataset)
    write_curves(folder, history.curve)
    write_predictions(folder, dataset, parts)
    if parts:
        write_gallery(folder, dataset, *list(parts.values())[-1], seed)
    save_classifier(classifier, folder, {key: dataset.options.get(key) for key in ("image_size", "resize", "pixel_max")})
    metrics = {
        "model": plan.recipe.model,
        "command": command,
        "seed": seed,
        "epochs": int(plan.epochs) if plan.epochs == int(plan.epochs) else plan.epochs,
        "steps": plan.done,
        "resolved": plan.recipe.model_dump(mode="json"),
        "parameters": sum(layer.parameters for layer in layers),
        "trainable_parameters": sum(weight.numel() for weight in classifier.net.parameters() if weight.requires_grad),
        "multiply_adds": sum(layer.multiply_adds for layer in layers),
        "seconds": {
            "train": round(history.seconds + source.seconds, 3),
            "prepare": round(source.seconds, 3),
            "total": round(time.perf_counter() - started + source.reused_seconds, 3),
        },
        "predict_ms_per_image": None if ms_per_image is None else round(ms_per_image, 4),
        "stopped": history.stopped,
        **measured,
        "architecture": [layer.as_json() for layer in layers],
        "warnings": _warnings(plan, measured, time.perf_counter() - started),
    }
    store.write_json(folder / "metrics.json", metrics)
    return metrics


def _warnings(plan: Plan, measured: dict[str, Any], seconds: float) -> list[str]:
    found = []
    limit = plan.recipe.time_limit
    if limit is not None and seconds > 1.1 * limit:
        found.append(f"the run took {seconds:.1f} s; a time limit of {limit:.3g} s is too short for this network and machine.")
    if plan.epochs < 1:
        found.append(f"only {plan.epochs:.2f} of an epoch fitted into the time limit: most training images were never seen.")
    if plan.was_shortened:
        found.append("the machine became slower than measured; the schedule was shortened to keep the time limit.")
    if measured["validation"] is None:
        found.append("no validation images: nothing watched this run.")
    return found


def describe_network(classifier: Classifier, dataset: Dataset) -> list[Layer]:
    """The layers of a classifier on one image of the dataset, named as in their own network."""
    example = as_floats(dataset.images[[0]], next(classifier.net.parameters()).device)
    layers = summarise(classifier, example)
    return [replace(layer, name=_OWN_NAME.sub("", layer.name).replace("front", "standardise") or layer.kind) for layer in layers]


def network_layers(recipe: Recipe, dataset: Dataset, split: Split) -> list[dict[str, Any]]:
    """The layers that a recipe trains on this dataset, as in `metrics.json`; nothing is trained."""
    return [layer.as_json() for layer in describe_network(_untrained(recipe, dataset, split), dataset)]


def _untrained(recipe: Recipe, dataset: Dataset, split: Split) -> Classifier:
    recipe = resolve(recipe, len(split.train), dataset.class_names)
    outputs = outputs_for(len(dataset.class_names))
    if isinstance(recipe.net, BackboneOptions):
        side_px = choose_side_px(recipe, dataset, split, None)
        front = StandardisedBackbone(load_backbone(recipe.net, side_px, 0, empty=True).fold())
        return Classifier(
            front, build_head(front.backbone.size, outputs, recipe.net), recipe, dataset.class_names, dataset.image_shape
        )
    net = build(recipe.model, recipe.net, dataset.image_shape, outputs, 0)
    return Classifier(Standardise(dataset.image_shape[2]), net, recipe, dataset.class_names, dataset.image_shape)
