"""Decode frozen models on sealed eval data, once each, and rescore trials on open data."""
