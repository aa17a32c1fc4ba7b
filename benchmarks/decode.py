"""Measure how fast image files are decoded, against Pillow itself and against data loaders.

        python benchmarks/decode.py FOLDER [--images 5000] [--size 128] [--repeat 3]
                                [--keras PYTHON]
        python benchmarks/decode.py FOLDER --photos 48 [--repeat 3]

FOLDER holds class folders of JPEG files, at any depth. The first command links and repeats them
until there are enough, and measures in turn, `--repeat` times:

- `pillow`: threads of Pillow that decode, convert, resize with the same filter, and keep the
  array. Nothing is checked. `whole` decodes all pixels of a JPEG. `draft` decodes at the least
  scale that is not below the size, and `same scale` by the rule of Headstart.
- `headstart`: `headstart.load` with an empty cache. It also hashes files and pixels and writes the
  cache.
- two epochs: a training loop that only reads its batches of 64, once per epoch in random order.
  `headstart` decodes once and then reads its map. `torchvision` is ImageFolder with two workers.
  `keras` is image_dataset_from_directory, in the environment of another interpreter.

The second command enlarges photographs to 12 megapixels and decodes them to 224 pixels.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.data.formats.images._reduced_scale import SCALE_MARGIN

BATCH, EPOCHS, WORKERS = 64, 2, 2
PHOTO_SIZE_PX, PHOTO_TARGET_PX = (4000, 3000), 224
KERAS = """
import json, sys, time
import keras
folder, size, batch, epochs = sys.argv[1], *map(int, sys.argv[2:])
start, before = time.perf_counter(), time.process_time()
data = keras.utils.image_dataset_from_directory(
    folder, image_size=(size, size), batch_size=batch, verbose=False)
count = 0
for _ in range(epochs):
    for images, _ in data:
        count += len(images)
print(json.dumps([count, time.perf_counter() - start, time.process_time() - before]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=128, help="image size in pixels")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--photos", type=int, help="number of 12-megapixel photographs")
    parser.add_argument("--only", nargs="*", help="first words of the names of what is measured")
    parser.add_argument("--keras", type=Path, help="interpreter of an environment with Keras")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = str(Path(name) / "cache")
        data = Path(name) / "images"
        sources = sorted(
            path for path in args.folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}
        )
        if args.photos:
            files = make_photos(sources, data, args.photos)
            measures = large_photo_measures(data, files)
        else:
            files = repeat_files(sources, data, args.images)
            measures = small_image_measures(data, files, args.size, args.keras)
        print(f"{len(files):,} files, {sum(path.stat().st_size for path in files) / 1e6:,.0f} MB")
        if args.only:
            measures = {
                name: measure
                for name, measure in measures.items()
                if name.startswith(tuple(args.only))
            }
        headstart(data, 16, 0)  # imports everything once
        report(measures, args.repeat)


def repeat_files(sources: list[Path], folder: Path, count: int) -> list[Path]:
    """Copy files into two class folders until there are enough. Each copy has its own content."""
    files = []
    for number, source in enumerate(itertools.islice(itertools.cycle(sources), count)):
        path = folder / f"class{number % 2}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Bytes behind the end of a JPEG do not change its pixels.
        path.write_bytes(source.read_bytes() + number.to_bytes(4, "little"))
        files.append(path)
    return sorted(files)


def make_photos(sources: list[Path], folder: Path, count: int) -> list[Path]:
    """Enlarge photographs to 12 megapixels."""
    files = []
    for number, source in enumerate(itertools.islice(itertools.cycle(sources), count)):
        path = folder / f"class{number % 2}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as image:
            image.convert("RGB").resize(PHOTO_SIZE_PX, Image.Resampling.BICUBIC).save(
                path, quality=92
            )
        files.append(path)
    return sorted(files)


class Measured(NamedTuple):
    """What a call did.

    Attributes:
        count: Number of images.
        seconds: Seconds that count. None if all of the call counts.
        processor_seconds: The same of processor time.
    """

    count: int
    seconds: float | None = None
    processor_seconds: float | None = None


Measure = Callable[[], Measured]


def small_image_measures(
    data: Path, files: list[Path], size: int, keras: Path | None
) -> dict[str, Measure]:
    """Return what is measured on photographs of a usual size."""
    measures: dict[str, Measure] = {
        "pillow, whole": lambda: pillow(files, size, margin=0),
        "pillow, draft": lambda: pillow(files, size, margin=1),
        "pillow, same scale": lambda: pillow(files, size, SCALE_MARGIN),
        "headstart": lambda: headstart(data, size, 0),
        "two epochs, headstart": lambda: headstart(data, size, EPOCHS),
        "two epochs, torchvision": lambda: torchvision(data, size),
    }
    if keras is not None:
        measures["two epochs, keras"] = lambda: run_keras(keras, data, size)
    return measures


def large_photo_measures(data: Path, files: list[Path]) -> dict[str, Measure]:
    """Return what is measured on large photographs."""
    return {
        "pillow, whole": lambda: pillow(files, PHOTO_TARGET_PX, margin=0),
        "pillow, draft": lambda: pillow(files, PHOTO_TARGET_PX, margin=1),
        "headstart": lambda: headstart(data, PHOTO_TARGET_PX, 0),
    }


def pillow(files: list[Path], size: int, margin: float) -> Measured:
    """Decode files with threads of Pillow.

    Args:
        files: JPEG files.
        size: Height and width of the results.
        margin: A JPEG may be decoded to `margin` times the size or more. 0 decodes it whole.
    """
    results = np.zeros((len(files), size, size, 3), np.uint8)

    def decode(row: int) -> None:
        with Image.open(files[row]) as image:
            if margin:
                factor = margin * size / max(image.size)
                image.draft("RGB", (round(image.width * factor), round(image.height * factor)))
            pixels = image.convert("RGB")
        scale = min(size / pixels.width, size / pixels.height)
        inner_size = max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale))
        inner = pixels.resize(inner_size, Image.Resampling.BICUBIC)
        padded = Image.new("RGB", (size, size))
        padded.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
        results[row] = np.asarray(padded)

    with ThreadPoolExecutor(WORKERS) as pool:
        return Measured(len(list(pool.map(decode, range(len(files))))))


def headstart(data: Path, size: int, epochs: int) -> Measured:
    """Open a folder with an empty cache, and read all images in a random order per epoch."""
    import headstart as product
    from headstart.data import take

    cache = tempfile.mkdtemp(dir=data.parent)
    os.environ["XDG_CACHE_HOME"] = cache
    dataset = product.load(data, image_size=size)
    count = 0
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(dataset))
        for rows in batches(order):
            images = take(dataset.images, rows).astype(np.float32) / 255
            count += len(images)
    return Measured(count or len(dataset))


def batches(order: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each batch."""
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def torchvision(data: Path, size: int) -> Measured:
    """Read all images with ImageFolder and a DataLoader. The imports do not count."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    started, before = time.perf_counter(), processor_seconds()

    steps = [transforms.Resize((size, size)), transforms.ToTensor()]
    folder = datasets.ImageFolder(str(data), transforms.Compose(steps))
    loader = DataLoader(folder, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    count = sum(len(images) for _ in range(EPOCHS) for images, _ in loader)
    return Measured(count, time.perf_counter() - started, processor_seconds() - before)


def run_keras(python: Path, data: Path, size: int) -> Measured:
    """Read all images with image_dataset_from_directory. The time of its imports is not counted."""
    words = [str(python), "-c", KERAS, str(data), str(size), str(BATCH), str(EPOCHS)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def report(measures: dict[str, Measure], repeat: int) -> None:
    """Measure everything in turn, and print the rates: median, lowest and highest.

    The processor time is less sensitive to what else the machine does.
    """
    rates: dict[str, list[float]] = {name: [] for name in measures}
    processor_ms: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(repeat):
        for name, measure in measures.items():
            start, before = time.perf_counter(), processor_seconds()
            measured = measure()
            seconds = measured.seconds or time.perf_counter() - start
            processor = measured.processor_seconds or processor_seconds() - before
            rates[name].append(measured.count / seconds)
            processor_ms[name].append(1000 * processor / measured.count)
            line = f"  {name}: {rates[name][-1]:,.0f} images/s, {processor_ms[name][-1]:.2f} ms"
            print(line, file=sys.stderr, flush=True)
    for name, values in rates.items():
        middle, low, high = statistics.median(values), min(values), max(values)
        milliseconds = statistics.median(processor_ms[name])
        print(
            f"{name:26} {middle:8,.0f} images/s  ({low:,.0f} to {high:,.0f}), "
            f"{milliseconds:6.2f} ms of processor time per image"
        )


def processor_seconds() -> float:
    """Return the processor time of this process and of the children that have ended."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
