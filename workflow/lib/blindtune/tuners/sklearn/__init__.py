"""scikit-learn: config, grids and random draws, searchers, and the function that creates a tuner."""
