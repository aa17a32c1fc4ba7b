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
    open_model as open_model,
)
from ._predict import (
    predict as predict,
    predict_pixels as predict_pixels,
    write_predictions as write_predictions,
)
from ._submit import (
    submit as submit,
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
