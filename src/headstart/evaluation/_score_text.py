"""Scores of the metric that selects as text, under its name, in its unit and direction.

Scores are stored so that higher is better. The log-loss is therefore stored negated, and shown as
the loss that it is.
"""

from __future__ import annotations

from pathlib import Path

from headstart.formatting import ABSENT, percent

_SHARES = ("accuracy", "macro-f1", "balanced-accuracy")  # from 0 to 1, shown in percent
_LOG_LOSS = "log-loss"


def metric_name(metric: str) -> str:
    """Return the name of a metric as it is shown: that of a user's file is without its folder."""
    return Path(metric).name


def is_share(metric: str) -> bool:
    """Return whether the scores of a metric lie from 0 to 1, and are shown in percent."""
    return metric in _SHARES


def shown_score(metric: str, score: float) -> float:
    """Return a score as it is shown: the log-loss with its own sign."""
    return -score if metric == _LOG_LOSS else score


def is_lower_better(metric: str) -> bool:
    """Return whether lower values of a metric are better, as it is shown."""
    return metric == _LOG_LOSS


def score_text(metric: str, score: float | None, images: int | None = None) -> str:
    """Return a score as text without the name of its metric, such as "87.5%" or "0.2470".

    Args:
        metric: The metric.
        score: The score, higher is better; None becomes a dash.
        images: Number of images behind it, which decides the decimals of a share.
    """
    if score is None:
        return ABSENT
    if is_share(metric):
        return percent(score, images)
    if metric == _LOG_LOSS:
        return f"{shown_score(metric, score):.4f}"
    return f"{score:.4g}"
