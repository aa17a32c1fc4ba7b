"""Readers of files: images, tables of pixels or paths, IDX and `.npz`.

Belongs here: turning one format into names, labels and pixels. Does not: the cache and splits (`headstart.data`).
"""
