"""What the verbs return: the JSON object as a dict, its tables as pandas frames, and a display for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from headstart.classifier import ImageModule

_WORDS = (
    "image",
    "part",
    "label",
    "predicted",
)  # columns of predictions.csv that are never numbers
_LONG = ("recipe", "warnings")  # of a contender: whole objects


class Result(dict[str, Any]):
    """The keys and values of the command's `--json`."""

    _table = ""  # the function of `headstart.report` that draws it

    def _repr_html_(self) -> str:
        from importlib import import_module

        from headstart.report import table_html

        return table_html(getattr(import_module("headstart.report"), self._table)(self))


class Run(Result):
    """One finished run.

    Attributes of its folder are read when they are asked for.
    """

    _table = "run_table"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self["run"])

    @cached_property
    def module(self) -> ImageModule:
        """The classifier as a plain `torch.nn.Module`, loaded once.

        It maps uint8 images, or floats from 0 to 1, to logits.
        """
        from headstart.classifier import ImageModule, load_classifier

        return ImageModule(load_classifier(self.folder)).eval()

    @property
    def curves(self) -> pd.DataFrame:
        """One row an epoch: loss, accuracy, learning rate, seconds. Needs pandas."""
        return _pandas().read_csv(self.folder / "curves.csv")

    @property
    def predictions(self) -> pd.DataFrame:
        """One row a validation or test image: label, prediction, the probability of every class. Needs pandas."""
        pd = _pandas()
        found = pd.read_csv(
            self.folder / "predictions.csv", dtype=dict.fromkeys(_WORDS, str), keep_default_na=False
        )
        return found.assign(correct=found["correct"] == 1)


class Study(Result):
    """What a study found."""

    def _repr_html_(self) -> str:
        from importlib import import_module

        from headstart.report import table_html
        from headstart.results import read_finding

        table = getattr(import_module("headstart.report"), self._table)
        return table_html(table(read_finding(self.folder)))

    @property
    def folder(self) -> Path:
        """The study folder."""
        return Path(self["report"]).parent


class Comparison(Study):
    """What `compare` found."""

    _table = "compare_table"

    @property
    def contenders(self) -> pd.DataFrame:
        """One row a contender or control: scores of both parts, their intervals, seconds, parameters. Needs pandas."""
        return _frame(self["contenders"])


class Search(Study):
    """What `tune` found."""

    _table = "tune_table"

    @property
    def trials(self) -> pd.DataFrame:
        """One row a recipe: its values, state, loss, accuracy, seconds. Needs pandas."""
        return _frame(self["trials"])

    @property
    def history(self) -> pd.DataFrame:
        """The best validation accuracy over seconds and epochs. Needs pandas."""
        return _frame(self["history"])


class Rates(Study):
    """What `lr` found."""

    _table = "lr_table"

    @property
    def rates(self) -> pd.DataFrame:
        """One row a learning rate: scores over seeds, whether as good as the best, failures. Needs pandas."""
        return _frame(self["rates"])


class LabelCurves(Study):
    """What `labels` found."""

    _table = "labels_table"

    @property
    def points(self) -> pd.DataFrame:
        """One row a contender and number of labels: accuracy with its band, seconds, epochs. Needs pandas."""
        return _frame(
            {"name": one["name"], **point} for one in self["contenders"] for point in one["points"]
        )


class Effects(Study):
    """What `effects` found."""

    _table = "effects_table"

    @property
    def effects(self) -> pd.DataFrame:
        """One row a change of one knob: scores over seeds, the difference from the baseline. Needs pandas."""
        return _frame(self["effects"])


class Backbones(Study):
    """What `backbones` found."""

    _table = "backbones_table"

    @property
    def candidates(self) -> pd.DataFrame:
        """One row a backbone at a side: accuracy of its probe, images a second here. Needs pandas."""
        return _frame(self["candidates"])


def _frame(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row a record; an object in it becomes columns, such as `test_accuracy`."""
    short = [
        {key: value for key, value in record.items() if key not in _LONG} for record in records
    ]
    return _pandas().json_normalize(short, sep="_")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "frames need pandas, which is not installed.", "pip install 'headstart[pandas]'"
        ) from error
    return pandas
