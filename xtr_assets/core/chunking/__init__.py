"""Texts into chunks: pure functions from one file's text to its pieces, nothing lost and nothing truncated."""

from xtr_assets.core.chunking.code import chunk_code
from xtr_assets.core.chunking.config import chunk_config
from xtr_assets.core.chunking.python import chunk_python
from xtr_assets.core.chunking.text import TextStyle, chunk_text

# Part of every source's fingerprint: raise it when the same file would give other chunks, so that shards are chunked
# anew. Chunks that come out the same keep their rows and their embeddings.
CHUNKER_VERSION = 9

__all__ = ["CHUNKER_VERSION", "TextStyle", "chunk_code", "chunk_config", "chunk_python", "chunk_text"]
