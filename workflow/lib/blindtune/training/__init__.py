"""Trainers: from a proposal to a scored model."""

import os

# TensorFlow writes a page of notices to the terminal unless it is told before its import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
