"""Metrics: what a comparison minimises on dev and shows next to the error. Each is a module and a line of `registry`."""
