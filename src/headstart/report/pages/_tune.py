"""The page of a search: that of the comparison of its best with the defaults, and what the search found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from headstart.report._load import Facts, Study, finished
from headstart.report.figures import _tune
from headstart.report.figures._tune import MOST_KEYS, axes_of
from headstart.report.pages import _compare
from headstart.report.pages._content import Content
from headstart.report.pages._panels import svg

MOST_TRIALS_LISTED = 15


def content(study: Study) -> Content:
    """The best values, the history, the importance, the trials; then a comparison's sections."""
    finding, base = study.facts, _compare.content(study)
    trials, ranked = finding["trials"] or [], finished(finding["trials"] or [])
    verdict = finding["verdict"] or Facts()
    drawn = {
        "history": partial(_tune.history, finding) if finding["history"] else None,
        "importance": partial(_tune.importance, finding) if finding["importance"] else None,
        "parallel": partial(_tune.parallel, finding) if ranked and axes_of(finding) else None,
    }
    draw = {name: one for name, one in drawn.items() if one}
    shares = sorted((finding["importance"] or {}).items(), key=lambda one: -one[1])
    keys = list(
        dict.fromkeys([axis.key for axis in axes_of(finding)] + list(finding["best"] or {}))
    )
    return replace(
        base,
        template="tune.html.j2",
        headline=headline(study),
        figures=draw | base.figures,
        values=base.values
        | {
            "sentences": [one for one in finding["sentences"] or [] if one != verdict["sentence"]],
            "keys": keys,
            "shares": [(key, share, share / (shares[0][1] or 1.0)) for key, share in shares],
            "svgs": {name: svg(one(), name) for name, one in draw.items() if name != "importance"},
            "listed": ranked[:MOST_TRIALS_LISTED],
            "scored": len(ranked),
            "failed": [trial for trial in trials if trial["state"] == "failed"],
            "unfinished": sum(trial["state"] == "unfinished" for trial in trials),
            "ties": sum(bool(trial["is_tie"] and not trial["is_best"]) for trial in ranked),
            "left_out_keys": len(axes_of(finding)[MOST_KEYS:]),
        },
    )


def headline(study: Study) -> str:
    """The page's first words: whether tuning was worth it."""
    finding, verdict = study.facts, study.facts["verdict"] or Facts()
    on = f"{finding['model']} on {finding['dataset']['name']}" + (
        "" if study.part == "test" else f" ({study.part} images)"
    )
    if verdict["winner"] == "tuned":
        return f"Tuning improves {on}"
    if verdict["winner"]:
        return f"The {verdict['winner']} beat the tuned {on}"
    return (
        f"Tuning is not shown to improve {on}"
        if verdict["pairs"]
        else f"No verdict on the tuned {on}"
    )
