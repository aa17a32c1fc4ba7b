"""Folders of images: which folders are parts and classes, and which are never data."""
