"""What using a model costs: one image at a time against Keras, ONNX Runtime against ours, cold starts, and unfamiliar images.

    python benchmarks/use.py speed RUN [--peer-python PYTHON --peer keras_fashion.py --peer-data FOLDER]
    python benchmarks/use.py unlike RUN DATASET...

RUN is a finished run; for the peer, one of 28x28 grey images. The peer is a script whose network is taken when it calls `fit`,
before it has learnt anything: a call takes as long. Its Python is one of its own that has Keras.
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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart import api
from headstart.classifier import load_classifier
from headstart.data import load, read_split, resize_pixels, take
from headstart.deploy import open_model
from headstart.training import read_run

CALLS = 200
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
predict, call = median(lambda: model.predict(image, verbose=0)), median(lambda: model(image, training=False))
print(json.dumps({"predict": predict, "call": call}))
"""


def median_ms(call: Callable[[], Any], calls: int = CALLS) -> float:
    """Milliseconds of the median call, after ten that warm up."""
    times = []
    for number in range(calls + 10):
        start = time.perf_counter()
        call()
        times += [time.perf_counter() - start] if number >= 10 else []
    return 1000 * statistics.median(times)


def cold_seconds(*words: str) -> float:
    """Seconds of `headstart WORDS`, from nothing to the answer: the median of five, after one that fills the disk's cache."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "headstart", *words], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def speed(
    run: Path, peer_python: str | None, peer: str | None, peer_data: str | None
) -> dict[str, Any]:
    """Milliseconds a call, seconds from cold."""
    model = open_model(run)
    images = np.random.default_rng(0).integers(0, 256, (64, *model.image_shape)).astype(np.uint8)
    found: dict[str, Any] = {}
    if peer_python and peer and peer_data:
        script = PEER.replace("CALLS", str(CALLS))
        done = subprocess.run(
            [peer_python, "-c", script, peer, peer_data], check=True, capture_output=True, text=True
        )
        found["peer_ms"] = json.loads(done.stdout.splitlines()[-1])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        found["export"] = api.export(run, out=path, int8=True)
        exported, eight = open_model(path), open_model(path.with_name("model-int8.onnx"))
        for batch in (1, 64):
            some = images[:batch]
            found[f"ms_by_{batch}"] = {
                name: median_ms(lambda which=which, some=some: which.predict(some))  # type: ignore[misc]
                for name, which in (("ours", model), ("onnx", exported), ("onnx_int8", eight))
            }
        picture = str(Path(scratch) / "one.png")
        Image.fromarray(images[0].squeeze()).save(picture)
        found["cold_seconds"] = {
            "predict": cold_seconds("predict", str(run), picture),
            "predict --onnx": cold_seconds("predict", "--onnx", str(path), picture),
            "import torch": _import_torch(),
        }
    if "peer_ms" in found:
        found["times_faster_than_predict"] = found["peer_ms"]["predict"] / found["ms_by_1"]["ours"]
    return found


def _import_torch() -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - start


def unlike(run: Path, others: list[str]) -> dict[str, Any]:
    """Of the run's own test images and of other datasets: the share called unfamiliar, and how well they are told apart."""
    from sklearn.metrics import roc_auc_score

    classifier, about = load_classifier(run), read_run(run)
    threshold = classifier.use.familiarity
    if threshold is None:
        raise SystemExit(f"{run} has no familiarity.")
    own = load(
        about.source, **{key: value for key, value in about.options.items() if value is not None}
    )
    split = read_split(run, own)
    _, validation = classifier.judge(own.images, split.validation)
    sets = {"own test images": take(own.images, split.test)} if len(split.test) else {}
    for name in others:
        other = load(name)
        rows = np.sort(np.random.default_rng(0).permutation(len(other))[:2000])
        sets[name] = np.stack(
            [_alike(image, classifier.image_shape) for image in take(other.images, rows)]
        )
    sets["noise"] = (
        np.random.default_rng(0).integers(0, 256, (1000, *classifier.image_shape)).astype(np.uint8)
    )
    found = {}
    for name, images in sets.items():
        _, scores = classifier.judge(images)
        truth = np.r_[np.ones(len(validation)), np.zeros(len(scores))]
        found[name] = {
            "unfamiliar": float((scores < threshold.threshold).mean()),
            "auroc": float(roc_auc_score(truth, np.r_[validation, scores])),
        }
    return found


def _alike(image: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An image of another dataset in the shape of this one: grey by Pillow's weights, or grey in three channels."""
    if image.shape[2] == 3 and shape[2] == 1:
        image = np.asarray(Image.fromarray(image).convert("L"))[..., None]
    return resize_pixels(np.repeat(image, shape[2] // image.shape[2], 2), shape, "pad")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, dest="verb")
    first, second = verbs.add_parser("speed"), verbs.add_parser("unlike")
    for one in (first, second):
        one.add_argument("run", type=Path)
    for option in ("--peer-python", "--peer", "--peer-data"):
        first.add_argument(option)
    second.add_argument("others", nargs="+")
    given = parser.parse_args()
    found = (
        speed(given.run, given.peer_python, given.peer, given.peer_data)
        if given.verb == "speed"
        else unlike(given.run, given.others)
    )
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
