"""Tuners: one package per library, behind the interface of `blindtune.tuners.base`."""
