"""Datasets: a module or package for each source, their registry, and the prepared data that all of them become."""
