"""Results of the API: the JSON object of a command as a dictionary, typed models, and frames."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from headstart import store
from headstart.api._run_views import NetworkSummary, RunFigures, StudyFigures
from headstart.errors import InputError
from headstart.results import (
    BackboneRanking,
    Comparison,
    Effects,
    Finding,
    FitFinding,
    LabelCurves,
    LearningRates,
    ResultModel,
    RunMetrics,
    Tuning,
    read_metrics,
)

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from headstart.classifier import Classifier, Ensemble, ImageModule
    from headstart.studies import GateQuestion

FindingT = TypeVar("FindingT", bound=Finding)
_TEXT_COLUMNS = ("image", "part", "label", "predicted")  # of predictions.csv


class Result(dict[str, Any]):
    """The JSON object that the command prints with `--json`, as a dictionary."""

    def table(self) -> RenderableType:
        """Return the table that the command prints."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from headstart.report import table_html

        return table_html(self.table())


class Run(Result):
    """A finished run.

    Files of its folder are read when they are asked for.
    """

    def table(self) -> RenderableType:
        """Return the scores of the run as a table."""
        from headstart.report import run_table

        return run_table(self)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self["run"])

    @property
    def metrics(self) -> RunMetrics:
        """The metrics of the run, `metrics.json`, as a typed model."""
        return read_metrics(self.folder)

    @property
    def figures(self) -> RunFigures:
        """Learning curves, confusion matrix, architecture and example predictions, by name."""
        from headstart.report import run_figures

        return RunFigures(run_figures(self.folder))

    def summary(self) -> NetworkSummary:
        """Return the layers of the network, with their shapes, parameters and multiply-adds."""
        return NetworkSummary(self.metrics.architecture)

    @cached_property
    def module(self) -> ImageModule:
        """The classifier as a `torch.nn.Module`, loaded at the first access.

        It maps images, as uint8 or as floats from 0 to 1, to logits.
        """
        from headstart.classifier import ImageModule, load_classifier

        return ImageModule(load_classifier(self.folder)).eval()

    @property
    def curves(self) -> pd.DataFrame:
        """Loss, accuracy, learning rate and seconds, one row per epoch. Needs pandas."""
        return _pandas().read_csv(io.BytesIO(store.read_verified(self.folder / "curves.csv")))

    @property
    def predictions(self) -> pd.DataFrame:
        """Label, prediction and probabilities, one row per evaluated image. Needs pandas."""
        predictions = (
            _pandas()
            .read_csv(
                io.BytesIO(store.read_verified(self.folder / "predictions.csv")),
                dtype=dict.fromkeys(_TEXT_COLUMNS, str),
                keep_default_na=False,
            )
            .rename(columns=store.bare_cell)
        )
        for column in _TEXT_COLUMNS:
            predictions[column] = predictions[column].map(store.bare_cell)
        return predictions.assign(correct=predictions["correct"] == 1)


class StudyResult(Result, Generic[FindingT]):
    """The finding of a study.

    The keys are those of `finding.json`. `finding` is the same with types, for type checkers and
    completion: `result.finding.budget.seconds_spent` is `result["budget"]["seconds_spent"]`.
    """

    def __init__(self, finding: FindingT) -> None:
        super().__init__(finding.as_json())
        self._finding = finding

    @property
    def finding(self) -> FindingT:
        """The finding as a typed model."""
        return self._finding

    @property
    def folder(self) -> Path:
        """The study folder."""
        return Path(self._finding.report).parent

    @property
    def figures(self) -> StudyFigures:
        """The figures of the report, by name."""
        return StudyFigures(self.folder)


class ComparisonResult(StudyResult[Comparison]):
    """The finding of `compare`."""

    def table(self) -> RenderableType:
        """Return the contenders and the verdict as a table."""
        from headstart.report import compare_table

        return compare_table(self.finding)

    @property
    def contenders(self) -> pd.DataFrame:
        """Scores, intervals, seconds and parameters, one row per contender. Needs pandas."""
        return _frame(_rows(self.finding.contenders, without=("recipe", "warnings")))

    def decide_gate(self, question: GateQuestion) -> None:
        """Add the key `gate`, and write `gate.md` into the study folder.

        Args:
            question: What the gate decides about two contenders.

        Raises:
            ResourceError: The file cannot be written.
        """
        from headstart.report import gate_summary
        from headstart.studies import gate_of

        gate = gate_of(self.finding, question)
        path = self.folder / "gate.md"
        store.write_text(path, gate_summary(self.finding, gate))
        self["gate"] = {**gate.as_json(), "summary": str(path)}


class TuningResult(StudyResult[Tuning]):
    """The finding of `tune`."""

    def table(self) -> RenderableType:
        """Return the best trials and the retrained recipes as a table."""
        from headstart.report import tune_table

        return tune_table(self.finding)

    @property
    def trials(self) -> pd.DataFrame:
        """Values, state and results, one row per trial. Needs pandas."""
        return _frame(_rows(self.finding.trials))

    @property
    def history(self) -> pd.DataFrame:
        """The best scores over seconds and epochs, one row per finished run. Needs pandas."""
        return _frame(_rows(self.finding.history))


class FitResult(StudyResult[FitFinding]):
    """The finding of `fit`."""

    def table(self) -> RenderableType:
        """Return the rungs and the chosen classifier as a table."""
        from headstart.report import fit_table

        return fit_table(self.finding)

    @property
    def tried(self) -> pd.DataFrame:
        """Scores, seconds and weights, one row per rung. Needs pandas."""
        return _frame(_rows(self.finding.tried))

    @property
    def classifier(self) -> Classifier | Ensemble:
        """The chosen classifier, loaded at each access."""
        from headstart.classifier import load_classifier

        return load_classifier(Path(self.finding.run))


class LearningRatesResult(StudyResult[LearningRates]):
    """The finding of `lr`."""

    def table(self) -> RenderableType:
        """Return the learning rates as a table."""
        from headstart.report import lr_table

        return lr_table(self.finding)

    @property
    def rates(self) -> pd.DataFrame:
        """Scores over seeds and failures, one row per learning rate. Needs pandas."""
        return _frame(_rows(self.finding.rates))


class LabelCurvesResult(StudyResult[LabelCurves]):
    """The finding of `labels`."""

    def table(self) -> RenderableType:
        """Return the learning curves as a table."""
        from headstart.report import labels_table

        return labels_table(self.finding)

    @property
    def points(self) -> pd.DataFrame:
        """Scores over seeds, one row per contender and number of labels. Needs pandas."""
        rows = []
        for contender in self.finding.contenders:
            rows += [{"name": contender.name, **row} for row in _rows(contender.points)]
        return _frame(rows)


class EffectsResult(StudyResult[Effects]):
    """The finding of `effects`."""

    def table(self) -> RenderableType:
        """Return the changes as a table."""
        from headstart.report import effects_table

        return effects_table(self.finding)

    @property
    def effects(self) -> pd.DataFrame:
        """Scores over seeds and differences, one row per change. Needs pandas."""
        return _frame(_rows(self.finding.effects))


class BackboneRankingResult(StudyResult[BackboneRanking]):
    """The finding of `backbones`."""

    def table(self) -> RenderableType:
        """Return the candidates as a table."""
        from headstart.report import backbones_table

        return backbones_table(self.finding)

    @property
    def candidates(self) -> pd.DataFrame:
        """Accuracy and speed, one row per backbone and image size. Needs pandas."""
        return _frame(_rows(self.finding.candidates))


_Row = dict[str, Any]  # a row of a frame, whose cells pandas types


def _rows(models: Iterable[ResultModel], without: tuple[str, ...] = ()) -> list[_Row]:
    """Return one row per model; the fields of models in it become columns, as `test_accuracy`."""
    return [_row(model, without) for model in models]


def _row(model: ResultModel, without: tuple[str, ...] = ()) -> _Row:
    json_object = model.as_json()
    row: _Row = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name in without:
            continue
        empty = None if value is not None else _nested_model(field.annotation)
        if isinstance(value, ResultModel) or empty is not None:
            nested = _row(value) if empty is None else _empty_row(empty)
            # The difference of a difference is itself.
            row |= {name if key == name else f"{name}_{key}": cell for key, cell in nested.items()}
        elif isinstance(value, dict):
            row |= {f"{name}_{key}": cell for key, cell in value.items()}
        else:
            row[name] = json_object[name]
    return row


def _nested_model(annotation: object) -> type[ResultModel] | None:
    """Return the model of an optional field, whose own fields are the columns; None for others."""
    for choice in get_args(annotation):
        if isinstance(choice, type) and issubclass(choice, ResultModel):
            return choice
    return None


def _empty_row(model: type[ResultModel]) -> _Row:
    """Return the columns of a model that is null, so that a frame has them in any case."""
    row: _Row = {}
    for name, field in model.model_fields.items():
        nested = _nested_model(field.annotation)
        if nested is None:
            row[name] = None
        else:
            row |= {f"{name}_{key}": None for key in _empty_row(nested)}
    return row


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    return _pandas().DataFrame(list(rows))


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            "pandas is not installed, and frames need it.", "pip install 'headstart[pandas]'"
        ) from error
    return pandas
