"""A pool of worker processes that train the trials of a search in parallel."""
