"""SMAC, an optional engine: config, search space, and the function that creates a tuner."""
