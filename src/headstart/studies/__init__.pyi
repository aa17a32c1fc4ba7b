from ._backbones import (
    BackboneRankingConfig as BackboneRankingConfig,
)
from ._compare import (
    ComparisonConfig as ComparisonConfig,
)
from ._effects import (
    EffectsConfig as EffectsConfig,
)
from ._labels import (
    LabelCurvesConfig as LabelCurvesConfig,
)
from ._lr import (
    LearningRatesConfig as LearningRatesConfig,
)
from ._study import (
    Study as Study,
    StudyContext as StudyContext,
    run_study as run_study,
)
from .tune._config import (
    TuningConfig as TuningConfig,
)
from .tune._space import (
    Draw as Draw,
    read_space as read_space,
)
from .tune._study import (
    TuningStudy as TuningStudy,
)
