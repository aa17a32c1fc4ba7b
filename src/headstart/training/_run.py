"""One run, from recipe to result. `train` is the main path; what it calls follows in its order."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.metrics  # noqa: F401  # what the evaluation imports when first used takes a second: here it is part of starting up
import torch
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import (
    Classifier,
    outputs_for,
    prepare_process,
    save_classifier,
    self_test,
    use_bfloat16,
)
from headstart.data import SplitDataset
from headstart.errors import InputError, RunFailed, Stopped, TooLittleMemory
from headstart.evaluation import compute_metrics
from headstart.features import solve_head
from headstart.formatting import approximate_duration
from headstart.models import BackboneOptions, build_network, weights_digest
from headstart.models.recipes import Recipe, resolve
from headstart.signals import listening
from headstart.training import _distributed
from headstart.training._augment import Draws
from headstart.training._calibration import collect_inference_metadata
from headstart.training._checkpoints import FOLDER, Checkpoints, final_state
from headstart.training._inputs import Source, prepare
from headstart.training._job import TrainingJob
from headstart.training._loss import labels_of, loss_function, update
from headstart.training._network_summary import describe_network
from headstart.training._observe import Watch, watched
from headstart.training._optimizers import make_optimizers, set_rate
from headstart.training._plan import Cost, Plan, fit_to_time, plan_steps, written_plan
from headstart.training._random import generator, seed_of
from headstart.training._run_folder import (
    begin,
    finished,
    identity,
    read_plan,
    run_summary,
    write_curves,
    write_gallery,
    write_plan,
    write_predictions,
)
from headstart.training._state import Row, State
from headstart.training._timing import measure

WORTH_SAYING_SECONDS = 2.0
# What torch's allocator, its C++ parts and oneDNN say; the last was seen in processes limited to less than 1 GB.
_NO_MEMORY = ("can't allocate memory", "bad_alloc", "could not create a primitive")


def train(job: TrainingJob) -> dict[str, Any]:
    """Train one model and leave its results in `job.folder`.

    A run that was stopped or killed goes on from its last checkpoint, and on a processor ends with the weights it would have
    had. Under torchrun all processes train one model together, and the first one writes.

    Args:
        job: What to train. On a CPU, the same seed and number of threads give the same weights bit for bit, unless a time
            limit decides the number of steps. A folder that holds the same run, finished, is read instead of trained again.

    Returns:
        The summary that `headstart train --json` prints.

    Raises:
        InputError: the folder holds another run, or data and recipe do not fit; RunFailed: the loss is not finite.
        ResourceError: the folder is in use or cannot be written; Stopped: a signal asked to stop, and all is saved.
    """
    started = time.perf_counter()
    asked = identity(job.recipe, job.data, job.seed, job.after)
    if (metrics := finished(job.folder, asked)) is not None and not (job.folder / FOLDER).exists():
        return _again(job.folder, metrics)
    check(job.recipe, job.data)
    with (
        _distributed.joined(),
        _distributed.claimed(job.folder),
        _explained_memory(),
        _own_random_numbers(),
    ):
        if _distributed.agreed(
            (metrics := finished(job.folder, asked)) is not None
        ):  # by another process, or killed right after
            if _distributed.is_first():
                Checkpoints(job.folder).keep_final(job.folder)
            return _again(job.folder, _distributed.agreed(metrics or {}))
        prepare_process()
        changed = begin(job.folder, asked, job.data) if _distributed.is_first() else []
        written = _distributed.agreed(
            read_plan(job.folder, asked) or (_plan_of(job.repeat, asked) if job.repeat else None)
        )
        recipe = (
            written["recipe"]
            if written
            else resolve(job.recipe, len(job.data.split.train), job.data.class_names)
        )
        classifier, source = prepare(recipe, job.data, job.seed)
        net = _distributed.shared(classifier.net)
        plan = (
            written_plan(recipe, written)
            if written
            else plan_steps(recipe, len(job.data.split.train))
        )
        state = State(classifier, make_optimizers(classifier.net, recipe), plan)
        if job.after is not None:
            _go_on_from(job.after, state)
        if written is None:
            cost = measure(plan, classifier, source, job.data)
            fit_to_time(plan, started, cost)
            if _distributed.count() > 1:
                plan.deadline = None  # each process has its own clock: what they agreed on stays
            _say_cost(plan, cost, len(job.data.split.train))
        if _distributed.is_first():
            write_plan(job.folder, asked, plan, classifier)
        checkpoints = Checkpoints(job.folder)
        if not (resumed := _resume(checkpoints, state)) and job.after is None:
            state.reused_seconds = source.reused_seconds
        rewrite = functools.partial(write_plan, job.folder, asked, plan, classifier)
        spent = time.perf_counter() - started
        with watched(job.folder, state.curve) as watch:
            _fit(
                state,
                net,
                source,
                job.data,
                job.seed,
                job.folder,
                checkpoints,
                rewrite,
                spent,
                job.command,
                watch,
            )
            doubts = [*(changed if resumed else []), *watch.problems]
            metrics = _finish(
                state, source, job.data, job.seed, job.folder, job.command, resumed, doubts
            )
            if _distributed.is_first():
                checkpoints.keep_final(job.folder)
            watch.end(metrics)
        return _summary(job.folder, metrics, watch, reused=False)


def _summary(
    folder: Path, metrics: dict[str, Any], watch: Watch, *, reused: bool
) -> dict[str, Any]:
    found = run_summary(folder, metrics, reused=reused)
    return {
        **found,
        "warnings": [
            *found["warnings"],
            *(text for text in watch.problems if text not in found["warnings"]),
        ],
    }


def _again(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The answer of a run that was finished before."""
    watch = Watch(folder)
    watch.was_finished(metrics)
    return _summary(folder, metrics, watch, reused=True)


def _own_random_numbers() -> AbstractContextManager[None]:
    """The caller's random numbers are as before when the block ends."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


@contextmanager
def _explained_memory() -> Iterator[None]:
    """Turn the several words for too little memory, torch's and numpy's, into ours."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
            word in str(error) for word in _NO_MEMORY
        ):
            raise TooLittleMemory(
                "there is not enough memory for this run.",
                "Try a smaller --batch or --image-size, or a smaller network.",
            ) from error
        raise


def check(recipe: Recipe, data: SplitDataset) -> None:
    """Whether this recipe can be trained on these data; nothing is written, no feature computed.

    Raises:
        InputError: too few classes or images, images too small for the network, or nothing for `patience` or `target` to watch.
    """
    for key in ("patience", "target"):
        if getattr(recipe, key) is not None and not len(data.split.validation):
            raise InputError(
                f"--{key} watches validation images, but the split has none.",
                "Give --validation 0.15, say.",
            )
    present = len(np.unique(data.train_labels))
    if present < 2:
        raise InputError(
            f"the training images of {data.dataset.name} show {present} class, but classification needs two or more.",
            "Give a dataset with at least two classes, or a larger --train-images.",
        )
    resolved = resolve(recipe, len(data.split.train), data.class_names)
    if recipe.model == "cnn" and min(resolved.batch or 1, len(data.split.train)) < 2:
        raise InputError(
            "model cnn normalises over a batch, which needs two images or more.",
            "Give --batch 2 or more.",
        )
    if isinstance(recipe.net, BackboneOptions):
        weights_digest(recipe.model, recipe.net)
        if recipe.optimizer == "lbfgs" and not (recipe.on_features and recipe.net.head == "linear"):
            raise InputError(
                "lbfgs solves for a linear head on frozen features.",
                "Take another --optimizer, such as adamw.",
            )
        if recipe.optimizer == "muon" and recipe.net.transfer == "finetune":
            raise InputError(
                "muon gives weights a norm of its own, which loses pretrained ones.",
                "Take --optimizer adamw.",
            )
    elif recipe.optimizer == "lbfgs":
        raise InputError(
            f"lbfgs solves for a linear head, but model {recipe.model} is none.",
            "Take another --optimizer.",
        )
    else:
        with torch.device("meta"):  # shapes only: no memory, no random numbers
            build_network(
                recipe.model,
                recipe.net,
                data.image_shape,
                outputs_for(len(data.class_names)),
                0,
            )


def _plan_of(run: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """The plan of the run to repeat."""
    if (found := read_plan(run, asked)) is None:
        raise InputError(
            f"{run} is no run of this recipe, data, split and seed, so its steps cannot be repeated.",
            "Leave all other options out: `headstart train --repeat RUN`.",
        )
    return found


def _go_on_from(run: Path, state: State) -> None:
    """Begin where a finished run ended."""
    if state.plan.recipe.optimizer == "lbfgs":
        raise InputError(
            f"the head of {run} is solved for: more epochs change nothing.",
            "Take --optimizer adam, or --transfer finetune.",
        )
    saved = _distributed.agreed(final_state(run))
    if saved is None:
        raise InputError(
            f"{run} holds no whole training state to go on from.",
            "It was damaged or removed; train again with more --epochs.",
        )
    steps = state.plan.steps
    state.restore(*saved)
    state.stopped, state.plan.steps = None, steps
    state.plan.position = (
        state.plan.done / steps
    )  # the learning rate goes on where it would be in the longer run


def _say_cost(plan: Plan, cost: Cost, train_images: int) -> None:
    seconds = cost.of(plan)
    if seconds >= WORTH_SAYING_SECONDS:
        progress.say(
            f"{plan.recipe.model}: {(plan.steps - plan.done) / plan.steps_per_epoch:.3g} epochs of {train_images:,} images, "
            f"about {approximate_duration(seconds)} on this machine ({plan.batch / cost.step:,.0f} images/s; "
            f"{'bfloat16' if use_bfloat16(plan.recipe.precision) else 'float32'}: {self_test().why})."
        )


def _resume(checkpoints: Checkpoints, state: State) -> bool:
    """Take up the newest whole checkpoint, if there is one."""
    saved = _distributed.agreed(checkpoints.newest() if _distributed.is_first() else None)
    if saved is None:
        return False
    try:
        state.restore(*saved)
    except (KeyError, IndexError, RuntimeError) as error:
        raise InputError(
            f"{checkpoints.folder} cannot be taken up: {str(error).splitlines()[0]}",
            "It may be of another version of Headstart; remove that folder and run again.",
        ) from error
    progress.say(f"resumed after step {state.plan.done:,} of {state.plan.steps:,}.")
    return True


def _fit(
    state: State,
    net: torch.nn.Module,
    source: Source,
    data: SplitDataset,
    seed: int,
    folder: Path,
    checkpoints: Checkpoints,
    rewrite_plan: Callable[[], None],
    seconds_before: float,
    command: str,
    watch: Watch,
) -> None:
    """The training loop. What step k draws follows from seed and k, so a position is all that a resumed run needs."""
    plan, classifier = state.plan, state.classifier
    recipe, optimizers = plan.recipe, state.optimizers
    loss_of = loss_function(recipe, data.train_labels, len(data.class_names))
    forward = functools.partial(classifier.logits, wrapper=net)
    order, epoch = np.empty(0, np.int64), -1
    clock = time.perf_counter() - (0 if state.seconds else seconds_before) - state.seconds
    plan.start()
    with (
        progress.task(f"{recipe.model}, seed {seed}", plan.steps * plan.batch, "images") as task,
        listening() as stop,
    ):
        task.advance(plan.done * plan.batch)
        while not state.is_done:
            if plan.epoch != epoch:
                epoch = plan.epoch
                order = torch.randperm(
                    len(data.split.train), generator=generator(seed, "order", epoch)
                ).numpy()
            first = plan.done % plan.steps_per_epoch * plan.batch
            rows, rate, draws = (
                data.split.train[order[first : first + plan.batch]],
                plan.rate(),
                Draws(seed, plan.done, epoch),
            )
            set_rate(optimizers, rate, plan.position)
            classifier.train()
            torch.manual_seed(seed_of(seed, "dropout", plan.done))
            if recipe.optimizer == "lbfgs":
                rows = np.sort(rows)  # so that no seed has a say
                outcome = solve_head(
                    classifier,
                    source.inputs(rows),
                    data.dataset.labels[rows],
                    recipe,
                    loss_of.weights,
                )
            else:
                outcome = update(
                    forward,
                    source.batch(rows, recipe, draws),
                    labels_of(data.dataset, rows),
                    loss_of,
                    optimizers,
                )
            if not outcome.is_finite:
                raise _diverged(outcome.loss, plan, rate)
            state.see(outcome)
            if plan.step_done():
                rewrite_plan()
                task.resize(plan.steps * plan.batch)
            if plan.is_epoch_end:
                judged = _judge(state, source, data)
                state.seconds = time.perf_counter() - clock
                row = state.end_epoch(recipe.lr * rate, judged)
                task.note(_note(row, plan, state.seconds))
                before = time.perf_counter()
                watch.epoch(len(state.curve), row)
                clock += time.perf_counter() - before  # telling is no training
            task.advance(plan.batch)
            state.seconds = time.perf_counter() - clock
            if _distributed.is_first():
                checkpoints.save_if_due(state)
            if signum := _distributed.any_signal(stop.signum):
                if _distributed.is_first():
                    checkpoints.save(state)
                raise _stopped(signum, state, folder, command)
    if _distributed.is_first():
        checkpoints.save(state)  # with the last weights; the best ones, if others, lie beside them
    if state.best.restore(classifier):
        state.validation = None


def _judge(state: State, source: Source, data: SplitDataset) -> tuple[float, float] | None:
    """Loss and accuracy on the validation images."""
    if not len(data.split.validation):
        return None
    before = time.perf_counter()
    state.validation = _predict(state.classifier, source, data.split.validation)
    state.predict_seconds = time.perf_counter() - before
    judged = compute_metrics(data.validation_labels, state.validation)
    return judged.loss, judged.accuracy


def _predict(
    classifier: Classifier, source: Source, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Probabilities `(n, K)`; weights that overflowed in the last update show here."""
    classifier.eval()
    found = _distributed.gathered(
        source.probabilities(classifier, _distributed.own_part(rows)), len(rows)
    )
    if not np.isfinite(found).all():
        raise RunFailed(
            "the weights are no longer finite: the last update was too large.",
            f"Try a lower learning rate: --lr {classifier.recipe.lr / 10:.3g}.",
        )
    return found


def _note(row: Row, plan: Plan, seconds: float) -> str:
    judged = row["validation_accuracy"]
    shown = "" if judged is None else f", validation {judged:.2%}"
    return (
        f"epoch {row['epoch']:g}: loss {row['train_loss']:.3f}, accuracy {row['train_accuracy']:.2%}{shown}, "
        f"{plan.done * plan.batch / seconds:,.0f} images/s"
    )


def _diverged(loss: float, plan: Plan, rate: float) -> RunFailed:
    recipe = plan.recipe
    what = "the gradient is no longer finite" if math.isfinite(loss) else f"the loss became {loss}"
    return RunFailed(
        f"{what} in batch {plan.done % plan.steps_per_epoch + 1} of epoch {plan.epoch + 1} "
        f"(learning rate {recipe.lr * rate:.3g}); the weights were not updated with it.",
        f"Try a lower learning rate: --lr {recipe.lr / 10:.3g}"
        + (", or --precision float32." if use_bfloat16(recipe.precision) else "."),
    )


def _stopped(signum: int, state: State, folder: Path, command: str) -> Stopped:
    return Stopped(
        signum,
        f"stopped after step {state.plan.done:,} of {state.plan.steps:,}; everything is saved in {folder}.",
        f"This goes on from there: {command}"
        if command
        else "Do the same again to go on from there.",
    )


def _finish(
    state: State,
    source: Source,
    data: SplitDataset,
    seed: int,
    folder: Path,
    command: str,
    resumed: bool,
    warnings: list[str],
) -> dict[str, Any]:
    """Judge, and write everything; `metrics.json` comes last."""
    started = time.perf_counter()
    classifier, plan = state.classifier, state.plan
    classifier.eval()
    parts: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    measured: dict[str, Any] = {"validation": None, "test": None}
    ms_per_image, spent = None, state.predict_seconds
    for part, rows in (("validation", data.split.validation), ("test", data.split.test)):
        if len(rows):
            if part == "test" or state.validation is None:
                before = time.perf_counter()
                probabilities = _predict(classifier, source, rows)
                spent = time.perf_counter() - before
            else:
                probabilities = state.validation
            ms_per_image = source.ms_per_image(spent, len(rows))
            parts[part] = (rows, probabilities)
            measured[part] = {
                **compute_metrics(data.dataset.labels[rows], probabilities).as_json(),
                "classes": list(data.class_names),
            }
    if _distributed.is_first():
        classifier.metadata = collect_inference_metadata(
            state, source, data, parts.get("validation", (None, None))[1], measured
        )
    layers = describe_network(classifier, data.dataset)
    metrics = {
        "model": plan.recipe.model,
        "command": command,
        "seed": seed,
        "epochs": int(plan.epochs) if plan.epochs == int(plan.epochs) else plan.epochs,
        "steps": plan.done,
        "resolved": plan.recipe.model_dump(mode="json"),
        "parameters": sum(weight.numel() for weight in classifier.parameters()),
        "trainable_parameters": sum(
            weight.numel() for weight in classifier.net.parameters() if weight.requires_grad
        ),
        "multiply_adds": sum(layer.multiply_adds for layer in layers),
        "seconds": {
            "train": round(state.seconds + state.reused_seconds, 3),
            "prepare": round(source.seconds, 3),
            "total": round(state.seconds + state.reused_seconds + time.perf_counter() - started, 3),
        },
        "predict_ms_per_image": None if ms_per_image is None else round(ms_per_image, 4),
        "backbone": source.shown,
        "stopped": state.stopped or "schedule done",
        "resumed": resumed,
        **measured,
        "architecture": [layer.as_json() for layer in layers],
        "warnings": [
            *warnings,
            *_warnings(plan, measured, state.seconds + time.perf_counter() - started),
        ],
    }
    if _distributed.is_first():
        write_curves(folder, state.curve)
        write_predictions(folder, data.dataset, parts)
        if parts:
            write_gallery(folder, data.dataset, *list(parts.values())[-1], seed)
        save_classifier(classifier, folder)
        store.write_json(folder / "metrics.json", metrics)
    return metrics


def _warnings(plan: Plan, measured: dict[str, Any], seconds: float) -> list[str]:
    found = []
    limit = plan.recipe.time_limit
    if limit is not None and seconds > 1.1 * limit:
        found.append(
            f"the run took {seconds:.1f} s; a time limit of {limit:.3g} s is too short for this network and machine."
        )
    if limit is not None and plan.epochs < 1:
        found.append(
            f"only {plan.epochs:.2f} of an epoch fitted into the time limit: most training images were never seen."
        )
    if plan.was_shortened:
        found.append(
            "the machine became slower than measured; the schedule was shortened to keep the time limit."
        )
    if measured["validation"] is None:
        found.append("no validation images: nothing watched this run.")
    return found
