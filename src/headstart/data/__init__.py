"""Formats in, named datasets, splits: from whatever the user has to one uint8 array, its labels, and who may see which image.

Does not belong here: anything that is learnt from the images (models, features), and augmentation.
"""

from headstart.data._cache import content_key
from headstart.data._catalogue import NamedDataset
from headstart.data._folder import list_images, list_unlabelled
from headstart.data._images import (
    LARGEST_FILE_BYTES,
    Caps,
    ImageSource,
    Unreadable,
    pixels_sent,
    read_images,
    read_sent,
    resize_pixels,
)
from headstart.data._labelled import labelled, most_per_class, with_train, without_validation
from headstart.data._load import load
from headstart.data._maps import take
from headstart.data._named import catalogue, edition, fetch_named, is_cached, where_from
from headstart.data._pictures import as_picture, data_uri, need_pixels
from headstart.data._rows import open_table
from headstart.data._split import (
    DEFAULT_FRACTION,
    DEFAULT_SPLIT_SEED,
    describe,
    make_split,
    read_split,
    stratified,
    without_test,
    write_split,
)
from headstart.data._tables import read_unlabelled_csv
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION, Dataset, Resize, Split

__all__ = [
    "DEFAULT_FRACTION",
    "DEFAULT_SPLIT_SEED",
    "LARGEST_FILE_BYTES",
    "PART_NAMES",
    "TEST",
    "TRAIN",
    "UNASSIGNED",
    "VALIDATION",
    "Caps",
    "Dataset",
    "ImageSource",
    "NamedDataset",
    "Resize",
    "Split",
    "Unreadable",
    "as_picture",
    "catalogue",
    "content_key",
    "data_uri",
    "describe",
    "edition",
    "fetch_named",
    "is_cached",
    "labelled",
    "list_images",
    "list_unlabelled",
    "load",
    "make_split",
    "most_per_class",
    "need_pixels",
    "open_table",
    "pixels_sent",
    "read_images",
    "read_sent",
    "read_split",
    "read_unlabelled_csv",
    "resize_pixels",
    "stratified",
    "take",
    "where_from",
    "with_train",
    "without_test",
    "without_validation",
    "write_split",
]
