"""The statistics of the report: comparisons of systems, over eval samples and over seeds."""
