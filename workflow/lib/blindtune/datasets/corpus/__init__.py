"""Corpora: datasets that are cut from many raw files."""
