"""Whole slides: annotations, patches cut from them, and a stand-in corpus."""
