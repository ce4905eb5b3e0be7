"""Ray Tune, an optional engine: config, schedulers as pruners, and the function that creates a tuner."""
