"""Examples of what a verdict depends on, for the tests of reports."""

from __future__ import annotations

from headstart.results import Robustness, RobustnessCheck, SliceDifference, Slices


def check(name: str, *, subject: str = "", images: int = 12, holds: bool = True) -> RobustnessCheck:
    return RobustnessCheck.model_validate(
        {
            "name": name,
            "subject": subject,
            "images": images,
            "holds": holds,
            "is_strong": holds,
            "outcome": "better" if holds else "undecided",
            "winner": "cnn" if holds else None,
            "difference": 0.021,
            "interval": (-0.004, 0.046),
            "p_value": 0.09,
        }
    )


def robustness(class_name: str = "4") -> Robustness:
    return Robustness(
        is_robust=False,
        is_strong=True,
        checks=(
            check("near copies", images=1),
            check("without suspects"),
            check("corrected labels", images=3, holds=False),
            check("class", subject=class_name),
        ),
        not_checked=("No group was left out, because no groups are known. See --group-by.",),
        labels_to_overturn=9,
        sentence="Not robust: cnn is not significantly better with 3 suspected labels corrected.",
    )


def subgroups(count: int = 1, name: str = "4") -> Slices:
    item = SliceDifference(
        kind="class",
        name=name,
        images=60,
        accuracy_a=0.95,
        accuracy_b=0.75,
        difference=0.2,
        outside=-0.01,
        p_adjusted=0.003,
    )
    return Slices(
        a="cnn",
        b="mlp",
        difference=0.01,
        tested=18,
        kinds=("class", "brightness"),
        smallest=20,
        significant=(item,) * count,
        sentence="The difference between cnn and mlp is +1.0 points overall.",
    )
