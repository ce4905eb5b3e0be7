"""Derive seeds from what they are for, independent of the order of work."""

import hashlib

from blindtune.core.files import canonical_json


def derive(*parts: object) -> int:
    """Return the seed, from 1 to 2**31 - 1, of what ``parts`` name; they must be valid JSON."""
    name = canonical_json(list(parts)).encode()
    return 1 + int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % (2**31 - 1)
