"""Mutated files for every reader: only errors with a name may come out, in bounded memory.

By hand, for minutes: python tests/faults/fuzz.py --seconds 1200 --seed 1
Each input is a function of the seed and its number, so that a failure can be repeated:
python tests/faults/fuzz.py --seed 1 --only 12345
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import random
import resource
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from headstart import store
from headstart.data import load
from headstart.data.formats.images._decode import read_image
from headstart.data.formats.images._open_image import ignore_decoder_warnings
from headstart.data.formats.images._unreadable import UnreadableImage
from headstart.diagnosis import examine
from headstart.errors import HeadstartError

MEMORY_BYTES = 3 << 30  # that the whole process may take, when the script is run by hand
_INPUTS_PER_CLEANING = 200
_INTERESTING = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80")
_WORDS = (
    b"[" * 5000,
    b"null",
    b"{}",
    b"NaN",
    b"9" * 5000,
    b"\xff\xd8\xff",
    b'"',
    b",",
    b"\n",
    b"-1",
)
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")


Mutator = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """A valid file, and the reader of it.

    Attributes:
        name: Kind of the file, for the counts.
        path: The file that is mutated. Others may lie beside it.
        content: Its valid content.
        read: The function that reads it.
        mutate: Changes the content at random.
    """

    name: str
    path: Path
    content: bytes
    read: Callable[[], object]
    mutate: Mutator


@dataclass(frozen=True)
class Failure:
    """An input whose reader raised something without a name, and where."""

    number: int
    target: str
    text: str


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four random changes."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        length = min(rng.choice((1, 2, 4, 16, 256)), len(data) - at)
        change = rng.randrange(7)
        if change == 0 and length:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif change == 1:
            data[at : at + length] = rng.randbytes(length)
        elif change == 2:
            del data[at : at + length]
        elif change == 3:
            data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
        elif change == 4:
            del data[at:]
        elif change == 5:
            word = rng.choice(_INTERESTING)
            data[at : at + len(word)] = word
        else:
            data[at:at] = rng.choice(_WORDS)
    return bytes(data)


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Return a JSON file with one value of another type, size or place, or with random bytes."""
    if rng.random() < 0.3:
        return mutate(content, rng)
    value = json.loads(content)
    holder, key = value, None
    while isinstance(holder, dict | list) and holder and (key is None or rng.random() < 0.7):
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        if not (isinstance(holder[key], dict | list) and holder[key]):
            break
        if rng.random() < 0.7:
            holder, key = holder[key], None
    if key is None:
        return b"[]"
    holder[key] = rng.choice((None, [], {}, "", "x" * 300, -1, 10**30, 1e308, True, [[1]], "0"))
    return json.dumps(value).encode()


def mutate_gzip(content: bytes, rng: random.Random) -> bytes:
    """Return a gzip file whose content is changed, and whose checksum is right."""
    return gzip.compress(mutate(gzip.decompress(content), rng), mtime=0)


def mutate_zip(content: bytes, rng: random.Random) -> bytes:
    """Return a zip archive with one changed member, and checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(list(members))
    members[name] = mutate(members[name], rng)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return file.getvalue()


def mutate_png(content: bytes, rng: random.Random) -> bytes:
    """Return a PNG with one changed chunk, and checksums that are right."""
    chunks, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    place = rng.randrange(len(chunks))
    kind, data = chunks[place]
    chunks[place] = kind, mutate(data, rng)
    parts = [content[:8]]
    for kind, data in chunks:
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        parts += [len(data).to_bytes(4, "big"), kind, data, checksum]
    return b"".join(parts)


_MUTATORS: dict[str, Mutator] = {
    ".json": mutate_json,
    ".gz": mutate_gzip,
    ".npz": mutate_zip,
    ".zip": mutate_zip,
    ".png": mutate_png,
}


def _mutator_of(path: Path) -> Mutator:
    """Return the mutator of a kind of file: half of its inputs keep the checksums right."""
    inner = _MUTATORS.get(path.suffix, mutate)
    return lambda content, rng: (inner if rng.random() < 0.5 else mutate)(content, rng)


def make_targets(folder: Path, *, reports: bool = False) -> list[Target]:
    """Write one small valid file of every kind, and return them with their readers.

    Args:
        folder: An empty folder.
        reports: Whether to write a report of each damaged run, which takes a second.
    """
    targets = [*_images(folder / "images"), *_tables(folder), *_arrays(folder), *_archives(folder)]
    targets += _run_files(folder / "run", reports)
    return targets


def _target(name: str, path: Path, content: bytes, data: Path | None = None) -> Target:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Target(name, path, content, lambda: load(data or path), _mutator_of(path))


def picture(format: str, seed: int = 0) -> bytes:
    """Return a small image of noise, encoded in a format of Pillow."""
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)
    file = io.BytesIO()
    options = {"progressive": True} if format == "JPEG" else {}
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def _images(folder: Path) -> Iterator[Target]:
    for format in _FORMATS:
        content = picture(format)
        path = folder / f"a.{format.lower()}"
        target = _target(f"image {format}", path, content)

        def read(path: Path = path) -> object:
            with ignore_decoder_warnings():
                return read_image(path.read_bytes(), (8, 8, 3), "pad")

        yield Target(target.name, path, content, read, target.mutate)


def _tables(folder: Path) -> Iterator[Target]:
    rows = [f"{'ab'[row % 2]},{row},2,3,{row}" for row in range(8)]
    pixels = "\n".join(["label,pixel0,pixel1,pixel2,pixel3", *rows]).encode()
    yield _target("pixel csv", folder / "pixels.csv", pixels)
    yield _target("pixel csv.gz", folder / "pixels.csv.gz", gzip.compress(pixels, mtime=0))

    beside = folder / "paths"
    beside.mkdir(parents=True)
    for row in range(4):
        (beside / f"{row}.png").write_bytes(picture("PNG", row))
    paths = "\n".join(["path,label", *(f"{row}.png,{'ab'[row % 2]}" for row in range(4))])
    yield _target("path csv", beside / "labels.csv", paths.encode())

    beside = folder / "metadata"
    beside.mkdir()
    for row in range(4):
        (beside / f"{row}.png").write_bytes(picture("PNG", row))
    lines = [json.dumps({"file_name": f"{row}.png", "label": "ab"[row % 2]}) for row in range(4)]
    yield _target("jsonl", beside / "metadata.jsonl", "\n".join(lines).encode(), beside)


def _arrays(folder: Path) -> Iterator[Target]:
    images = np.random.default_rng(0).integers(0, 255, (8, 6, 6), np.uint8)
    labels = np.array([0, 1] * 4)
    for name, save in (("npz", np.savez), ("npz compressed", np.savez_compressed)):
        file = io.BytesIO()
        save(file, images=images, labels=labels)
        yield _target(name, folder / f"{name}.npz", file.getvalue())

    arrays = folder / "npy"
    arrays.mkdir()
    np.save(arrays / "labels.npy", labels)
    file = io.BytesIO()
    np.save(file, images)
    yield _target("npy", arrays / "images.npy", file.getvalue(), arrays)

    idx = folder / "idx"
    idx.mkdir()
    head = struct.pack(">II", 0x801, 8)
    (idx / "train-labels-idx1-ubyte").write_bytes(head + labels.astype(np.uint8).tobytes())
    content = struct.pack(">IIII", 0x803, 8, 6, 6) + images.tobytes()
    yield _target("idx", idx / "train-images-idx3-ubyte", content, idx)

    parquet = _parquet(images)
    if parquet is not None:
        yield _target("parquet", folder / "rows.parquet", parquet)


def _parquet(images: np.ndarray) -> bytes | None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return None
    cells = [{"bytes": picture("PNG", row), "path": None} for row in range(len(images))]
    table = pyarrow.table({"image": cells, "label": ["a", "b"] * 4})
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def _archives(folder: Path) -> Iterator[Target]:
    members = {f"{'ab'[row % 2]}/{row}.png": picture("PNG", row) for row in range(4)}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    yield _target("zip", folder / "a.zip", file.getvalue())

    for name, mode in (("tar", "w"), ("tar.gz", "w:gz"), ("tar.xz", "w:xz")):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode=mode) as tar:  # type: ignore[call-overload]
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        yield _target(name, folder / f"b.{name}", file.getvalue())


def _run_files(run: Path, reports: bool) -> Iterator[Target]:
    """Train a tiny run, and mutate each of its files without its seal."""
    import headstart
    from headstart.classifier import load_classifier
    from headstart.report import report

    headstart.train("digits", model="mlp", nodes=16, epochs=1, train_images=60, out=run)
    store.unseal(run)

    def read() -> None:
        damaged = [item for item in examine([run]) if item.state == "damaged"]
        uses: list[Callable[[], object]] = [
            lambda: load_classifier(run),
            lambda: headstart.runs(run),
        ]
        if reports:
            uses.append(lambda: report(run))
        for use in uses:
            with contextlib.suppress(HeadstartError):
                use()
        if damaged:
            raise HeadstartError(damaged[0].reason)

    for path in sorted(path for path in run.iterdir() if path.is_file()):
        if path.name not in (".lock", "report.html"):
            name = f"run {path.name}"
            yield Target(name, path, path.read_bytes(), read, _mutator_of(path))


class Fuzzer:
    """Readers, fed with mutated files.

    Args:
        folder: An empty folder for the files.
        seed: Seed of all inputs.
        reports: Whether to write a report of each damaged run.

    Attributes:
        counts: Number of inputs by kind of file and by outcome: "read" or the name of the error.
        failures: Inputs that ended in anything else.
    """

    def __init__(self, folder: Path, seed: int, *, reports: bool = False) -> None:
        self.targets = make_targets(folder, reports=reports)
        self._seed = seed
        self.counts: Counter[tuple[str, str]] = Counter()
        self.failures: list[Failure] = []

    def run(self, number: int) -> None:
        """Read one input: a function of the seed and its number."""
        target = self.targets[number % len(self.targets)]
        rng = random.Random(f"{self._seed}/{number}")
        target.path.write_bytes(target.mutate(target.content, rng))
        try:
            target.read()
            outcome = "read"
        except (HeadstartError, UnreadableImage) as error:
            outcome = type(error).__name__
        except Exception:
            outcome = "FAILURE"
            self.failures.append(Failure(number, target.name, traceback.format_exc(limit=-4)))
        finally:
            target.path.write_bytes(target.content)
        self.counts[target.name, outcome] += 1
        if number % _INPUTS_PER_CLEANING == 0:
            shutil.rmtree(store.cache_folder(), ignore_errors=True)


def main() -> int:
    """Fuzz for some seconds, print counts and failures, and return 1 if there is a failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reports", action="store_true", help="write reports of damaged runs")
    parser.add_argument("--only", type=int, help="number of the only input")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")
        fuzzer = Fuzzer(Path(folder) / "files", options.seed, reports=options.reports)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        end = time.monotonic() + options.seconds
        number = options.only or 0
        while time.monotonic() < end:
            fuzzer.run(number)
            number += 1
            if options.only is not None:
                break

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    for (name, outcome), count in sorted(fuzzer.counts.items()):
        print(f"{name:28} {outcome:20} {count:>8,}")
    for failure in fuzzer.failures:
        print(f"\n--only {failure.number} ({failure.target}):\n{failure.text}")
    total = fuzzer.counts.total()
    print(f"seed {options.seed}: {total:,} inputs, {len(fuzzer.failures):,} failures; ", end="")
    print(f"memory grew by {grown // 1024:,} MB")
    return int(bool(fuzzer.failures))


if __name__ == "__main__":
    sys.exit(main())
