"""Helpers for the tests of a project that trains models with Headstart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from headstart.api import ComparisonResult
    from headstart.api._data import Data


def assert_not_worse(
    data: Data,
    old: str | Path,
    new: str | Path,
    *,
    equivalence: float = 0.5,
    undecided: Literal["fail", "skip"] = "fail",
    **options: Any,
) -> ComparisonResult:
    """Fail a test if a model may be worse than the one in use.

    It makes the comparison of `headstart compare DATA --models OLD,NEW --gate`. Finished runs are
    not trained again.

    Args:
        data: A dataset, or anything that `headstart.load` opens.
        old: The reference: a model, a `recipe.json` or the folder of a finished run.
        new: The candidate.
        equivalence: The largest loss of accuracy that does not matter, in percentage points.
        undecided: What happens if the gate is undecided: the test fails, or pytest skips it.
        options: Further arguments of `headstart.compare`, such as `seeds`, `time_limit`, `out`, and
            those of `headstart.load` and `headstart.split`.

    Returns:
        The comparison, if the candidate passes.

    Raises:
        AssertionError: The candidate is worse, or the gate is undecided.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    from headstart.api import compare

    models = [str(old), str(new)]
    result = compare(data, models=models, equivalence=equivalence, gate=True, **options)
    gate = result["gate"]
    if gate["decision"] == "undecided" and undecided == "skip":
        import pytest

        pytest.skip(gate["sentence"])
    if not gate["passed"]:
        raise AssertionError(f"{gate['sentence']}\nReport: {result['report']}")
    return result
