"""Draw the wrong labels of MNIST's test set that docs/audit.md shows.

        python benchmarks/audit_figures.py votes.json docs/images/mnist-wrong-labels.png

The file holds human votes about MNIST's test images, as published with the paper of Northcutt et
al. (2021), "Pervasive label errors in test sets".
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from headstart import store
from headstart.data import TEST, load
from headstart.report.figures._canvas import drawing_style, figure_bytes, new_figure

COLUMNS, WIDTH, HEIGHT = 5, 6.4, 3.2
MOST = 3  # of five votes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("votes", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()

    dataset = load("mnist")
    test_images = dataset.images[np.flatnonzero(dataset.parts == TEST)]
    errors = clear_errors(json.loads(options.votes.read_text(encoding="utf-8")))
    with drawing_style():
        figure = new_figure(WIDTH, HEIGHT)
        grid = figure.subplots(-(-len(errors) // COLUMNS), COLUMNS)
        for axes, error in zip(np.ravel(grid), errors, strict=True):
            axes.imshow(test_images[error["id"], :, :, 0], cmap="gray_r")
            axes.set_axis_off()
            votes = error["mturk"]["guessed"]
            label, people = error["given_original_label"], error["our_guessed_label"]
            axes.set_title(f"label {label}; {votes} of 5\npeople see a {people}", fontsize=8)
        store.write_bytes(options.picture, figure_bytes(figure, "png"))
    print(options.picture)


def clear_errors(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the images that most people saw as one other class, by their number."""
    errors = []
    for image in images:
        is_other = image["our_guessed_label"] != image["given_original_label"]
        if is_other and image["mturk"]["guessed"] >= MOST:
            errors.append(image)
    return sorted(errors, key=lambda image: image["id"])


if __name__ == "__main__":
    main()
