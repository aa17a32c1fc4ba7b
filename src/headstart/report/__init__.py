"""What a person sees of a result: figures, the HTML page, the terminal tables; all made from what a run or study left on disk.

Does not belong here: training, tests and metrics (they are read, not made), and any decision about what a result means.
"""

from headstart.report._explained import explanation_lines, write_explanation
from headstart.report._notebook import table_html
from headstart.report._page import write_report, write_run_report
from headstart.report._predictions import (
    MOST_PICTURES,
    USUAL_TOP,
    draw_predictions,
    export_table,
    need_figure_name,
    predictions_table,
    submission_table,
)
from headstart.report._study_tables import backbones_table, effects_table, labels_table, lr_table, tune_table
from headstart.report._tables import datasets_table, layers_table
from headstart.report._terminal import compare_table, run_table, runs_table

__all__ = [
    "MOST_PICTURES",
    "USUAL_TOP",
    "backbones_table",
    "compare_table",
    "datasets_table",
    "draw_predictions",
    "effects_table",
    "explanation_lines",
    "export_table",
    "labels_table",
    "layers_table",
    "lr_table",
    "need_figure_name",
    "predictions_table",
    "run_table",
    "runs_table",
    "submission_table",
    "table_html",
    "tune_table",
    "write_explanation",
    "write_report",
    "write_run_report",
]
