"""EEG recordings in EDF files, seizure against background (dataset #12), and a simulated corpus."""
