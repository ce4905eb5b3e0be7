"""Views: what a model gets of a stored sample: the sample itself, features of it, frames or crops."""
