"""Studies for the tests of reports: real ones of version 0.1, and others built from the models.

The scores of the built runs come from `headstart.evaluation`. Nothing is trained.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from robustness_examples import robustness, subgroups

from headstart.evaluation import compute_metrics, wilson_interval
from headstart.results import (
    BackboneCandidate,
    BackboneRanking,
    BaselineScore,
    Budget,
    Comparison,
    Contender,
    ContenderFinding,
    ContenderPair,
    ContenderScores,
    DatasetSummary,
    Difference,
    EffectResult,
    Effects,
    Finding,
    FitDiagnosis,
    JsonObject,
    LabelComparison,
    LabelContender,
    LabelCurves,
    LabelDifference,
    LabelEstimate,
    LabelMatch,
    LabelPoint,
    LayerSummary,
    LearningRateRange,
    LearningRateResult,
    LearningRates,
    McNemarTest,
    PartMetrics,
    PartSummary,
    RangeTestCurve,
    RangeTests,
    RecommendedBackbone,
    ResultModel,
    RunMetrics,
    RunSeconds,
    SeedFailure,
    SeedScores,
    SeedSpread,
    SplitParts,
    Trial,
    TrialRung,
    Tuning,
    TuningProgress,
    UnchangedRecipe,
    Verdict,
    read_finding,
)

REAL_STUDIES = Path(__file__).parents[1] / "assets" / "version-0.1"
DIGITS = tuple(str(digit) for digit in range(10))
Model = TypeVar("Model", bound=ResultModel)


def copy_real(name: str, folder: Path) -> Path:
    """Copy a real study or run of version 0.1 into `folder`, and return its path."""
    return Path(shutil.copytree(REAL_STUDIES / name, folder / name))


def write_finding(folder: Path, finding: Finding) -> Path:
    """Write a finding into a study folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finding.json").write_text(json.dumps(finding.as_json()), encoding="utf-8")
    return folder


def changed(model: Model, **changes: object) -> Model:
    """Return a validated copy of a model with other values in some fields."""
    return type(model).model_validate({**dict(model), **changes})


def rewrite(folder: Path, **changes: object) -> Path:
    """Change some fields of the finding in a study folder, and return the folder."""
    return write_finding(folder, changed(read_finding(folder), **changes))


@dataclass(frozen=True)
class Data:
    """The dataset of a built study."""

    name: str = "digits"
    class_names: Sequence[str] = DIGITS
    image_shape: tuple[int, int, int] = (8, 8, 1)
    images: int = 600
    has_test: bool = True
    warnings: tuple[str, ...] = ()

    def summary(self) -> DatasetSummary:
        classes = len(self.class_names)
        return DatasetSummary(
            name=self.name,
            source=self.name,
            options={"image_size": None},
            fingerprint="ab12" * 16,
            images=70_000,
            image_shape=self.image_shape,
            classes=classes,
            class_names=tuple(self.class_names),
            parts=SplitParts(
                train=_part(51_000, classes),
                validation=_part(9_000, classes),
                test=_part(10_000 if self.has_test else 0, classes),
            ),
            duplicates_removed=12,
            split_seed=0,
            split_fingerprint="cd34" * 16,
            warnings=self.warnings,
        )

    @property
    def part(self) -> str:
        return "test" if self.has_test else "validation"


def _part(images: int, classes: int) -> PartSummary:
    return PartSummary(images=images, per_class=(images // classes,) * classes)


@dataclass(frozen=True)
class Example:
    """A contender of a built comparison. Its accuracy decides its predictions."""

    name: str
    accuracy: float
    is_control: bool = False
    is_frozen: bool = False


TWO_AND_A_CONTROL = (
    Example("cnn", 0.962),
    Example("efficientnet-lite0", 0.921, is_frozen=True),
    Example("efficientnet-lite0 (random weights)", 0.71, is_control=True, is_frozen=True),
)


@dataclass(frozen=True)
class Built:
    """A built comparison: how many seeds, and who wins."""

    contenders: Sequence[Example] = TWO_AND_A_CONTROL
    data: Data = field(default_factory=Data)
    seeds: int = 3
    winner: str | None = "cnn"
    is_compared: bool = True
    is_equivalent: bool = False


def build_comparison(folder: Path, built: Built | None = None) -> Path:
    """Write the run folders and the finding of a comparison, and return the folder."""
    built = built or Built()
    data = built.data
    contenders: list[Contender] = []
    for place, example in enumerate(built.contenders):
        runs = [f"runs/contender{place}-seed{seed}" for seed in range(built.seeds)]
        metrics = [
            write_run(folder / run, example, data, seed=seed, noise=10 * place + seed)
            for seed, run in enumerate(runs)
        ]
        contenders.append(_contender(example, runs, metrics, data.part))

    verdict = _verdict(contenders, built) if built.is_compared else no_verdict()
    finding = Comparison(
        **common_fields("compare", data, built.seeds),
        contenders=tuple(contenders),
        failed=(),
        baselines=(
            _baseline("majority class", 0.1, data.images),
            _baseline("nearest neighbour on pixels", 0.84, data.images),
        ),
        verdict=verdict,
        robustness=robustness() if built.is_compared else None,
        slices=subgroups() if built.is_compared else None,
    )
    return write_finding(folder, finding)


def common_fields(study: str, data: Data, seeds: int) -> dict[str, object]:
    """Return the fields that the findings of all studies share."""
    return {
        "headstart": "0.2.0",
        "created": "2026-11-21T08:00:00+00:00",
        "command": f"headstart {study} {data.name} --time-limit 5m --out demo",
        "dataset": data.summary(),
        "report": "demo/report.html",
        "evaluated_on": data.part,
        "test_reads": 1 if data.has_test else 0,
        "budget": Budget(
            time_limit=300.0,
            seeds=tuple(range(seeds)),
            seconds_per_contender=100.0,
            seconds_spent=294.1,
        ),
    }


def write_run(
    folder: Path, example: Example, data: Data | None = None, *, seed: int = 0, noise: int = 0
) -> RunMetrics:
    """Write a run folder, and return its metrics.

    Args:
        folder: The run folder.
        example: The name and the accuracy.
        data: The dataset.
        seed: The seed of the run.
        noise: The seed of the predictions.
    """
    data = data or Data()
    rng = np.random.default_rng(noise)
    pixels, labels = _images(data)
    probabilities = _probabilities(labels, len(data.class_names), example.accuracy, rng)
    scores = _part_metrics(labels, probabilities, data)
    metrics = RunMetrics(
        model=example.name.split(" ")[0],
        command=f"headstart train {data.name}",
        seed=seed,
        epochs=6,
        steps=2400,
        recipe=_recipe(example),
        parameters=13_264,
        trainable_parameters=13_224,
        multiply_adds=198_048,
        seconds=RunSeconds(train=80.1 + seed, prepare=3.0, total=85.2 + seed),
        predict_ms_per_image=0.21,
        backbone=None,
        stop_reason="schedule done",
        validation=scores,
        test=scores if data.has_test else None,
        architecture=tuple(_backbone_layers() if example.is_frozen else _cnn_layers()),
    )

    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("metrics", metrics.as_json()),
        ("data", data.summary().as_json()),
        ("environment", {"headstart": "0.2.0", "torch": "2.15.0", "threads": 2}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    write_curves(folder, _curves(example.accuracy, rng))
    _write_predictions(folder, labels, probabilities, data)
    _write_gallery(folder, pixels, probabilities.argmax(1) == labels, rng)
    return metrics


def write_curves(folder: Path, rows: Sequence[Sequence[float]]) -> None:
    """Write `curves.csv`: epoch, seconds, learning rate, then loss and accuracy of both parts."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "curves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
        writer.writerow(["epoch", "seconds", "learning_rate", *names])
        writer.writerows(rows)


def _images(data: Data) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    labels = np.arange(data.images) % len(data.class_names)
    shape = (data.images, *data.image_shape)
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8), labels


def _probabilities(
    labels: NDArray[np.int64], classes: int, accuracy: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return probabilities that are correct in about `accuracy` of the cases.

    Neighbouring classes are confused most.
    """
    steps = rng.choice([1, -1, 3, 5], len(labels), p=[0.5, 0.25, 0.15, 0.1])
    is_correct = rng.random(len(labels)) < accuracy
    predicted = np.where(is_correct, labels, (labels + steps) % classes)
    weights = rng.dirichlet(np.full(classes, 0.15), len(labels)) * 0.35
    weights[np.arange(len(labels)), predicted] += rng.uniform(0.6, 3.0, len(labels))
    weights[np.arange(len(labels)), labels] += 0.2
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _part_metrics(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], data: Data
) -> PartMetrics:
    metrics = compute_metrics(labels, probabilities).as_json()
    return PartMetrics.model_validate({**metrics, "class_names": tuple(data.class_names)})


def _recipe(example: Example) -> dict[str, object]:
    return {
        "model": example.name,
        "optimizer": "adamw" if example.is_frozen else "sgd",
        "lr": 0.001 if example.is_frozen else 0.05,
        "batch": 128,
        "augmentation": {"flip": False, "shift": 0.1},
    }


def _curves(accuracy: float, rng: np.random.Generator) -> list[list[float]]:
    rows: list[list[float]] = []
    for epoch in range(1, 7):
        remaining = float(np.exp(-epoch / 1.7))
        now = accuracy - 0.5 * remaining + rng.normal(0, 0.006)
        loss = 0.2 + 1.8 * remaining + rng.normal(0, 0.02)
        rows.append([epoch, 13 * epoch, 0.001, 1.15 * loss, now - 0.02, loss, now])
    return rows


def _write_predictions(
    folder: Path, labels: NDArray[np.int64], probabilities: NDArray[np.float64], data: Data
) -> None:
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["index", "image", "part", "label", "predicted", "correct", *data.class_names]
        )
        for index, row in enumerate(probabilities.round(5).tolist()):
            label = data.class_names[int(labels[index])]
            predicted = data.class_names[int(np.argmax(row))]
            name = f"{data.part}-{index:05d}"
            correct = int(label == predicted)
            writer.writerow([index, name, data.part, label, predicted, correct, *row])


def _write_gallery(
    folder: Path, pixels: NDArray[np.uint8], correct: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    right, wrong = (rng.permutation(np.flatnonzero(flags))[:9] for flags in (correct, ~correct))
    images = pixels[np.concatenate([right, wrong])]
    np.savez(folder / "gallery.npz", right=right, wrong=wrong, images=images)


def _layer(
    name: str, kind: str, shape: tuple[int, ...], parameters: int, **more: object
) -> LayerSummary:
    values = {"trainable": True, "multiply_adds": 100 * parameters, **more}
    return LayerSummary.model_validate(
        {"name": name, "kind": kind, "output_shape": shape, "parameters": parameters, **values}
    )


def _cnn_layers() -> list[LayerSummary]:
    return [
        _layer("whitening", "Conv2d", (8, 7, 7), 40, trainable=False),
        _layer("act", "ReLU", (8, 7, 7), 0),
        _layer("blocks.0.conv1", "Conv2d", (32, 7, 7), 2304),
        _layer("blocks.0.norm1", "BatchNorm2d", (32, 3, 3), 64),
        _layer("head", "Linear", (10,), 640),
    ]


def _backbone_layers() -> list[LayerSummary]:
    """Return something like EfficientNet-Lite0: a stem, seven stages of blocks, and a head."""
    layers = [_layer("backbone.conv_stem", "Conv2d", (32, 48, 48), 864, trainable=False)]
    for stage, channels in enumerate((16, 24, 40, 80, 112, 192, 320)):
        for part in ("conv_pw", "conv_dw", "conv_pwl"):
            name = f"backbone.blocks.{stage}.0.{part}"
            shape = (channels, 48 >> stage, 48 >> stage)
            layers.append(_layer(name, "Conv2d", shape, 110 * channels, trainable=False))
    return [*layers, _layer("head", "Linear", (10,), 12_810)]


def _contender(
    example: Example, runs: Sequence[str], metrics: Sequence[RunMetrics], part: str
) -> Contender:
    first = metrics[0]
    scores = [run.part(part) for run in metrics]
    per_seed = tuple(score.accuracy for score in scores if score is not None)
    mean, n = float(np.mean(per_seed)), scores[0].n if scores[0] is not None else 0
    score = ContenderScores(
        accuracy=mean,
        interval=wilson_interval(round(mean * n), n),
        n=n,
        loss=0.25,
        macro_f1=mean - 0.01,
        per_seed=per_seed,
    )
    return Contender(
        name=example.name,
        role="control" if example.is_control else "contender",
        model=first.model,
        recipe=first.recipe,
        recipe_digest="9f" * 32,
        parameters=first.parameters * (250 if example.is_frozen else 1),
        trainable_parameters=first.trainable_parameters,
        multiply_adds=first.multiply_adds,
        epochs=(6,) * len(runs),
        seconds=first.seconds,
        predict_ms_per_image=0.21,
        test=score if part == "test" else None,
        validation=score,
        runs=tuple(runs),
        representative_run=runs[0],
        seeds=tuple(range(len(runs))),
        warnings=(),
    )


def _baseline(name: str, accuracy: float, images: int) -> BaselineScore:
    interval = wilson_interval(round(accuracy * images), images)
    return BaselineScore(
        name=name, accuracy=accuracy, n=images, note="against 100 images", interval=interval
    )


def _verdict(contenders: Sequence[Contender], built: Built) -> Verdict:
    ranked = [contender for contender in contenders if contender.role == "contender"]
    ranked.sort(key=lambda contender: -_accuracy(contender, built.data.part))
    pairs: list[ContenderPair] = []
    for place, better in enumerate(ranked):
        for worse in ranked[place + 1 :]:
            pairs.append(_pair(better, worse, built))
    first = pairs[0]
    sentence = f"{built.winner} is better than {first.b} by some points of accuracy."
    outcome = "better"
    if built.winner is None:
        sentence = "The difference is not significant."
        outcome = "undecided"
    if built.is_equivalent:
        sentence = "All contenders are equivalent."
        outcome = "equivalent"
    return Verdict(
        outcome=outcome,
        equivalence_margin=0.05,
        equivalent_to_best=tuple(pair.b for pair in pairs if pair.outcome == "equivalent"),
        winner=built.winner,
        difference=first.difference,
        interval=first.interval,
        p_value=first.p_adjusted,
        smallest_detectable=0.018,
        sentence=sentence,
        about="recipes",
        pairs=tuple(pairs),
        notes=(),
    )


def _accuracy(contender: Contender, part: str) -> float:
    scores = contender.part(part)
    return 0.0 if scores is None else scores.accuracy


def _pair(better: Contender, worse: Contender, built: Built) -> ContenderPair:
    part, is_significant = built.data.part, built.winner is not None
    difference = _accuracy(better, part) - _accuracy(worse, part)
    half_width = 0.6 * difference if is_significant else difference + 0.01
    if built.is_equivalent:
        difference, half_width = 0.004, 0.02
    interval = (difference - half_width, difference + half_width)
    outcome = "better" if is_significant else "undecided"
    return ContenderPair(
        outcome="equivalent" if built.is_equivalent else outcome,
        equivalence_interval=(difference - 0.84 * half_width, difference + 0.84 * half_width),
        p_equivalent=0.01 if built.is_equivalent else 0.6,
        image_share=0.4,
        a=better.name,
        b=worse.name,
        difference=difference,
        interval=interval,
        p_value=1e-5 if is_significant else 0.4,
        p_adjusted=3e-5 if is_significant else 0.8,
        smallest_detectable=0.018,
        mcnemar=(McNemarTest(only_a=31, only_b=9, p_value=7e-4),),
        bootstrap=interval,
    )


def no_verdict() -> Verdict:
    return Verdict(
        winner=None,
        difference=None,
        interval=None,
        p_value=None,
        smallest_detectable=None,
        sentence="No verdict: the split has no test images.",
        about="recipes",
        pairs=(),
        notes=(),
    )


def _spread(mean: float, half_width: float = 0.006, seeds: int = 3) -> SeedSpread:
    offsets = np.linspace(-0.6, 0.6, seeds) if seeds > 1 else np.zeros(1)
    per_seed = tuple((mean + half_width * offsets).tolist())
    return SeedSpread(mean=mean, low=mean - half_width, high=mean + half_width, per_seed=per_seed)


def build_learning_rates(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write a learning-rate study in which 0.003 is best and 0.001 is not shown to be worse.

    The first seed of 0.03 and all seeds of 0.1 diverge, so training diverges from 0.03 on.
    """
    data = data or Data()
    rates: list[LearningRateResult] = []
    for place, lr in enumerate((1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)):
        diverged = {0.1: tuple(range(seeds)), 0.03: (0,)}.get(lr, ())
        accuracy = 0.96 - 0.09 * abs(float(np.log10(lr)) + 2.6) ** 2
        finished = [seed for seed in range(seeds) if seed not in diverged]
        for seed in finished:
            run = folder / f"runs/lr-{lr:g}-seed{seed}"
            write_run(run, Example("mlp", accuracy), data, seed=seed, noise=10 * place + seed)
        scores = None
        if finished:
            spread = _spread(accuracy, seeds=len(finished))
            scores = SeedScores(accuracy=spread, loss=_spread(3.2 * (1 - accuracy), 0.02))
        rates.append(
            LearningRateResult(
                lr=lr,
                validation=scores,
                test=scores if data.has_test else None,
                runs=tuple(f"runs/lr-{lr:g}-seed{seed}" for seed in finished),
                failures=tuple(
                    SeedFailure(seed=seed, message="the loss became <infinite>.")
                    for seed in diverged
                ),
                diverged_seeds=diverged,
                is_best=lr == 0.003,
                as_good=lr in (0.001, 0.003),
                difference=None if lr in (0.003, 0.1) else _difference(accuracy - 0.9576),
            )
        )
    finding = LearningRates(
        **common_fields("lr", data, seeds),
        seeds=tuple(range(seeds)),
        model="mlp",
        epochs=6.0,
        optimizer="adam",
        rates=tuple(rates),
        best=0.003,
        good=LearningRateRange(low=0.001, high=0.003, decades=0.48),
        diverges_from=0.03,
        range_test=_range_tests(),
        sentence="0.003 is the best of seven learning rates.",
        notes=("1 of 3 seeds at 0.03 <diverged>.",),
    )
    return write_finding(folder, finding)


def _difference(difference: float) -> Difference:
    return Difference(
        difference=difference,
        interval=(difference - 0.005, difference + 0.005),
        p_adjusted=0.002 if abs(difference) > 0.005 else 0.6,
    )


def _range_tests() -> RangeTests:
    rates = np.geomspace(1e-5, 1, 60)
    losses = 2.3 - 1.9 / (1 + (2e-3 / rates) ** 1.5)
    losses += np.where(rates > 0.05, 0.3 * (rates / 0.05) ** 2, 0)
    repeats = tuple(
        RangeTestCurve(
            rates=tuple(rates.tolist()),
            losses=tuple((losses + 0.03 * repeat).tolist()),
            steepest=0.002,
            minimum=0.03,
        )
        for repeat in range(3)
    )
    return RangeTests(
        repeats=repeats,
        suggested=0.002,
        agrees=True,
        beyond_grid=False,
        sentence="A range test suggests 0.002, which is not shown to be worse.",
    )


def build_effects(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write an effects study with all outcomes; one change reduces the model to guessing."""
    data = data or Data()
    results = (
        ("dropout", 0.2, 0.0, "helps", 0.012),
        ("dropout", 0.5, 0.0, "hurts", -0.031),
        ("nodes", 32, 128, "hurts", -0.02),
        ("nodes", 512, 128, "helps", 0.015),
        ("activation", "tanh", "relu", "undecided", -0.001),
        ("activation", "gelu", "relu", "undecided", 0.002),
        ("optimizer", "momentum", "adam", "hurts", -0.31),
        ("optimizer", "rmsprop", "adam", "failed", None),
    )
    effects: list[EffectResult] = []
    for place, (name, value, baseline_value, outcome, difference) in enumerate(results):
        runs = [f"runs/{name}-{value}-seed{seed}" for seed in range(seeds)]
        if difference is None:
            runs = []
        for seed, run in enumerate(runs):
            accuracy = 0.94 + (difference or 0.0)
            write_run(folder / run, Example("mlp", accuracy), data, noise=10 * place + seed)
        has_runs = difference is not None
        measured = _difference(difference or 0.0)
        effects.append(
            EffectResult(
                hyperparameter=name,
                value=value,
                label=f"{name} {value}",
                baseline_value=baseline_value,
                accuracy=_spread(0.94 + (difference or 0.0), seeds=seeds) if has_runs else None,
                loss=_spread(0.2, 0.02) if has_runs else None,
                difference=difference,
                interval=measured.interval if has_runs else None,
                p_adjusted=measured.p_adjusted if has_runs else None,
                smallest_detectable=0.006 if has_runs else None,
                outcome=outcome,
                runs=tuple(runs),
                failures=() if has_runs else ("seed 0: the loss became <infinite>.",),
                fit=_fit("fits well: training 95.0%, validation 94.0%") if has_runs else None,
            )
        )
    baseline_runs = [f"runs/baseline-seed{seed}" for seed in range(seeds)]
    for seed, run in enumerate(baseline_runs):
        write_run(folder / run, Example("mlp", 0.94), data, seed=seed, noise=seed)
    finding = Effects(
        **common_fields("effects", data, seeds),
        seeds=tuple(range(seeds)),
        model="mlp",
        epochs=6.0,
        baseline=UnchangedRecipe(
            recipe={"lr": 0.001, "dropout": 0.0, "nodes": 128},
            accuracy=_spread(0.94, seeds=seeds),
            loss=_spread(0.2, 0.02),
            runs=tuple(baseline_runs),
            fit=_fit("overfits (variance): training 98.0%, validation 94.0%"),
        ),
        effects=tuple(effects),
        sentence="2 of 8 changes help mlp on digits, 3 hurt.",
        notes=("optimizer rmsprop failed at every seed.",),
    )
    return write_finding(folder, finding)


def _fit(summary: str) -> FitDiagnosis:
    return FitDiagnosis(summary=summary, train_accuracy=0.98, validation_accuracy=0.94, gap=0.04)


def build_labels(folder: Path, data: Data | None = None, *, seeds: int = 3) -> Path:
    """Write a label study in which 10 labels per class with a backbone are worth 63 with cnn.

    The accuracy is linear in the logarithm of the labels. The curves cross at 215 labels per class.
    """
    data = data or Data(images=200)
    counts = (10, 30, 100, 300, 1000)
    lines = {"cnn": (0.10, 0.25), "efficientnet-lite0": (0.45, 0.10)}
    contenders: list[LabelContender] = []
    for place, (name, (start, slope)) in enumerate(lines.items()):
        points: list[LabelPoint] = []
        for per_class in counts:
            accuracy = start + slope * float(np.log10(per_class))
            runs = tuple(f"runs/{place}-{per_class}-seed{seed}" for seed in range(seeds))
            points.append(
                LabelPoint(
                    per_class=per_class,
                    labels=10 * per_class,
                    accuracy=_spread(accuracy, 0.02, seeds),
                    loss=None,
                    epochs=40.0,
                    seconds=0.2 * per_class,
                    runs=runs,
                    failures=(),
                )
            )
        for seed, run in enumerate(points[-1].runs):
            write_run(folder / run, Example(name, accuracy), data, noise=10 * place + seed)
        contenders.append(LabelContender(name=name, model=name, points=tuple(points)))

    gaps = [0.35 - 0.15 * float(np.log10(per_class)) for per_class in counts]
    differences = tuple(
        LabelDifference(
            per_class=per_class,
            difference=gap,
            interval=(gap - 0.02, gap + 0.02),
            p_adjusted=0.001 if abs(gap) > 0.03 else 0.4,
            is_significant=abs(gap) > 0.03,
        )
        for per_class, gap in zip(counts, gaps, strict=True)
    )
    comparison = LabelComparison(
        a="efficientnet-lite0",
        b="cnn",
        leader="efficientnet-lite0",
        follower="cnn",
        differences=differences,
        crossing=LabelEstimate(per_class=215.0, where="inside", interval=(180.0, 260.0)),
        matches=(
            _match(10, 0.55, 63.1),
            _match(30, 0.598, 98.2),
            _match(100, 0.65, None),
        ),
        match=0,
        sentence="cnn needs 6.3 times as many labels.",
    )
    finding = LabelCurves(
        **common_fields("labels", data, seeds),
        seeds=tuple(range(seeds)),
        classes=10,
        contenders=tuple(contenders),
        per_class=counts,
        compared_with="cnn",
        comparisons=(comparison,),
        main=0,
        sentence="With few labels efficientnet-lite0 is better.",
        notes=("Left out: 3,000 labels per class.",),
    )
    return write_finding(folder, finding)


def _match(per_class: int, accuracy: float, needs: float | None) -> LabelMatch:
    if needs is None:
        estimate = LabelEstimate(per_class=None, where="above", interval=(None, None))
        return LabelMatch(
            per_class=per_class,
            accuracy=accuracy,
            needs=estimate,
            factor=None,
            factor_interval=(None, None),
        )
    factor = needs / per_class
    return LabelMatch(
        per_class=per_class,
        accuracy=accuracy,
        needs=LabelEstimate(per_class=needs, where="inside", interval=(0.8 * needs, 1.2 * needs)),
        factor=factor,
        factor_interval=(0.8 * factor, 1.2 * factor),
    )


def build_backbones(folder: Path, data: Data | None = None) -> Path:
    """Write a backbone study in which the fastest is worse and the middle one is recommended."""
    data = replace(data or Data(), has_test=False)
    results = ((64, 0.70, 900.0), (96, 0.90, 420.0), (128, 0.905, 130.0))
    candidates = tuple(
        BackboneCandidate(
            name=f"efficientnet-lite0@{input_px}",
            model="efficientnet-lite0",
            input_px=input_px,
            features=1280,
            accuracy=accuracy,
            interval=wilson_interval(round(400 * accuracy), 400),
            loss=1 - accuracy,
            l2=0.01,
            images_per_second=speed,
            is_best=input_px == 128,
            as_good=input_px > 64,
            is_recommended=input_px == 96,
            difference=None if input_px == 128 else _difference(accuracy - 0.905),
        )
        for input_px, accuracy, speed in results
    )
    finding = BackboneRanking(
        **{**common_fields("backbones", data, 1), "evaluated_on": "train", "test_reads": 0},
        images=400,
        candidates=candidates,
        best="efficientnet-lite0@128",
        recommended=RecommendedBackbone(model="efficientnet-lite0", input_px=96),
        sentence="efficientnet-lite0 at 96 pixels is recommended.",
        notes=("The time limit allowed 400 images.",),
    )
    return write_finding(folder, finding)


SPACE: JsonObject = {
    "lr": {"low": 1e-4, "high": 0.1, "log": True},
    "layers": {"low": 1, "high": 4, "log": False},
    "nodes": [32, 64, 128, 256, 512],
    "activation": ["relu", "tanh", "gelu"],
}
DEFAULTS: JsonObject = {"lr": 0.001, "layers": 2, "nodes": 128, "activation": "relu"}
RUNGS = (2.0, 5.0, 16.0)


def build_search(folder: Path, data: Data | None = None, *, seeds: int = 2) -> Path:
    """Write a search of 24 trials, of which two failed, one is unfinished and one is a tie."""
    contenders = (Example("tuned", 0.968), Example("defaults", 0.951))
    built = Built(contenders, data or Data(), seeds, winner="tuned")
    build_comparison(folder, built)
    comparison = read_finding(folder)
    assert isinstance(comparison, Comparison)

    trials = _trials()
    best = next(trial for trial in trials if trial.is_best)
    scores = comparison.contenders[0].test
    shared = {name: getattr(comparison, name) for name in ContenderFinding.model_fields}
    finding = Tuning.model_validate(
        {
            **shared,
            "study": "tune",
            "baselines": (),
            "model": "mlp",
            "best": best.values,
            "defaults": DEFAULTS,
            "run": comparison.contenders[0].runs[0],
            "validation": {"accuracy": 0.971, "loss": 0.2},
            "test": scores,
            "optimism": {
                "best_validation": 0.971,
                "test": 0.968,
                "gap": 0.003,
                "interval": [-0.012, 0.018],
            },
            "trials": trials,
            "history": _history(trials),
            "importance": {"lr": 0.61, "nodes": 0.2, "layers": 0.12, "activation": 0.07},
            "space": SPACE,
            "rungs": [
                {"epochs": epochs, "trials": sum(len(trial.rungs) > rung for trial in trials)}
                for rung, epochs in enumerate(RUNGS)
            ],
            "seconds": {"total": 294.1, "search": 201.0, "final": 93.1},
            "sentences": ["The best of 24 trials.", "The optimism is 0.3 points."],
        }
    )
    return write_finding(folder, finding)


def _trials() -> list[Trial]:
    """Return 24 trials. Trial 0 has the defaults, 5 and 9 failed, and 23 is unfinished."""
    rng = np.random.default_rng(5)
    trials: list[Trial] = []
    for number in range(24):
        values: JsonObject = {
            "lr": float(10 ** rng.uniform(-4, -1)),
            "layers": int(rng.integers(1, 5)),
            "nodes": int(rng.choice([32, 64, 128, 256, 512])),
            "activation": str(rng.choice(["relu", "tanh", "gelu"])),
        }
        reason = {5: "not finite", 9: "memory"}.get(number)
        rungs = 0 if reason else 1 + number % 3
        state = "unfinished" if number == 23 else "done"
        trials.append(
            Trial(
                number=number,
                values=DEFAULTS if number == 0 else values,
                state="failed" if reason else state,
                reason=reason,
                message="infinite at step 40 <b>" if reason == "not finite" else "",
                rungs=tuple(_rung(number, rung) for rung in range(rungs)),
                is_tie=number in (2, 8),
                is_best=number == 2,
                is_default=number == 0,
            )
        )
    return trials


def _rung(number: int, rung: int) -> TrialRung:
    # Trials 2, 5, 8, ... reach the last rung; the loss rises with the number.
    loss = 0.1 + 0.01 * number + 0.3 / (rung + 1)
    return TrialRung(
        epochs=RUNGS[rung],
        loss=loss,
        accuracy=max(0.1, 0.99 - loss / 4),
        seconds=2.0 * RUNGS[rung],
        run=f"runs/trial-{number:04d}-rung{rung}",
    )


def _history(trials: Sequence[Trial]) -> list[TuningProgress]:
    history: list[TuningProgress] = []
    seconds, accuracy, loss = 0.0, 0.0, 9.0
    for rung in range(len(RUNGS)):
        for trial in trials:
            if len(trial.rungs) <= rung:
                continue
            reached = trial.rungs[rung]
            seconds += reached.seconds
            accuracy, loss = max(accuracy, reached.accuracy), min(loss, reached.loss)
            history.append(
                TuningProgress(
                    seconds=seconds,
                    epochs=reached.epochs,
                    best_validation=accuracy,
                    best_loss=loss,
                    trial=trial.number,
                )
            )
    return history
