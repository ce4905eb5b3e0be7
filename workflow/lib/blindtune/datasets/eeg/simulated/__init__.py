"""A simulated EEG corpus; only the registry of sources refers to it."""
