"""A comparison that is built from the models, for the tests of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from examples import Data, Example, common_fields, write_finding, write_run
from robustness_examples import robustness, subgroups

from headstart.evaluation import wilson_interval
from headstart.results import (
    BaselineScore,
    Comparison,
    Contender,
    ContenderPair,
    ContenderScores,
    McNemarTest,
    RunMetrics,
    Verdict,
)

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
