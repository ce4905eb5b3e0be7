"""Tuners: a module per library, behind one small interface."""
