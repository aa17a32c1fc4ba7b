"""Measure whether the check of mirror copies decides rightly, on drawn and on real images.

    python benchmarks/augmentation.py drawn --seeds 3
    python benchmarks/augmentation.py real

`drawn` makes images whose classes are, or are not, mirror images of each other, at three levels of
noise. `real` reads named datasets, and those of HEADSTART_DATA. Both print Markdown tables, and
augmentation.md holds the results.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.features._mirroring import measure_mirroring

SIZE = 32
SCALE = 4  # drawn larger and reduced, for smooth edges
Canvas = ImageDraw.ImageDraw
Draw = Callable[[Canvas, int, np.random.Generator], None]
NOISE = {"clean": 0.0, "noisy": 0.15, "very noisy": 0.35}

ARROW = [(-1, -0.25), (0.2, -0.25), (0.2, -0.7), (1, 0), (0.2, 0.7), (0.2, 0.25), (-1, 0.25)]
HAND = [
    *((-0.5, 1), (-0.6, 0), (-0.95, -0.4), (-0.8, -0.55), (-0.5, -0.3), (-0.45, -0.9)),
    *((-0.25, -0.9), (-0.2, -0.3), (-0.1, -1), (0.1, -1), (0.15, -0.3), (0.3, -0.9)),
    *((0.45, -0.85), (0.4, -0.2), (0.65, -0.6), (0.8, -0.5), (0.6, 0.2), (0.5, 1)),
]
HOOK = [(-0.3, -1), (0.1, -1), (0.1, 0.6), (0.8, 0.6), (0.8, 1), (-0.3, 1)]


def polygon(canvas: Canvas, points: list[tuple[float, float]], *, width: float = 0.62) -> None:
    """Draw a filled polygon; coordinates go from -1 to 1 over the drawn part of the image."""
    middle = SIZE * SCALE / 2
    canvas.polygon([(middle * (1 + width * x), middle * (1 + width * y)) for x, y in points], 255)


def disc(canvas: Canvas, x: float, y: float, radius: float, fill: int = 255) -> None:
    """Draw a filled circle, in the coordinates of `polygon`."""
    middle = SIZE * SCALE / 2
    box = [middle * (1 + 0.62 * (value + sign * radius)) for sign in (-1, 1) for value in (x, y)]
    canvas.ellipse(box, fill=fill)


def turned(points: list[tuple[float, float]], quarter: int) -> list[tuple[float, float]]:
    for _ in range(quarter):
        points = [(-y, x) for x, y in points]
    return points


def mirrored(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(-x, y) for x, y in points]


def letters(names: str) -> Draw:
    font = ImageFont.load_default(SIZE * SCALE * 0.7)

    def draw(canvas: Canvas, label: int, _: np.random.Generator) -> None:
        middle = SIZE * SCALE / 2
        canvas.text((middle, middle), names[label], 255, font, anchor="mm")

    return draw


def arrows(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    polygon(canvas, turned(ARROW, label))


def left_right(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    polygon(canvas, turned(ARROW, 2 * label))


def hands(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    polygon(canvas, mirrored(HAND) if label else HAND)


def hooks(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    polygon(canvas, mirrored(HOOK) if label else HOOK)


def road_signs(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    """Eight signs, of which two are mirror images: turn left, turn right."""
    disc(canvas, 0, 0, 1.0, 110)
    shapes: list[Callable[[], None]] = [
        lambda: polygon(canvas, turned(ARROW, 2), width=0.45),
        lambda: polygon(canvas, ARROW, width=0.45),
        lambda: polygon(canvas, turned(ARROW, 3), width=0.45),
        lambda: polygon(canvas, [(-0.8, -0.2), (0.8, -0.2), (0.8, 0.2), (-0.8, 0.2)]),
        lambda: polygon(canvas, [(0, -0.7), (0.7, 0.6), (-0.7, 0.6)]),
        lambda: polygon(canvas, [(0, -0.7), (0.7, 0), (0, 0.7), (-0.7, 0)]),
        lambda: disc(canvas, 0, 0, 0.5),
        lambda: polygon(canvas, [(-0.2, -0.8), (0.2, -0.8), (0.2, 0.8), (-0.2, 0.8)]),
    ]
    shapes[label]()


def two_and_five(canvas: Canvas, label: int, rng: np.random.Generator) -> None:
    """Draw angular digits whose mirror images are nearly each other."""
    corner = 0.25 * rng.random()
    points = [(-0.6, -1), (0.6, -1), (0.6, corner), (-0.2, corner), (-0.2, 0.6), (0.6, 0.6)]
    points += [(0.6, 1), (-0.6, 1), (-0.6, corner - 0.4), (0.2, corner - 0.4), (0.2, -0.6)]
    points += [(-0.6, -0.6)]
    polygon(canvas, mirrored(points) if label else points)


def animals(canvas: Canvas, label: int, rng: np.random.Generator) -> None:
    """A body with a head on either side; pointed ears for one class, hanging ones for the other."""
    side = rng.choice([-1, 1])
    polygon(canvas, [(side * x, y) for x, y in [(-0.9, 0.1), (0.4, 0.1), (0.4, 0.9), (-0.9, 0.9)]])
    disc(canvas, side * 0.5, -0.2, 0.45)
    pointed, hanging = [(0.15, -0.4), (0.25, -1.0), (0.5, -0.6)], [(0.05, -0.3), (0, 0.5), (0.3, 0)]
    polygon(canvas, [(side * x, y) for x, y in (pointed if label else hanging)])
    if label:
        polygon(canvas, [(side * x, y) for x, y in [(0.55, -0.6), (0.8, -1.0), (0.9, -0.4)]])


def shapes(canvas: Canvas, label: int, _: np.random.Generator) -> None:
    """Circle, square, triangle, diamond: each is its own mirror image."""
    if label == 0:
        disc(canvas, 0, 0, 0.8)
        return
    square = [(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)]
    triangle, diamond = [(0, -0.9), (0.9, 0.7), (-0.9, 0.7)], [(0, -1), (0.7, 0), (0, 1), (-0.7, 0)]
    polygon(canvas, [square, triangle, diamond][label - 1])


def flowers(canvas: Canvas, label: int, rng: np.random.Generator) -> None:
    """Flowers of three, five or eight petals, turned by any angle."""
    petals, start = (3, 5, 8)[label], 2 * np.pi * rng.random()
    for petal in range(petals):
        angle = start + 2 * np.pi * petal / petals
        disc(canvas, 0.6 * np.cos(angle), 0.6 * np.sin(angle), 0.28)
    disc(canvas, 0, 0, 0.2, 120)


def vehicles(canvas: Canvas, label: int, rng: np.random.Generator) -> None:
    """Cars and lorries that drive to either side."""
    side = rng.choice([-1, 1])
    car = [(-1, 0.4), (-1, 0), (-0.5, -0.1), (-0.3, -0.5), (0.3, -0.5), (0.6, 0), (1, 0.4)]
    lorry = [(-1, 0.4), (-1, -0.7), (0.4, -0.7), (0.4, -0.2), (0.8, -0.2), (1, 0.1), (1, 0.4)]
    polygon(canvas, [(side * x, y) for x, y in (lorry if label else car)])
    disc(canvas, -0.55, 0.5, 0.2, 140)
    disc(canvas, 0.55, 0.5, 0.2, 140)


def faces(canvas: Canvas, label: int, rng: np.random.Generator) -> None:
    """Faces that smile, or do not, seen a little from either side."""
    turn = 0.25 * rng.uniform(-1, 1)
    disc(canvas, 0, 0, 1, 170)
    disc(canvas, turn - 0.35, -0.3, 0.13, 0)
    disc(canvas, turn + 0.35, -0.3, 0.13, 0)
    bend = 0.35 if label else -0.35
    outline = [(-0.5, 0.4), (0, 0.4 + bend), (0.5, 0.4), (0.4, 0.55), (0, 0.6 + bend), (-0.4, 0.55)]
    middle = SIZE * SCALE / 2
    points = [(middle * (1 + 0.62 * (turn + x)), middle * (1 + 0.62 * y)) for x, y in outline]
    canvas.polygon(points, 0)


# Name, drawing, classes, whether mirror copies keep the labels.
DRAWN: list[tuple[str, Draw, int, bool]] = [
    ("arrows: left, right", left_right, 2, False),
    ("arrows: four directions", arrows, 4, False),
    ("letters b, d", letters("bd"), 2, False),
    ("letters b, d, p, q", letters("bdpq"), 4, False),
    ("letters a to z", letters("abcdefghijklmnopqrstuvwxyz"), 26, False),
    ("road signs, two of eight sided", road_signs, 8, False),
    ("hands: left, right", hands, 2, False),
    ("hooks: L, J", hooks, 2, False),
    ("angular 2, 5", two_and_five, 2, False),
    ("animals that look to either side", animals, 2, True),
    ("shapes", shapes, 4, True),
    ("flowers", flowers, 3, True),
    ("vehicles that drive to either side", vehicles, 2, True),
    ("faces that smile or not", faces, 2, True),
]


def drawn(
    draw: Draw, classes: int, images: int, noise: float, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw images at random places, sizes and angles, on a random background.

    Args:
        draw: Draws an image of a class.
        classes: Number of classes.
        images: Number of images.
        noise: Standard deviation of the pixel noise, relative to the range of pixels. The places
            and angles vary more as well.
        seed: Seed of everything.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    pixels = np.empty((images, SIZE, SIZE, 1), np.uint8)
    for number, label in enumerate(labels.tolist()):
        canvas = Image.new("L", (SIZE * SCALE, SIZE * SCALE))
        draw(ImageDraw.Draw(canvas), label, rng)
        far = SIZE * SCALE * (0.04 + 0.2 * noise)
        shift = tuple(rng.uniform(-far, far, 2).tolist())
        angle = rng.uniform(-1, 1) * (5 + 20 * noise)
        placed = canvas.rotate(angle, Image.Resampling.BILINEAR, translate=shift)
        shape = np.asarray(placed.resize((SIZE, SIZE), Image.Resampling.BOX), float) / 255
        dark, light = sorted(rng.uniform(0, 1, 2))
        slope = rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, SIZE)
        noises = noise * rng.normal(size=shape.shape)
        image = dark + max(0.25, light - dark) * shape + slope + noises
        pixels[number, :, :, 0] = (255 * np.clip(image, 0, 1)).astype(np.uint8)
    return pixels, labels


def split_all(dataset: Dataset, images: int | None) -> SplitDataset:
    """Return the dataset with so many training images, and the rest of them unused."""
    return SplitDataset(dataset, make_split(dataset, train_images=images))


def print_row(name: str, detail: str, data: SplitDataset, expected: bool) -> bool:
    """Print a row of the table; return whether the decision is right."""
    started = time.perf_counter()
    check = measure_mirroring(data)
    seconds = time.perf_counter() - started
    is_right = check.is_used == expected
    kept = "" if check.skill_kept is None else f"{check.skill_kept:.2f}"
    print(
        f"| {name} | {detail} | {check.images} | {'on' if expected else 'off'} | {check.outcome} | "
        f"{'yes' if is_right else '**no**'} | {kept} | {seconds:.1f} | {check.reason} |",
        flush=True,
    )
    return is_right


HEADER = (
    "| images | variant | measured on | expected | outcome | right | skill kept | s | reason |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def measure_drawn(counts: list[int], seeds: int) -> None:
    """Print the decisions on drawn images."""
    print(HEADER)
    results: dict[str, list[bool]] = {}
    for name, draw, classes, expected in DRAWN:
        for level, noise in NOISE.items():
            for images in counts:
                for seed in range(seeds):
                    pixels, labels = drawn(draw, classes, images, noise, seed)
                    names = [f"class {label}" for label in range(classes)]
                    data = split_all(load((pixels, np.array(names)[labels])), None)
                    is_right = print_row(name, f"{level}, {images}", data, expected)
                    results.setdefault(name, []).append(is_right)
    for name, rights in results.items():
        print(f"{name}: {sum(rights)} of {len(rights)} right")


def measure_real(counts: list[int]) -> None:
    """Print the decisions on real images."""
    folder = Path(os.environ["HEADSTART_DATA"])
    real = [
        ("digits", "digits", False),
        ("MNIST", "mnist", False),
        ("hand signs", str(folder / "sign-digits"), False),
        ("Fashion-MNIST", "fashion-mnist", True),
        ("CIFAR-10", "cifar10", True),
        ("ants and bees", str(folder / "ants-bees"), True),
    ]
    print(HEADER)
    for name, source, expected in real:
        dataset = load(source)
        all_images = len(split_all(dataset, None).split.train)
        for images in sorted({min(count, all_images) for count in counts}):
            data = split_all(dataset, images)
            print_row(name, f"{len(data.split.train)} training images", data, expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("drawn", "real"))
    parser.add_argument("--images", type=int, nargs="+", default=[240, 1000])
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    if given.what == "drawn":
        measure_drawn(given.images, given.seeds)
    else:
        measure_real(given.images)


if __name__ == "__main__":
    main()
