from ._common import (
    load as load,
    seconds as seconds,
    split as split,
)
from ._datasets import (
    datasets as datasets,
    get_dataset as get_dataset,
)
from ._estimator import (
    ImageClassifier as ImageClassifier,
)
from ._explain import (
    explain as explain,
)
from ._results import (
    Backbones as Backbones,
    Comparison as Comparison,
    Effects as Effects,
    LabelCurves as LabelCurves,
    Rates as Rates,
    Run as Run,
    Search as Search,
)
from ._runs import (
    load_classifier as load_classifier,
    network as network,
    repeat as repeat,
    runs as runs,
    train as train,
)
from ._serve import (
    serve as serve,
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
from ._use import (
    export as export,
    predict as predict,
    submit as submit,
)
