"""Nevergrad, an optional engine: config, and the function that creates a tuner."""
