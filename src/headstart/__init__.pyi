from . import api as api, data as data, deploy as deploy, errors as errors, progress as progress
from .api import (
    ImageClassifier as ImageClassifier,
    audit as audit,
    backbones as backbones,
    compare as compare,
    doctor as doctor,
    effects as effects,
    explain as explain,
    export as export,
    fit as fit,
    labels as labels,
    load as load,
    load_classifier as load_classifier,
    lr as lr,
    predict as predict,
    repeat as repeat,
    runs as runs,
    serve as serve,
    split as split,
    submit as submit,
    train as train,
    tune as tune,
    verify as verify,
    watch as watch,
)
from .report import report as report

__version__: str
