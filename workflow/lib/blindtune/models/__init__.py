"""Architectures as data, and what builds them in each framework."""
