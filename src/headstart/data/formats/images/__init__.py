"""Image files: which files are images, how one is opened and decoded, and many at once."""
