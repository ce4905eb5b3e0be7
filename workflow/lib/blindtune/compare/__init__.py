"""Compare two runs: what changed in config, software, data, records and verdicts."""
