"""Trainers: from a proposal to a scored model."""

import os

# TensorFlow writes a page of notices to the terminal unless it is told before its import. oneDNN, about which one of
# them warns, sums in an order of its own; without it small networks are no slower, and a run is easier to repeat.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
