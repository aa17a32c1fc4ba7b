from ._fingerprints import (
    content_key as content_key,
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
    make_split as make_split,
)
from ._split_file import (
    read_split as read_split,
    write_split as write_split,
)
from ._split_subsets import (
    draw_labelled_subset as draw_labelled_subset,
    max_labels_per_class as max_labels_per_class,
    with_train as with_train,
    without_test as without_test,
    without_validation as without_validation,
)
from ._stratify import (
    stratified_subset as stratified_subset,
)
from ._summary import (
    describe as describe,
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
from .formats._csv_table import (
    open_table as open_table,
)
from .formats._file_tree import (
    list_images as list_images,
)
from .formats._image_files import (
    read_images as read_images,
    unreadable_images as unreadable_images,
)
from .formats._open_image import (
    LARGEST_FILE_BYTES as LARGEST_FILE_BYTES,
    ImageLimits as ImageLimits,
    ImageSource as ImageSource,
    UnreadableImage as UnreadableImage,
)
from .formats._path_csv import (
    list_unlabelled as list_unlabelled,
)
from .formats._pixel_csv import (
    read_unlabelled_csv as read_unlabelled_csv,
)
from .formats._resize import (
    resize_pixels as resize_pixels,
)
from .formats._untrusted import (
    count_untrusted_pixels as count_untrusted_pixels,
    read_untrusted_image as read_untrusted_image,
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
