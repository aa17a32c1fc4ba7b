"""Arrays of images and labels: in memory, in `.npz`, `.npy` and IDX files, or dataset objects."""
