"""Studies: one system on one dataset with one seed, from proposals to a frozen model."""
