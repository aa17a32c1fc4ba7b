"""The scikit-learn estimator: `fit`, `predict`, `predict_proba`, `score`."""

from __future__ import annotations

import signal
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from headstart import store
from headstart.api._fit import fit
from headstart.api._keys import SPLIT_KEYS
from headstart.api._pixels import Range, Shape, as_uint8, images_of, range_of, shape_of
from headstart.api._runs import train
from headstart.data import LOAD_KEYS, channels_last
from headstart.errors import InputError, Stopped
from headstart.evaluation import decide
from headstart.models.recipes import FlagKeys, key_options, train_flags

# The recipe options among the parameters. `epochs` and `time_limit` are parameters of their own.
_OPTIONS = {key: flag for key, flag in train_flags().items() if key in FlagKeys.__annotations__}
# Arguments of `headstart.train` that neither the recipe nor the estimator has.
_NO_SETTINGS = (*LOAD_KEYS, *SPLIT_KEYS, "data", "seed", "track")
_NOT_OF_TRAIN = ("pixel_range", "image_shape", "random_state", "settings", "validation", "out")

AUTO_TIME_LIMIT = "1m"  # of model "auto"


class RefusedInput(InputError, ValueError):
    """An InputError that callers of scikit-learn catch as ValueError."""


if TYPE_CHECKING:
    from headstart.classifier import BaseClassifier

    class _Estimator:
        """Types of what is inherited from scikit-learn, which has none."""

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
    """An image classifier for scikit-learn: `fit` calls `headstart.train` and keeps no files.

    It works in `Pipeline`, `cross_val_score`, `GridSearchCV` and with `clone`, joblib and pickle. A
    pickle of it holds parameters, small arrays and the bytes of two files, one JSON and one
    safetensors. Unpickling an untrusted file can run arbitrary code. To pass a model on, use the
    folder `out`.

    `X` is one of:

    - `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)` images, C = 1 or 3;
    - `(N, H * W * C)` rows of pixels, as in a data frame: see `image_shape`.

    uint8 means 0 to 255. The scale of other numbers follows from the training images: 0 to 1 if all
    values lie there; 0 to 255 if all lie there and the largest is above 127; otherwise the lowest
    is black and the highest white. `pixel_range` sets the scale instead, and `pixel_range_` holds
    the scale in use.

    Images of `predict` have to be on the same scale. Values beyond it are clipped to black or
    white. On a scale of 0 to 1 or 0 to 255, or one that `pixel_range` sets, images are refused if
    most of their pixels that are not black lie beyond it: these images are on another scale. A few
    such pixels are usual behind a scaler that was fitted on other images, such as `MinMaxScaler`.

    `y` is `(N,)` labels of any type that scikit-learn accepts.

    Args:
        model: "auto" for `headstart.fit`, which finds the best classifier in `time_limit`; or mlp,
            cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0|1|2,
            inception-mixed7 or timm/NAME.
        preset: fast (seconds), balanced, or best (as long as it pays). Not with model "auto".
        epochs: Passes over the training images.
        time_limit: Seconds, or "90s", "5m". With model "auto", None means one minute.
        options: Every recipe option that has a flag of `headstart train`, by its key. None leaves
            it to the model's recipe.
        settings: Other keys of the recipe or the network, by name: `{"momentum": 0.9}`.
        validation: Fraction of the training images that is set aside to watch training, stratified
            by class. None: 0.15 where `patience` or `target` needs it, otherwise none.
        image_shape: (height, width) or (height, width, channels) of rows of pixels. None: a grey
            square where one fits, otherwise a square of three channels. `mlp` accepts any row.
        pixel_range: The values that mean black and white. None: as above.
        random_state: An integer is the seed of `headstart.train`; results on a CPU repeat bit for
            bit. None or a `RandomState` draws a seed.
        out: The run folder to keep, for reports, resuming and `headstart predict`. None keeps
            nothing. A folder holds one run, so give it for one `fit` only.

    Attributes:
        classes_: `(K,)` the labels, sorted, in the order of `predict_proba`'s columns.
        image_shape_: (height, width, channels).
        pixel_range_: (black, white).
        n_features_in_: Columns of X, where it was rows. Absent where it was images.
        run_: What `headstart.train` returned: epochs, seconds, parameters, validation, warnings.
        curves_: Loss and accuracy per epoch, one array per column of `curves.csv`.
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
        settings: Mapping[str, Any] | None = None,
        validation: float | None = None,
        image_shape: tuple[int, int] | Shape | None = None,
        pixel_range: Range | None = None,
        random_state: int | np.random.RandomState | None = 0,
        out: str | Path | None = None,
        **options: Unpack[FlagKeys],
    ) -> None:
        unknown = options.keys() - set(_OPTIONS)
        if unknown:
            raise TypeError(f"ImageClassifier has no parameter '{min(unknown)}'; see `settings`.")
        self.model = model
        self.preset = preset
        self.epochs = epochs
        self.time_limit = time_limit
        self.settings = settings
        self.validation = validation
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.random_state = random_state
        self.out = out
        for key in _OPTIONS:
            setattr(self, key, options.get(key))

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on images and their labels.

        Args:
            X: N images, or N rows of pixels; see the class.
            y: Labels of shape (N,), of two classes or more.

        Returns:
            The estimator itself.

        Raises:
            ValueError: Images, labels or parameters cannot be used, or `out` holds another run. The
                exception is an `InputError` as well.
            RunFailed: Training diverged.
            ResourceError: Disk space or memory is missing.
            KeyboardInterrupt: Ctrl-C stopped training.
        """
        with _errors_of_scikit_learn():
            pixels, labels = self._check_training_data(X, y)
            self.classes_, class_numbers = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                only = self.classes_.tolist()[0]
                raise InputError(
                    f"invalid y: expected two classes or more, got one class, {only!r}."
                )
            if pixels.ndim == 2:
                shape = shape_of(pixels.shape[1], self.image_shape, self.model)
                pixels = pixels.reshape(len(pixels), *shape)
            else:
                pixels = channels_last(pixels, "X")
            self.image_shape_ = pixels.shape[1:]
            self.pixel_range_ = range_of(pixels, self.pixel_range)

            data = (self._to_uint8(pixels), class_numbers, _class_names(self.classes_))
            with _run_folder(self.out) as folder:
                if self.model == "auto":
                    result = fit(data, **self._fit_keys(), out=folder)
                    self._keep(Path(result["run"]), folder / _largest_member(result), result)
                else:
                    run = train(data, **self._train_keys(), out=folder)
                    self._keep(folder, folder, run)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the label of each image: the most probable one, or with `costs` the cheapest.

        Args:
            X: N images or rows of pixels, of the shape and scale of `fit`.

        Returns:
            Labels of shape (N,), of the type of `y`.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: The images have another shape or scale than those of `fit`. The exception is
                an `InputError` as well.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[decide(probabilities, self._classifier.costs)]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the class probabilities, `(N, K)`, columns in the order of `classes_`.

        They are calibrated by the temperature that was fitted on the validation images. Without
        `validation`, `patience` and `target` there are none, and the probabilities are those of the
        network itself.

        Args:
            X: N images or rows of pixels, of the shape and scale of `fit`.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: The images have another shape or scale than those of `fit`. The exception is
                an `InputError` as well.
        """
        check_is_fitted(self)
        with _errors_of_scikit_learn():
            pixels = images_of(self._check_images(X), self.image_shape_)
            predictions = self._classifier.predict(self._to_uint8(pixels), calibrated=True)

        probabilities = predictions.probabilities.astype(np.float64)
        normalised: NDArray[np.float64] = probabilities / probabilities.sum(1, keepdims=True)
        return normalised

    def _check_training_data(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return rows of pixels or images, and their labels, checked as scikit-learn does."""
        if _are_rows(X):
            pixels, labels = validate_data(self, X, y)
        else:
            pixels = check_array(X, ensure_2d=False, allow_nd=True)
            labels = column_or_1d(y, warn=True)
            check_consistent_length(pixels, labels)
            for name in ("n_features_in_", "feature_names_in_"):  # of an earlier fit on rows
                self.__dict__.pop(name, None)
        check_classification_targets(labels)
        return pixels, labels

    def _check_images(self, X: ArrayLike) -> NDArray[Any]:
        """Return rows of pixels or images to predict, checked as scikit-learn does."""
        if _are_rows(X) and hasattr(self, "n_features_in_"):
            rows: NDArray[Any] = validate_data(self, X, reset=False)
            return rows
        pixels: NDArray[Any] = check_array(X, ensure_2d=False, allow_nd=True)
        return pixels

    def _to_uint8(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return pixels on the scale of the training images as uint8."""
        is_fixed = self.pixel_range is not None or self.pixel_range_ in ((0.0, 1.0), (0.0, 255.0))
        return as_uint8(pixels, self.pixel_range_, is_measured=not is_fixed)

    def _train_keys(self) -> dict[str, Any]:
        """Return the parameters as keys of `headstart.train`."""
        parameters = self.get_params(deep=False)
        _check_settings(self.settings or {}, parameters)
        keys = {key: value for key, value in parameters.items() if key not in _NOT_OF_TRAIN}
        keys.update(self.settings or {})

        validation = self.validation
        if validation is None and keys["patience"] is None and keys["target"] is None:
            validation = 0.0
        return {**keys, "seed": self._seed(), "validation": validation, "test": 0.0}

    def _fit_keys(self) -> dict[str, Any]:
        """Return the parameters as keys of `headstart.fit`."""
        if self.preset != "balanced":
            raise InputError(
                f"model 'auto' has no preset, got '{self.preset}': it tries several models.",
                "Leave preset out, or name a model. time_limit decides how long 'auto' searches.",
            )
        keys = {key: value for key, value in self._train_keys().items() if value is not None}
        del keys["model"], keys["preset"]
        keys.setdefault("time_limit", AUTO_TIME_LIMIT)
        return {**keys, "validation": self.validation}

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _keep(self, folder: Path, curves: Path, run: Mapping[str, Any]) -> None:
        """Keep what predictions need of a run folder that may be removed.

        Args:
            folder: The folder of the classifier.
            curves: The folder of the run whose learning curves are kept.
            run: The summary of the run.
        """
        from headstart.classifier import classifier_files
        from headstart.training import read_curves

        self._files = {str(path): (folder / path).read_bytes() for path in classifier_files(folder)}
        self._classifier = _open_classifier(self._files)
        self.curves_ = read_curves(curves)
        is_kept = self.out is not None
        self.run_ = {key: value for key, value in run.items() if key != "run" or is_kept}

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {key: value for key, value in state.items() if key != "_classifier"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_files" in state:
            self._classifier = _open_classifier(self._files)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = tags.input_tags.three_d_array = True
        return tags


def _name_options() -> None:
    """Give signature and docstring of `ImageClassifier` its recipe options.

    scikit-learn reads the parameters of an estimator from its signature.
    """
    constructor: Any = ImageClassifier.__init__
    own = signature(constructor)
    *named, _ = own.parameters.values()
    options = [Parameter(key, Parameter.KEYWORD_ONLY, default=None) for key in _OPTIONS]
    constructor.__signature__ = own.replace(parameters=[*named, *options])

    marker = "to the model's recipe.\n"
    helps = [f"            - {flag.key}: {flag.help}\n" for flag in _OPTIONS.values()]
    if ImageClassifier.__doc__:  # None under python -OO
        ImageClassifier.__doc__ = ImageClassifier.__doc__.replace(marker, marker + "".join(helps))


_name_options()


def _are_rows(X: ArrayLike) -> bool:
    """Return whether X has at most two dimensions, as a data frame or a sparse matrix has."""
    return len(X.shape if hasattr(X, "shape") else np.asarray(X).shape) <= 2


def _largest_member(result: Mapping[str, Any]) -> str:
    """Return the run of the largest weight in a result of `fit`, relative to its folder."""
    largest = max(result["tried"], key=lambda rung: float(rung["weight"]))
    return str(largest["run"])


def _check_settings(settings: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Raise an error about a setting that would be ignored, or that would replace a parameter.

    Unknown keys are left to the recipe, which names the nearest one.
    """
    for key in settings:
        if key in key_options():
            if parameters.get(key) is not None:
                raise InputError(
                    f"{key} has a value already.", "Give it once: as a parameter or in settings."
                )
        elif key in parameters or key in _NO_SETTINGS:
            raise InputError(
                f"{key} is not a key of recipe or network, so settings cannot give it.",
                f"Use the parameter {key}."
                if key in parameters
                else "X and y are the training data: prepare them before fit.",
            )


def _class_names(classes: NDArray[Any]) -> list[str]:
    """Return a name for each label: its text, or its number where texts are empty or equal."""
    names = [str(label).strip() for label in classes.tolist()]
    distinct = {unicodedata.normalize("NFC", name) for name in names}
    if all(names) and len(distinct) == len(names):
        return names
    return [f"class {number}" for number in range(len(names))]


def _open_classifier(files: Mapping[str, bytes]) -> BaseClassifier:
    """Return the classifier that these files describe."""
    from headstart.classifier import load_classifier

    with _run_folder(None) as folder:
        for name, content in files.items():
            store.ensure_folder((folder / name).parent)
            store.write_bytes(folder / name, content)
        return load_classifier(folder)


@contextmanager
def _run_folder(out: str | Path | None) -> Iterator[Path]:
    """Yield the folder to keep, or one that is removed when the block ends."""
    if out is not None:
        yield Path(out)
        return
    with store.scratch_folder() as place, store.without_sync():
        yield place / "run"


@contextmanager
def _errors_of_scikit_learn() -> Iterator[None]:
    """Raise our errors as callers of scikit-learn expect them.

    A search expects ValueError for a bad recipe and continues after it. A signal must end the
    search as well, which would count `Stopped` as a failed fit.
    """
    try:
        yield
    except InputError as error:
        raise RefusedInput(error.message, error.hint) from error
    except Stopped as stop:
        if stop.signum == signal.SIGINT:
            raise KeyboardInterrupt(str(stop)) from stop
        raise SystemExit(stop.exit_code) from stop
