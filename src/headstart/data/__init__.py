"""Datasets: files in many formats, named datasets, and their splits.

Belongs here: whatever turns the user's data into one uint8 array, its labels, and the indices of
the train, validation and test images. Does not belong here: anything that learns from the images
(models, features), and augmentation.

Read `_load.py` first: `load` turns a path into a `Dataset` of `_types.py`.

1. `_unpacked.py` finds what the path names, and unpacks an archive into the cache.
2. The first format of `FORMATS` that recognizes it lists its files. `formats/_protocol.py` says
   what a format and a listing are.
3. `_cache.py` finds these files in `_cache_index.py` and opens their `_cache_entry.py`. If there
   is none, the listing decodes them:
   images through `decode_images` of `formats/images/_image_files.py`, numbers into a map directly.
4. Options change the result: `_resized.py`, `groups/_with_groups.py`, `_apply_plan.py`.

`_split.py` then divides the images. Data in memory enter step 4 at once, and a named dataset comes
from `named/_fetch.py`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
