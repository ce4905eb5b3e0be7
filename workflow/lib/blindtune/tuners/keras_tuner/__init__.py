"""Keras Tuner: config, search space, oracles, and the function that creates a tuner."""
