from ._explain import (
    Explanation as Explanation,
    explain as explain,
)
from ._image_sources import (
    named_sources as named_sources,
    open_images as open_images,
)
from ._model import (
    Form as Form,
    Model as Model,
    need_classifier as need_classifier,
    need_model as need_model,
    open_model as open_model,
)
from ._output_files import (
    check_csv_output as check_csv_output,
    check_export as check_export,
    check_output as check_output,
    keep_earlier as keep_earlier,
)
from ._predict import (
    PredictedFiles as PredictedFiles,
    predict as predict,
    predict_pixels as predict_pixels,
    write_predictions as write_predictions,
)
from ._prediction_sets import (
    PredictionSets as PredictionSets,
    calibrate_sets as calibrate_sets,
)
from ._resolve_run import (
    is_study as is_study,
    resolve_run as resolve_run,
)
from ._submit import (
    submit as submit,
)
from ._test_images import (
    CompetitionImages as CompetitionImages,
)
from ._worst_errors import (
    explain_errors as explain_errors,
)
from .export._export import (
    export as export,
)
from .server._serve import (
    serve as serve,
)
