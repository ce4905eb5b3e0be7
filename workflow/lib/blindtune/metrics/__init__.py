"""Metrics: what a comparison minimises on dev, and shows next to the error; `registry` lists them."""
