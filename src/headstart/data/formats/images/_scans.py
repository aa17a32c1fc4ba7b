"""Scans of JPEG data: each is a pass over all pixels, and costs a file only a kilobyte."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from headstart.data.formats.images._unreadable import UnreadableImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

# Progressive photos have 6 to 20 scans. At 89 million pixels, 200 take 8 seconds.
MOST_SCANS = 200
_SCAN = b"\xff\xda"
_TIFF_STRIPS, _TIFF_TILES = 273, 324  # tags of the positions of the coded parts
_COMPONENTS = 4  # that may have a scan each, in every part


def require_few_scans(image: ImageFile, stream: IO[bytes]) -> None:
    """Raise an error if the JPEG data of an opened image have more scans than any camera writes.

    The markers are counted, so nothing is decoded. A baseline JPEG has one scan, and is not read.

    Args:
        image: The opened image.
        stream: Its file. The position is restored.

    Raises:
        UnreadableImage: There are more than `MOST_SCANS`, or in a TIFF more than its parts may
            have. libtiff decodes all parts in one call, which no time limit can end.
    """
    most = MOST_SCANS
    if image.format == "TIFF" and "jpeg" in str(image.info.get("compression")):
        tags = image.tag_v2  # type: ignore[attr-defined]  # of TiffImageFile
        most += _COMPONENTS * max(len(tags.get(tag, ())) for tag in (_TIFF_STRIPS, _TIFF_TILES))
    elif not image.info.get("progressive"):
        return

    position = stream.tell()
    stream.seek(0)
    count = stream.read().count(_SCAN)
    stream.seek(position)
    if count > most:
        raise UnreadableImage(
            f"has {count:,} scans, and the limit is {most:,}: it is made to take long; leave it out"
        )
