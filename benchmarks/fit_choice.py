"""How much evidence should `fit` ask of a run that was not cross-validated?

    python benchmarks/fit_choice.py

A frozen head has true accuracy 85%. One or two rivals differ from it by a normally distributed
amount. All of them classify a few validation images, and errors are correlated. A rival is chosen
if it passes McNemar's exact test at a one-sided level. Printed is the mean regret: how many points
the chosen one is below the truly best, over 4,000 simulated studies.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, norm

LEVELS = (0.0125, 0.025, 0.05, 0.1, 0.16, 0.25, 0.5)
IMAGES = (20, 37, 60, 120, 180)
# Rivals minus head, in points: mean and standard deviation. Among the data of benchmarks/fit.md, a
# cnn is 20 points below to 7 above, and fine-tuning 3 below to 7 above.
DIFFERENCES = ((-5.0, 10.0), (0.0, 3.0), (0.0, 0.5))
HEAD, CORRELATION, STUDIES = 0.85, 0.6, 4000


def main() -> None:
    print("| images | rivals minus head | rivals | " + " | ".join(map(str, LEVELS)) + " | best |")
    print("|---|---|---|" + "---|" * (len(LEVELS) + 1))
    for mean, spread in DIFFERENCES:
        for rivals in (1, 2, 5):
            for images in IMAGES:
                regrets = simulate(images, mean, spread, rivals)
                cells = " | ".join(f"{regret:.2f}" for regret in regrets)
                best = LEVELS[int(np.argmin(regrets))]
                print(f"| {images} | {mean:g} ± {spread:g} | {rivals} | {cells} | {best} |")


def simulate(images: int, mean: float, spread: float, rivals: int) -> list[float]:
    """Return the mean regret in points for each level."""
    generator = np.random.default_rng(images + 1000 * rivals)
    regrets: list[list[float]] = [[] for _ in LEVELS]
    for _ in range(STUDIES):
        gains = generator.normal(mean, spread, rivals) / 100
        accuracy = np.clip(np.append(HEAD, HEAD + gains), 0.05, 0.995)
        shared = generator.normal(size=(images, 1)) * np.sqrt(CORRELATION)
        own = generator.normal(size=(images, rivals + 1)) * np.sqrt(1 - CORRELATION)
        is_correct = shared + own < norm.ppf(accuracy)
        candidate = 1 + int(is_correct[:, 1:].sum(axis=0).argmax())
        wins = int((is_correct[:, candidate] & ~is_correct[:, 0]).sum())
        losses = int((is_correct[:, 0] & ~is_correct[:, candidate]).sum())
        p_value = float(binom.sf(wins - 1, wins + losses, 0.5)) if wins > losses else 1.0
        for level, values in zip(LEVELS, regrets, strict=True):
            chosen = candidate if p_value <= level else 0
            values.append(100 * float(accuracy.max() - accuracy[chosen]))
    return [float(np.mean(values)) for values in regrets]


if __name__ == "__main__":
    main()
