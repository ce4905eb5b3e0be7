"""``blindtune describe``: a first look at tables and pictures before any job, and a config that runs them."""
