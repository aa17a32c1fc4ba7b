"""Measure the cost of using a model, and how well out-of-distribution images are detected.

    python benchmarks/use.py speed RUN
        [--peer-python PYTHON --peer keras_fashion.py --peer-data FOLDER]
    python benchmarks/use.py unlike RUN DATASET...

`speed` measures single calls against Keras and ONNX Runtime, and cold starts. `unlike` measures the
share of images that are flagged as unfamiliar.

RUN is a finished run. With a peer, it is a run on 28x28 greyscale images. The peer is a script. Its
network is captured, untrained, when the script calls `fit`, because training does not change how
long a call takes. --peer-python is a Python installation that has Keras.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from headstart import api
from headstart.classifier import load_classifier
from headstart.data import load, read_split, resize_pixels, take
from headstart.deploy import open_model
from headstart.training import read_run

CALLS = 200
IMAGES = 300  # of each kind; three times as many of the run's own
IMAGE_SIZE = 100  # of folders of photographs, in pixels
PEER = """
import json, os, runpy, statistics, sys, time
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras, numpy as np
class Taken(Exception): pass
def take(model, *_, **__): raise Taken(model)
keras.Model.fit = take
sys.argv = sys.argv[1:3]
try: runpy.run_path(sys.argv[0], run_name="__main__")
except Taken as taken: model = taken.args[0]
image = np.random.default_rng(0).random((1, 28, 28, 1), np.float32)
def median(call):
    for _ in range(10): call()
    times = []
    for _ in range(CALLS):
        start = time.perf_counter(); call(); times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
predict = median(lambda: model.predict(image, verbose=0))
call = median(lambda: model(image, training=False))
print(json.dumps({"predict": predict, "call": call}))
"""


def median_ms(call: Callable[[], Any], calls: int = CALLS) -> float:
    """Return the median time of a call in milliseconds, after ten warm-up calls."""
    times = []
    for number in range(calls + 10):
        start = time.perf_counter()
        call()
        times += [time.perf_counter() - start] if number >= 10 else []
    return 1000 * statistics.median(times)


def cold_seconds(*words: str) -> float:
    """Return the median time of `headstart WORDS` from a cold start, in seconds.

    The median is over five runs, after one that fills the disk cache.
    """
    times = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "headstart", *words], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def speed(
    run: Path, peer_python: str | None, peer: str | None, peer_data: str | None
) -> dict[str, Any]:
    """Return milliseconds per call and seconds from a cold start."""
    model = open_model(run)
    images = np.random.default_rng(0).integers(0, 256, (64, *model.image_shape)).astype(np.uint8)
    results: dict[str, Any] = {}
    if peer_python and peer and peer_data:
        script = PEER.replace("CALLS", str(CALLS))
        done = subprocess.run(
            [peer_python, "-c", script, peer, peer_data], check=True, capture_output=True, text=True
        )
        results["peer_ms"] = json.loads(done.stdout.splitlines()[-1])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        results["export"] = api.export(run, out=path, int8=True)
        exported, int8 = open_model(path), open_model(path.with_name("model-int8.onnx"))
        for batch in (1, 64):
            batch_images = images[:batch]
            results[f"ms_by_{batch}"] = {
                name: median_ms(partial(opened.predict, batch_images))
                for name, opened in (("ours", model), ("onnx", exported), ("onnx_int8", int8))
            }
        picture = str(Path(scratch) / "one.png")
        Image.fromarray(images[0].squeeze()).save(picture)
        results["cold_seconds"] = {
            "predict": cold_seconds("predict", str(run), picture),
            "predict --onnx": cold_seconds("predict", "--onnx", str(path), picture),
            "import torch": _import_torch(),
        }
    if "peer_ms" in results:
        results["times_faster_than_predict"] = (
            results["peer_ms"]["predict"] / results["ms_by_1"]["ours"]
        )
    return results


def _import_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - start


def unlike(run: Path, others: list[str]) -> dict[str, Any]:
    """Return the share of images flagged as unfamiliar, and the area under the ROC curve.

    The images are the run's own test images, those of other datasets, and images that are made.
    """
    from sklearn.metrics import roc_auc_score

    classifier, run_description = load_classifier(run), read_run(run)
    if classifier.metadata.ood_threshold is None:
        raise SystemExit(
            f"{run} has no threshold for unfamiliar images: it needs 100 validation images or more."
        )
    options = {key: value for key, value in run_description.options.items() if value is not None}
    own = load(run_description.source, **options)
    split = read_split(run, own)
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(split.validation)[: 3 * IMAGES])
    validation = classifier.predict(own.images, rows)
    rows = np.sort(rng.permutation(split.test)[: 3 * IMAGES])
    test = take(own.images, rows)
    sets = {"own test images": test} if len(test) else {}
    for name in others:
        other = load(name, image_size=IMAGE_SIZE if Path(name).is_dir() else None)
        rows = np.sort(np.random.default_rng(0).permutation(len(other))[:IMAGES])
        sets[Path(name).name] = np.stack(
            [_convert(image, classifier.image_shape) for image in take(other.images, rows)]
        )
    base = test if len(test) else take(own.images, split.validation[: 3 * IMAGES])
    sets |= made_images(base[:IMAGES])

    results = {}
    for name, images in sets.items():
        predictions = classifier.predict(images)
        flags = predictions.is_out_of_distribution
        assert flags is not None, "the classifier has limits"
        results[name] = {"unfamiliar": round(float(flags.mean()), 4)}
        for kind, usual, odd in (
            ("auroc", validation.ood_scores, predictions.ood_scores),
            ("auroc_energy", -validation.energy_scores, -predictions.energy_scores),
        ):
            if usual is not None and odd is not None:
                truth = np.r_[np.zeros(len(usual)), np.ones(len(odd))]
                results[name][kind] = round(float(roc_auc_score(truth, np.r_[usual, odd])), 4)
    return results


def made_images(images: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Return images of other kinds, of the shape of `images`.

    The last five were not looked at when the statistics were chosen.
    """
    rng = np.random.default_rng(0)
    n, height, width, channels = images.shape
    noise = rng.integers(0, 256, images.shape)
    colours = rng.integers(0, 256, (n, 1, 1, channels))
    stripes = np.sin(np.arange(width) * rng.uniform(0.3, 2, (n, 1, 1)))[..., None]
    blurred = gaussian_filter(noise.astype(float), (0, 1.5, 1.5, 0))
    rows = np.arange(n)[:, None]
    order = rng.permuted(np.tile(np.arange(height * width), (n, 1)), axis=1)
    made = {
        "noise": noise,
        "one colour": np.broadcast_to(colours, images.shape),
        "inverted": 255 - images.astype(int),
        "blurred noise": (blurred - 127.5) * 4 + 127.5,
        "stripes": np.broadcast_to(127.5 + 120 * stripes, images.shape),
        "shuffled pixels": images.reshape(n, -1, channels)[rows, order].reshape(images.shape),
        "blurred": gaussian_filter(images.astype(float), (0, height / 16, width / 16, 0)),
        "photographs of scikit-learn": _sample_photographs(images.shape),
    }
    return {name: np.clip(values, 0, 255).astype(np.uint8) for name, values in made.items()}


def _sample_photographs(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return random squares of the two photographs that scikit-learn has, resized."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    squares = []
    for photograph in load_sample_images().images:
        for _ in range(150):
            side = int(rng.integers(100, 400))
            top = int(rng.integers(0, photograph.shape[0] - side))
            left = int(rng.integers(0, photograph.shape[1] - side))
            square = photograph[top : top + side, left : left + side]
            squares.append(_convert(square, (shape[1], shape[2], shape[3])))
    return np.stack(squares)


def _convert(image: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Convert an image of another dataset to the shape of this one.

    Colour becomes greyscale with Pillow's weights. Greyscale is repeated in three channels.
    """
    if image.shape[2] == 3 and shape[2] == 1:
        image = np.asarray(Image.fromarray(image).convert("L"))[..., None]
    return resize_pixels(np.repeat(image, shape[2] // image.shape[2], 2), shape, "pad")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="verb")
    speed_parser, unlike_parser = commands.add_parser("speed"), commands.add_parser("unlike")
    for command in (speed_parser, unlike_parser):
        command.add_argument("run", type=Path)
    for option in ("--peer-python", "--peer", "--peer-data"):
        speed_parser.add_argument(option)
    unlike_parser.add_argument("others", nargs="+")
    args = parser.parse_args()
    if args.verb == "speed":
        results = speed(args.run, args.peer_python, args.peer, args.peer_data)
    else:
        results = unlike(args.run, args.others)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
