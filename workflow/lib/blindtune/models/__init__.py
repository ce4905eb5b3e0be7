"""Architectures as data: families that make them from hyperparameters, and builders for Keras and PyTorch."""
