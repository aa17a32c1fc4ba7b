"""Training and use as scikit-learn's estimators have them: `fit`, `predict`, `predict_proba`, `score`."""

from __future__ import annotations

import math
import signal
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart import store
from headstart.api._pixels import Range, Shape, as_uint8, range_of, shape_of
from headstart.api._runs import train
from headstart.errors import InputError, Stopped

_FILES = ("classifier.json", "model.safetensors")  # what `load_classifier` reads
_NOT_OF_TRAIN = ("pixel_range", "image_shape", "random_state", "settings", "validation", "out")


class RefusedInput(InputError, ValueError):
    """InputError in the form that callers of scikit-learn catch."""


if TYPE_CHECKING:

    class _Estimator:
        """What is inherited from scikit-learn, which has no types."""

        n_features_in_: int
        feature_names_in_: NDArray[Any]

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def score(
            self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
        ) -> float: ...
        def __getstate__(self) -> dict[str, Any]: ...
        def __setstate__(self, state: dict[str, Any]) -> None: ...
        def __sklearn_tags__(self) -> Any: ...
else:

    class _Estimator(ClassifierMixin, BaseEstimator):
        pass


class ImageClassifier(_Estimator):
    """An image classifier for scikit-learn: `headstart.train` behind `fit`, without files left behind.

    Works in `Pipeline`, `cross_val_score`, `GridSearchCV` and with `clone`, joblib and pickle. A pickle of it holds parameters,
    small arrays and the bytes of two files, one JSON, one safetensors. Who opens pickles of others runs their code: to hand a
    model on, use the folder of `out`.

    `X` is one of:

    - `(N, H, W)` or `(N, H, W, C)` images, C = 1 or 3;
    - `(N, H * W * C)` rows of pixels, as of a data frame: see `image_shape`.

    uint8 means 0 to 255. Other numbers mean what the training images show: 0 to 1 if all lie there; 0 to 255 if all lie there and
    the brightest is above 127; else the lowest is black and the highest white. `pixel_range` decides it instead, and
    `pixel_range_` says what was found. Images of `predict` off the scales 0 to 1 and 0 to 255 are refused; beyond a measured
    scale they are cut off.

    `y` is `(N,)` labels of any type that scikit-learn takes.

    Args:
        model: mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0|1|2, inception-mixed7 or timm/NAME.
        preset: fast (seconds), balanced, or best (as long as it pays).
        epochs: passes over the training images. time_limit: seconds, or "90s", "5m".
        lr, batch, optimizer, schedule, l2, label_smoothing, class_weights, patience, target, precision: of training; None leaves
            them to the model's recipe. See `headstart train --help`.
        layers, nodes, activation, dropout: of the network.
        transfer, weights, cut, pool, head: of a backbone.
        flip, rotation, shift, shear, zoom, cutout: augmentation of the training images.
        settings: any other keys of the recipe or the model, by name: `{"momentum": 0.9}`.
        validation: the part of the training images that is set aside to watch training, by class. None: 0.15 where `patience` or
            `target` watch it; otherwise nobody does, and all images train.
        image_shape: (height, width) or (height, width, channels) of rows of pixels. None: a grey square where one fits, else a
            square of three channels; `mlp` takes any row.
        pixel_range: the values that mean black and white; None as above.
        random_state: a whole number is the seed of `headstart.train`, and repeats bit for bit on a processor; None or a
            `RandomState` draws one.
        out: the run folder to keep, for reports, resuming and `headstart predict`; None keeps nothing. For one `fit`: a folder
            holds one run.

    Attributes:
        classes_: `(K,)` the labels, sorted, in the order of `predict_proba`'s columns.
        image_shape_: (height, width, channels). pixel_range_: (black, white).
        n_features_in_: columns of X, where it was rows; absent where it was images.
        run_: what `headstart.train` returned: epochs, seconds, parameters, validation, warnings.
        curves_: loss and accuracy by epoch, one array a column of `curves.csv`.
    """

    __module__ = "headstart"  # where pickles look for it

    classes_: NDArray[Any]
    image_shape_: Shape
    pixel_range_: Range
    run_: dict[str, Any]
    curves_: dict[str, NDArray[np.float64]]

    def __init__(
        self,
        model: str = "cnn",
        preset: str = "balanced",
        *,
        epochs: float | None = None,
        time_limit: str | float | None = None,
        lr: float | None = None,
        batch: int | None = None,
        optimizer: str | None = None,
        schedule: str | None = None,
        l2: float | None = None,
        label_smoothing: float | None = None,
        class_weights: str | None = None,
        patience: int | None = None,
        target: float | None = None,
        precision: str | None = None,
        layers: int | None = None,
        nodes: int | None = None,
        activation: str | None = None,
        dropout: float | None = None,
        transfer: str | None = None,
        weights: str | None = None,
        cut: str | None = None,
        pool: str | None = None,
        head: str | None = None,
        flip: bool | None = None,
        rotation: float | None = None,
        shift: float | None = None,
        shear: float | None = None,
        zoom: float | None = None,
        cutout: float | None = None,
        settings: Mapping[str, Any] | None = None,
        validation: float | None = None,
        image_shape: tuple[int, int] | Shape | None = None,
        pixel_range: Range | None = None,
        random_state: int | np.random.RandomState | None = 0,
        out: str | Path | None = None,
    ) -> None:
        self.model = model
        self.preset = preset
        self.epochs = epochs
        self.time_limit = time_limit
        self.lr = lr
        self.batch = batch
        self.optimizer = optimizer
        self.schedule = schedule
        self.l2 = l2
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.patience = patience
        self.target = target
        self.precision = precision
        self.layers = layers
        self.nodes = nodes
        self.activation = activation
        self.dropout = dropout
        self.transfer = transfer
        self.weights = weights
        self.cut = cut
        self.pool = pool
        self.head = head
        self.flip = flip
        self.rotation = rotation
        self.shift = shift
        self.shear = shear
        self.zoom = zoom
        self.cutout = cutout
        self.settings = settings
        self.validation = validation
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.random_state = random_state
        self.out = out

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on images and their labels.

        Raises:
            ValueError (also an `InputError`): images, labels or parameters cannot be used, or `out` holds another run.
            RunFailed: training diverged; ResourceError: disk or memory; KeyboardInterrupt: stopped with Ctrl-C.
        """
        with _as_scikit_learn():
            pixels, labels = self._learnable(X, y)
            self.classes_, numbers = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                raise InputError(
                    f"y holds one class, {self.classes_[0]!r}, but a classifier needs two classes or more."
                )
            if pixels.ndim == 2:
                pixels = pixels.reshape(
                    len(pixels), *shape_of(pixels.shape[1], self.image_shape, self.model)
                )
            pixels = pixels[..., None] if pixels.ndim == 3 else pixels
            self.image_shape_ = pixels.shape[1:]
            self.pixel_range_ = range_of(pixels, self.pixel_range)
            with _run_folder(self.out) as folder:
                found = train(
                    (self._scaled(pixels), numbers, _names(self.classes_)),
                    **self._keys(),
                    out=folder,
                )
                self._keep(folder, found)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each image, `(N,)`."""
        chances = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[chances.argmax(1)]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities, `(N, K)`, columns in the order of `classes_`.

        Raises:
            NotFittedError; ValueError (also an `InputError`): images of another shape or scale than those of `fit`.
        """
        check_is_fitted(self)
        with _as_scikit_learn():
            pixels = self._readable(X)
            if math.prod(pixels.shape[1:]) == math.prod(self.image_shape_):
                pixels = pixels.reshape(len(pixels), *self.image_shape_)
            pixels = pixels[..., None] if pixels.ndim == 3 else pixels
            found = self._classifier.probabilities(self._scaled(pixels)).astype(np.float64)
        scaled: NDArray[np.float64] = found / found.sum(1, keepdims=True)
        return scaled

    def _learnable(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows of numbers or images, and their labels, as scikit-learn checks them."""
        if _are_rows(X):
            pixels, labels = validate_data(self, X, y)
        else:
            pixels, labels = (
                check_array(X, ensure_2d=False, allow_nd=True),
                column_or_1d(y, warn=True),
            )
            check_consistent_length(pixels, labels)
            for name in ("n_features_in_", "feature_names_in_"):  # of an earlier fit on rows
                self.__dict__.pop(name, None)
        check_classification_targets(labels)
        return pixels, labels

    def _readable(self, X: ArrayLike) -> NDArray[Any]:
        if _are_rows(X) and hasattr(self, "n_features_in_"):
            rows: NDArray[Any] = validate_data(self, X, reset=False)
            return rows
        pixels: NDArray[Any] = check_array(X, ensure_2d=False, allow_nd=True)
        return pixels

    def _scaled(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Numbers as uint8, on the scale of the training images."""
        is_fixed = self.pixel_range is not None or self.pixel_range_ in ((0.0, 1.0), (0.0, 255.0))
        return as_uint8(pixels, self.pixel_range_, is_measured=not is_fixed)

    def _keys(self) -> dict[str, Any]:
        """The parameters as keys of `headstart.train`."""
        given = self.get_params(deep=False)
        keys = {key: value for key, value in given.items() if key not in _NOT_OF_TRAIN} | dict(
            self.settings or {}
        )
        is_watched = keys["patience"] is not None or keys["target"] is not None
        usual = None if is_watched else 0.0
        return {
            **keys,
            "seed": self._seed(),
            "validation": usual if self.validation is None else self.validation,
            "test": 0.0,
        }

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _keep(self, folder: Path, found: dict[str, Any]) -> None:
        from headstart.training import read_curves

        self._files = {name: (folder / name).read_bytes() for name in _FILES}
        self._classifier = _opened(self._files)
        self.curves_ = read_curves(folder)
        self.run_ = {
            key: value for key, value in found.items() if key != "run" or self.out is not None
        }

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_classifier"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_files" in state:
            self._classifier = _opened(self._files)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = tags.input_tags.three_d_array = True
        return tags


def _are_rows(X: ArrayLike) -> bool:
    """Whether X has at most two dimensions, as a data frame or a sparse matrix has."""
    return len(X.shape if hasattr(X, "shape") else np.asarray(X).shape) <= 2


def _names(classes: NDArray[Any]) -> list[str]:
    """A name for each label: its own words, or its number where these do not tell all labels apart."""
    names = [str(label).strip() for label in classes.tolist()]
    is_clear = all(names) and len({unicodedata.normalize("NFC", name) for name in names}) == len(
        names
    )
    return names if is_clear else [f"class {number}" for number in range(len(names))]


def _opened(files: Mapping[str, bytes]) -> Any:
    """The classifier that these files describe."""
    from headstart.classifier import load_classifier

    with _run_folder(None) as folder:
        for name, content in files.items():
            store.write_bytes(folder / name, content)
        return load_classifier(folder)


@contextmanager
def _run_folder(out: str | Path | None) -> Iterator[Path]:
    """The folder to keep, or one that is gone when the block ends."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="headstart-") as place, store.without_sync():
        yield Path(place) / "run"


@contextmanager
def _as_scikit_learn() -> Iterator[None]:
    """Our errors as callers of scikit-learn expect them: a search takes ValueError for a bad recipe, and goes on after it.

    A signal ends the search as well, which would take `Stopped` for a fit that failed.
    """
    try:
        yield
    except InputError as error:
        raise RefusedInput(error.message, error.hint) from error
    except Stopped as stop:
        raise (
            KeyboardInterrupt(str(stop))
            if stop.signum == signal.SIGINT
            else SystemExit(stop.exit_code)
        ) from stop
