"""Tuners: one package per library, with the interface of `blindtune.tuners.base`."""
