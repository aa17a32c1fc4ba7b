from ._cache import (
    content_key as content_key,
)
from ._label_subsets import (
    labelled as labelled,
    most_per_class as most_per_class,
    with_train as with_train,
    without_validation as without_validation,
)
from ._load import (
    load as load,
)
from ._memory_maps import (
    take as take,
)
from ._split import (
    DEFAULT_FRACTION as DEFAULT_FRACTION,
    DEFAULT_SPLIT_SEED as DEFAULT_SPLIT_SEED,
    describe as describe,
    make_split as make_split,
    read_split as read_split,
    stratified as stratified,
    without_test as without_test,
    write_split as write_split,
)
from ._summary import (
    summary_line as summary_line,
)
from ._thumbnails import (
    as_picture as as_picture,
    data_uri as data_uri,
    need_pixels as need_pixels,
)
from ._types import (
    PART_NAMES as PART_NAMES,
    TEST as TEST,
    TRAIN as TRAIN,
    UNASSIGNED as UNASSIGNED,
    VALIDATION as VALIDATION,
    Dataset as Dataset,
    Resize as Resize,
    Split as Split,
)
from .formats._csv_rows import (
    open_table as open_table,
)
from .formats._decode import (
    LARGEST_FILE_BYTES as LARGEST_FILE_BYTES,
    Caps as Caps,
    ImageSource as ImageSource,
    Unreadable as Unreadable,
    pixels_sent as pixels_sent,
    read_images as read_images,
    read_sent as read_sent,
    resize_pixels as resize_pixels,
)
from .formats._image_files import (
    list_images as list_images,
    list_unlabelled as list_unlabelled,
)
from .formats._pixel_csv import (
    read_unlabelled_csv as read_unlabelled_csv,
)
from .named._catalogue import (
    NamedDataset as NamedDataset,
)
from .named._fetch import (
    catalogue as catalogue,
    edition as edition,
    fetch_named as fetch_named,
    is_cached as is_cached,
    where_from as where_from,
)
