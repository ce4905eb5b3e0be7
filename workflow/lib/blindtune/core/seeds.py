"""Seeds that derive from what a thing is, never from an order of work."""

import hashlib

from blindtune.core.files import canonical


def derive(*parts: object) -> int:
    """A seed from 1 to 2**31 - 1 for the thing that ``parts`` name (plain data)."""
    name = canonical(list(parts)).encode()
    return 1 + int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % (2**31 - 1)
