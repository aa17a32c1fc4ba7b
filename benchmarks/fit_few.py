"""Should `fit` cross-validate classes of 3 or 4 images, or select on validation images?

    python benchmarks/fit_few.py DATA [--draws N]

Of each class, a few images are drawn. Four frozen heads are the candidates. One is selected on a
stratified validation part of 15%, another by folds of the training and validation images. The
accuracy of their last fit, on both, is measured on all images that were not drawn. Printed is the
mean regret: how many points it is below the best of the four.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from headstart.data import SplitDataset, load, make_split
from headstart.features import compute_features
from headstart.models.recipes import make_recipe

CANDIDATES = (
    ("efficientnet-lite0", 64),
    ("efficientnet-lite0", 128),
    ("efficientnet-lite1", 96),
    ("efficientnet-lite2", 160),
)
SHARE = 0.15 / 0.85  # of the training and validation images; 15% are test images
Array = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("data")
    options = parser.parse_args()
    dataset = load(options.data)
    data = SplitDataset(dataset, make_split(dataset, train_images=400))
    features = []
    for model, px in CANDIDATES:
        recipe = make_recipe(model, {"input_px": px})
        found = compute_features(recipe, data, 0, px)
        features.append(np.asarray(found.values[found.places], np.float32))
    labels = dataset.labels[found.rows]

    print("| images per class | folds | validation part | folds | standard error of the gain |")
    print("|---|---|---|---|---|")
    for per_class in (3, 4, 5, 8):
        folds = min(per_class, 5)
        regrets = [regret(features, labels, per_class, folds, n) for n in range(options.draws)]
        part, crossed = np.mean(regrets, axis=0)
        gains = np.subtract(*np.transpose(regrets))
        error = float(np.std(gains, ddof=1) / len(gains) ** 0.5)
        print(f"| {per_class} | {folds} | {part:.2f} | {crossed:.2f} | {error:.2f} |")


def regret(
    features: list[Array], labels: NDArray[np.int64], per_class: int, folds: int, seed: int
) -> tuple[float, float]:
    """Return the points lost by a validation part, and by folds, for one draw of images."""
    rng = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            rng.permutation(np.flatnonzero(labels == label))[:per_class]
            for label in np.unique(labels)
        ]
    )
    others = np.setdiff1d(np.arange(len(labels)), drawn)
    part = stratified_part(drawn, labels, round(SHARE * len(drawn)), rng)
    train = np.setdiff1d(drawn, part)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    accuracies, by_part, by_folds = [], [], []
    for values in features:
        accuracies.append(accuracy(values, labels, drawn, others))
        by_part.append(accuracy(values, labels, train, part))
        correct = [
            accuracy(values, labels, drawn[rest], drawn[fold]) * len(fold)
            for rest, fold in splitter.split(drawn, labels[drawn])
        ]
        by_folds.append(sum(correct))
    best = max(accuracies)
    losses = [best - accuracies[int(np.argmax(scores))] for scores in (by_part, by_folds)]
    return 100 * losses[0], 100 * losses[1]


def stratified_part(
    drawn: NDArray[np.int64], labels: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return images of a validation part: equally many of each class, and one more of some."""
    classes = rng.permutation(np.unique(labels))
    part = []
    for place, label in enumerate(classes):
        count = size // len(classes) + int(place < size % len(classes))
        part.append(rng.permutation(drawn[labels[drawn] == label])[:count])
    return np.concatenate(part)


def accuracy(
    values: Array, labels: NDArray[np.int64], train: NDArray[np.int64], test: NDArray[np.int64]
) -> float:
    """Return the accuracy of a linear head on test images."""
    scaler = StandardScaler().fit(values[train])
    head = LogisticRegression(C=0.01, max_iter=100).fit(
        scaler.transform(values[train]), labels[train]
    )
    return float(head.score(scaler.transform(values[test]), labels[test]))


if __name__ == "__main__":
    main()
