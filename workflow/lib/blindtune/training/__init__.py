"""Trainers: from a proposal to a scored model."""

import os

# TensorFlow prints a page of notices unless this is set before its import. oneDNN, which causes one of them, sums in
# its own order; without it small networks are no slower, and a run is easier to repeat.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
