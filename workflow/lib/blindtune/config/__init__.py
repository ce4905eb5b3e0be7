"""The config: what is valid in it, its schema and its commented default."""
