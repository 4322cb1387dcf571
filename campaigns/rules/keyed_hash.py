"""One keyed hash of an address, in Python and in SQL: oppositions outlive a person's data as such hashes."""

import hashlib

BLOCK = 64  # bytes of a block of SHA-256

# HMAC-SHA256 written out (RFC 2104), its two pads computed from the key beforehand: PostgreSQL needs no extension.
KEYED_HASH_SQL = (
    "encode(sha256(%(outer_pad)s::bytea || sha256(%(inner_pad)s::bytea || convert_to({value}, 'UTF8'))), 'hex')"
)


def hash_pads(key: str) -> dict[str, bytes]:
    """The values that ``KEYED_HASH_SQL`` needs: ``inner_pad`` and ``outer_pad``."""
    block = key.encode()
    if len(block) > BLOCK:
        block = hashlib.sha256(block).digest()
    block = block.ljust(BLOCK, b"\0")
    return {"inner_pad": bytes(b ^ 0x36 for b in block), "outer_pad": bytes(b ^ 0x5C for b in block)}
