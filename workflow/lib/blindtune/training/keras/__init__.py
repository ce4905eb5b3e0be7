"""Keras's ``compile`` and ``fit`` on each of its backends."""
