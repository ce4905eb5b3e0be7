"""Readers of slide annotations, one module for each dialect; all give the same regions.

`registry` chooses the reader by the content of a file.
"""

from blindtune.datasets.slides.annotations.base import Annotation, Region
from blindtune.datasets.slides.annotations.nedc_csv import COLUMNS
from blindtune.datasets.slides.annotations.registry import read_annotation

__all__ = ["COLUMNS", "Annotation", "Region", "read_annotation"]
