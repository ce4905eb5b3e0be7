"""Where data come from: a module per source, and the store that they all write."""
