"""Microsoft NNI, an optional engine that is no longer maintained: config, and the function that creates a tuner."""
