"""Parquet and Arrow files of images and labels."""
