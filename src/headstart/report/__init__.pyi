from .figures._explanation import (
    explanation_lines as explanation_lines,
    write_explanation as write_explanation,
)
from .pages._render import (
    report as report,
    write_report as write_report,
    write_run_report as write_run_report,
)
from .terminal._listings import (
    datasets_table as datasets_table,
    layers_table as layers_table,
)
from .terminal._notebook import (
    table_html as table_html,
)
from .terminal._predictions import (
    MOST_PICTURES as MOST_PICTURES,
    USUAL_TOP as USUAL_TOP,
    draw_predictions as draw_predictions,
    export_table as export_table,
    need_figure_name as need_figure_name,
    predictions_table as predictions_table,
    submission_table as submission_table,
)
from .terminal._result_tables import (
    compare_table as compare_table,
    run_table as run_table,
    runs_table as runs_table,
)
from .terminal._study_tables import (
    backbones_table as backbones_table,
    effects_table as effects_table,
    labels_table as labels_table,
    lr_table as lr_table,
    tune_table as tune_table,
)
