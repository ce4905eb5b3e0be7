"""Attacks on the honest number, by family: `run.py` runs all of them, `test_attacks.py` a part."""
