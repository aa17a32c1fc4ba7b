from ._arguments import (
    seconds as seconds,
)
from ._audit import (
    AuditResult as AuditResult,
    audit as audit,
)
from ._data import (
    datasets as datasets,
    get_dataset as get_dataset,
    load as load,
    split as split,
)
from ._deploy import (
    explain as explain,
    export as export,
    predict as predict,
    serve as serve,
    submit as submit,
)
from ._doctor import (
    DoctorResult as DoctorResult,
    doctor as doctor,
)
from ._estimator import (
    ImageClassifier as ImageClassifier,
)
from ._fit import (
    fit as fit,
)
from ._results import (
    BackboneRankingResult as BackboneRankingResult,
    ComparisonResult as ComparisonResult,
    EffectsResult as EffectsResult,
    FitResult as FitResult,
    LabelCurvesResult as LabelCurvesResult,
    LearningRatesResult as LearningRatesResult,
    Run as Run,
    StudyResult as StudyResult,
    TuningResult as TuningResult,
)
from ._run_views import (
    NetworkSummary as NetworkSummary,
    RunFigure as RunFigure,
    RunFigures as RunFigures,
    StudyFigure as StudyFigure,
    StudyFigures as StudyFigures,
)
from ._runs import (
    load_classifier as load_classifier,
    network as network,
    repeat as repeat,
    runs as runs,
    train as train,
)
from ._studies import (
    DEFAULT_MODELS as DEFAULT_MODELS,
    backbones as backbones,
    compare as compare,
    effects as effects,
    labels as labels,
    lr as lr,
    tune as tune,
)
from ._verify import (
    VerificationResult as VerificationResult,
    verify as verify,
)
from ._watch import (
    watch as watch,
    watch_in_terminal as watch_in_terminal,
    watch_snapshot as watch_snapshot,
)
