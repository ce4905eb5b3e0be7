"""Optuna: config, samplers and pruners, and the function that creates a tuner."""
