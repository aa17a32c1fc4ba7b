from ._cache import (
    content_key as content_key,
)
from ._label_subsets import (
    draw_labelled_subset as draw_labelled_subset,
    max_labels_per_class as max_labels_per_class,
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
    stratified_subset as stratified_subset,
    without_test as without_test,
    write_split as write_split,
)
from ._summary import (
    summary_line as summary_line,
)
from ._thumbnails import (
    check_pixels as check_pixels,
    data_uri as data_uri,
    to_pil_image as to_pil_image,
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
    SplitDataset as SplitDataset,
)
from .formats._csv_rows import (
    open_table as open_table,
)
from .formats._decode import (
    LARGEST_FILE_BYTES as LARGEST_FILE_BYTES,
    ImageLimits as ImageLimits,
    ImageSource as ImageSource,
    UnreadableImage as UnreadableImage,
    count_untrusted_pixels as count_untrusted_pixels,
    read_images as read_images,
    read_untrusted_image as read_untrusted_image,
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
    available_edition as available_edition,
    catalogue as catalogue,
    fetch_named as fetch_named,
    is_cached as is_cached,
    source_of as source_of,
)
