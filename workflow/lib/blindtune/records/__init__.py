"""What is written to disk and read again: trials, model cards and decode results."""
