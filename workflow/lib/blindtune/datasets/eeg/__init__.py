"""EEG recordings in EDF files, seizure against background (dataset #12), and their stand-in corpus."""
