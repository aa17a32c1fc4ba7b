from ._backbones import (
    BackboneStudy as BackboneStudy,
    backbones as backbones,
)
from ._compare import (
    Comparison as Comparison,
    compare as compare,
)
from ._effects import (
    EffectStudy as EffectStudy,
    effects as effects,
)
from ._labels import (
    LabelStudy as LabelStudy,
    labels as labels,
)
from ._lr import (
    RateStudy as RateStudy,
    lr as lr,
)
from .tune._config import (
    Tuning as Tuning,
)
from .tune._space import (
    Draw as Draw,
    read_space as read_space,
)
from .tune._study import (
    tune as tune,
)
