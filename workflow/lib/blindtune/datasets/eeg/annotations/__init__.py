"""Annotations of recordings, in each of the layouts that are read."""
