"""The two names of a chunk: its id, from its place, and its text hash, from what an encoder sees."""

import hashlib

# Part of every chunk_id. Changing it renames every chunk of every warehouse: never without a new format_version.
_PERSON = b"xtr-chunk-1"
_INT63 = (1 << 63) - 1


def chunk_id(source: str, path: str, symbol: str, occurrence: int = 0, part: int = 0) -> int:
    """Id of the chunk at a place: non-negative, below 2**63, the same on every machine and in every run.

    `occurrence` tells apart what has the same symbol in one file (overloads, repeated headings), `part` the pieces of
    a text that was split. Each field is preceded by its length, so that no two places are written alike. Among a
    million chunks two share an id with a probability of 5e-8; storage refuses such a pair by name.

    >>> chunk_id("stdlib", "datetime.py", "date.today")
    3799051118126274525
    """
    digest = hashlib.blake2b(digest_size=8, person=_PERSON)
    for field in (source, path, symbol):
        encoded = field.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    digest.update(occurrence.to_bytes(8, "little") + part.to_bytes(8, "little"))
    return int.from_bytes(digest.digest(), "little") & _INT63


def text_hash(encoded: str) -> bytes:
    """16 bytes that name an encoded text (`Chunk.encoded`): equal texts are encoded once, wherever they lie."""
    return hashlib.blake2b(encoded.encode("utf-8"), digest_size=16).digest()
