"""Formats of data on disk and in memory.

Belongs here: recognizing a format, listing its files, and decoding them into labels and pixels.
`images/`, `folders/`, `tables/`, `arrays/` and `parquet/` hold what belongs to one kind of data.
A format is one module behind the protocol in `_protocol`, with one line in
`headstart.data._load.FORMATS`. Does not belong here: the cache and splits (`headstart.data`).
"""
