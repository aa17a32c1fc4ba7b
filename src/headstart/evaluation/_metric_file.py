"""A metric that is a function in a Python file of the user.

The file is imported and its function called in the process of the user, as any code of their own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import numbers
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.errors import InputError, suggest_name
from headstart.formatting import one_line

_EXAMPLE = "Example: metrics.py:my_metric, with `def my_metric(labels, probabilities): ...`"


def is_metric_file(text: str) -> bool:
    """Return whether a metric is given as `FILE.py:function` or as a Python file."""
    return ".py:" in text or text.endswith(".py")


def load_metric_file(text: str) -> tuple[Callable[..., float], str]:
    """Import the file of a metric.

    Args:
        text: `FILE.py:function`.

    Returns:
        The function, which raises InputError for its failures and for results that are not finite
        numbers; and the SHA-256 of the file.

    Raises:
        InputError: The file does not exist, fails, or does not define the function.
    """
    file, _, name = text.rpartition(".py:")
    path = Path(f"{file}.py").expanduser()
    if not file or not name:
        raise InputError(
            f"invalid metric: expected FILE.py:function, got '{text}'.",
            _EXAMPLE,
        )
    try:
        content = store.read_file(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot read the metric file {path}: {reason}.", "Check the path before the colon."
        ) from error

    digest = hashlib.sha256(content).hexdigest()
    names = _import(path, digest)
    function = names.get(name)
    if not callable(function):
        known = [key for key, value in names.items() if callable(value) and key[0] != "_"]
        hint = suggest_name(name, known) if known else _EXAMPLE
        raise InputError(f"{path} does not define a function '{name}'.", hint)
    return _Guarded(function, path, name), digest


@lru_cache(maxsize=32)  # a file is run once, however often its metric is looked up
def _import(path: Path, digest: str) -> Mapping[str, Any]:
    """Return the names that a file defines."""
    spec = importlib.util.spec_from_file_location(f"headstart_metric_{digest[:16]}", path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise InputError(
            f"{_place(error, path)}: the metric file failed: {_words(error)}.",
            "Fix the file. It must be importable without side effects.",
        ) from error
    return vars(module)


class _Guarded:
    """A user's function with checked results.

    Args:
        function: The function.
        path: Its file.
        name: Its name.
    """

    def __init__(self, function: Callable[..., Any], path: Path, name: str) -> None:
        self._function, self._path, self._name = function, path, name

    def __call__(self, labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
        """Return the score as a float. The function gets copies, which it may change."""
        try:
            score = self._function(labels.copy(), probabilities.copy())
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{_place(error, self._path)}: the metric '{self._name}' failed: {_words(error)}.",
                f"Fix the function. It receives labels {labels.shape} and probabilities "
                f"{probabilities.shape} as NumPy arrays.",
            ) from error
        if isinstance(score, np.ndarray) and score.ndim == 0:
            score = score.item()
        is_number = isinstance(score, numbers.Real) and not isinstance(score, bool | np.bool_)
        if not is_number or not math.isfinite(score):
            what = f"{one_line(score)[:80]} ({type(score).__name__})"
            if isinstance(score, np.ndarray):
                what = f"an array of shape {score.shape}"
            raise InputError(
                f"{self._path}: invalid result of the metric '{self._name}': expected a finite "
                f"number, got {what}.",
                "Return one number per call; higher is better.",
            )
        return float(score)


def _place(error: BaseException, path: Path) -> str:
    """Return the file and line where an error arose, in the user's file if it passed there."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _words(error: BaseException) -> str:
    """Return the type and text of an error on one line."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
