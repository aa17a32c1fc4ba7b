from ._audit_images import (
    REVIEW_LIMITS as REVIEW_LIMITS,
    has_audit_images as has_audit_images,
    make_audit_images as make_audit_images,
    write_audit_images as write_audit_images,
)
from ._gate_summary import (
    gate_summary as gate_summary,
)
from ._local_server import (
    HOST as HOST,
    LocalHandler as LocalHandler,
    LocalServer as LocalServer,
    open_browser as open_browser,
    serve_until_stopped as serve_until_stopped,
)
from ._verify import (
    Verification as Verification,
    verify as verify,
)
from .figures._canvas import (
    draw_in_style as draw_in_style,
    png_in_style as png_in_style,
)
from .figures._explanation import (
    write_explanation as write_explanation,
)
from .figures._predictions import (
    MAX_IMAGES as MAX_IMAGES,
    check_figure_path as check_figure_path,
    draw_predictions as draw_predictions,
)
from .pages._next_step import (
    next_words as next_words,
)
from .pages._render import (
    audit_page_html as audit_page_html,
    report as report,
    write_report as write_report,
    write_run_report as write_run_report,
)
from .pages._run import (
    run_figures as run_figures,
)
from .terminal._audit_table import (
    audit_table as audit_table,
)
from .terminal._backbones_table import (
    backbones_table as backbones_table,
)
from .terminal._comparison_table import (
    compare_table as compare_table,
)
from .terminal._doctor_text import (
    doctor_lines as doctor_lines,
)
from .terminal._effects_table import (
    effects_table as effects_table,
)
from .terminal._explanation_text import (
    explanation_lines as explanation_lines,
)
from .terminal._export_table import (
    export_table as export_table,
)
from .terminal._fit_table import (
    fit_table as fit_table,
)
from .terminal._labels_table import (
    labels_table as labels_table,
)
from .terminal._listings import (
    datasets_table as datasets_table,
    layers_table as layers_table,
)
from .terminal._lr_table import (
    lr_table as lr_table,
)
from .terminal._notebook import (
    table_html as table_html,
    table_text as table_text,
)
from .terminal._prediction_tables import (
    DEFAULT_TOP as DEFAULT_TOP,
    predictions_table as predictions_table,
    submission_table as submission_table,
)
from .terminal._run_tables import (
    run_table as run_table,
    runs_table as runs_table,
)
from .terminal._tune_table import (
    tune_table as tune_table,
)
from .terminal._verification_text import (
    verification_lines as verification_lines,
)
from .terminal._watch_table import (
    watch_table as watch_table,
)
from .watch._server import (
    WatchServer as WatchServer,
)
from .watch._watcher import (
    Snapshot as Snapshot,
    Watcher as Watcher,
)
