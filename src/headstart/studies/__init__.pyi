from ._audit import (
    AuditConfig as AuditConfig,
    audited_content as audited_content,
)
from ._backbones import (
    BackboneRankingConfig as BackboneRankingConfig,
)
from ._change_tests import (
    UNCHANGED as UNCHANGED,
    compare_changes as compare_changes,
)
from ._compare import (
    ComparisonConfig as ComparisonConfig,
)
from ._comparison_entries import (
    CONTROL_SUFFIX as CONTROL_SUFFIX,
)
from ._comparison_verdict import (
    VerdictRules as VerdictRules,
    verdict_from_predictions as verdict_from_predictions,
)
from ._contenders import (
    check_models as check_models,
    has_model_name as has_model_name,
)
from ._effects import (
    EffectsConfig as EffectsConfig,
)
from ._extension import (
    EARLIER_FINDING as EARLIER_FINDING,
)
from ._folds import (
    check_folds as check_folds,
    fold_count as fold_count,
)
from ._gate import (
    GATE_FILE as GATE_FILE,
    Gate as Gate,
    GateQuestion as GateQuestion,
    gate_of as gate_of,
    gate_question as gate_question,
)
from ._label_matching import (
    Sampling as Sampling,
    compare_label_curves as compare_label_curves,
)
from ._labels import (
    LabelCurvesConfig as LabelCurvesConfig,
)
from ._lr import (
    LearningRatesConfig as LearningRatesConfig,
)
from ._rate_selection import (
    RateSelection as RateSelection,
)
from ._study import (
    Study as Study,
    StudyContext as StudyContext,
    run_study as run_study,
)
from ._test_reuse import (
    count_run as count_run,
)
from ._time_limit import (
    WhenSlow as WhenSlow,
)
from .fit._config import (
    FitConfig as FitConfig,
)
from .fit._study import (
    FitStudy as FitStudy,
)
from .tune._config import (
    TuningConfig as TuningConfig,
    check_searches_of_folds as check_searches_of_folds,
)
from .tune._space import (
    Draw as Draw,
    read_space as read_space,
)
from .tune._study import (
    TuningStudy as TuningStudy,
)
