"""Whole-slide images: annotations, and patches cut from annotated regions."""
