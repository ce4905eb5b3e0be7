"""A simulated corpus of slides; only the registry of sources refers to it."""
