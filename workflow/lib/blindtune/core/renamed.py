"""Config keys and values that were renamed: an old one is answered with the new one."""

#: Old key to new key. A key is looked up only where the config does not know it.
KEYS = {
    "neighbours": "n_neighbors",
    "trees": "n_estimators",
    "sees": "view",
    "view": "kind",
    "impossible": "invalid_layers",
    "published": "paper_row",
    "repeats": "allow_repeated_decode",
    "keep": "keep_best",
    "scoring": "score_epoch",
    "tuners": "tuner_overrides",
    "looks": "n_eval_crops",
    "made": "simulate",
    "most_bad": "max_bad_fraction",
    "candidates": "max_per_file",
    "draws": "max_attempts",
    "cover": "min_coverage",
    "other": "max_other",
    "overlap": "max_overlap",
    "white": "max_white",
    "ink": "max_ink",
    "focus": "min_focus",
    "low": "l_freq",
    "high": "h_freq",
    "rate": "sfreq",
    "loud": "reject",
    "guard": "seizure_margin",
    "window": "frame_length",
    "step": "frame_hop",
    "quietest": "min_amplitude",
    "loudest": "max_amplitude",
}

#: Old value to new value, by the (new) key.
VALUES = {
    ("verbosity", "talkative"): "verbose",
    ("source", "isip"): "csv_folder",
    ("source", "drawn"): "drawing",
    ("invalid_layers", "invalid"): "reject",
    ("invalid_layers", "leave_out"): "skip",
    ("objectives", "parameters"): "n_parameters",
}
