"""Real vectors for the other benchmarks: the Python sources of this environment through the embedded encoder.

    python benchmarks/encode_sources.py FOLDER --chunks 100000 [--root FOLDER ...]

Writes FOLDER/chunks-000.npz and so on, of 5,000 chunks each (embeddings float16 [n, 384], tokens float16 [T, 128],
offsets int64 [n + 1], token_ids int32 [T]), and FOLDER/queries.npz: for chunks that were *not* written, the first
sentence of the docstring (`embeddings`) and the docstring's first 32 tokens (`tokens`, `offsets`). Files come in an
order drawn once, every text once, so that the first n chunks are a sample of all. A file that is there is kept: a run
that was stopped goes on where it was. 100,000 chunks take about 50 CPU minutes.
"""

import argparse
import random
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xtr_assets.config import MiniLmConfig, SourceConfig
from xtr_assets.core.types import Chunk
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.base import Encoder
from xtr_assets.pipeline.queries.synthesis import Piece, named
from xtr_assets.sources.python_tree import PythonTree

BLOCK = 5_000
QUERIES, QUERY_TOKENS = 500, 32
# One chunk of so many is left out of the corpus and may give a query: a tenth of them say enough in a docstring.
HELD_OUT = 20
DOCSTRING = re.compile(r':[ \t]*\n\s*[rRuU]?"""(.+?)"""', re.DOTALL)


def chunks_of(roots: list[Path]) -> Iterator[Chunk]:
    """Every different text of the trees, files in an order drawn once."""
    files = [(root, path) for root in roots for path in root.rglob("*.py")]
    files = sorted(files, key=lambda pair: pair[1].relative_to(pair[0]).as_posix())
    random.Random(7).shuffle(files)
    seen: set[int] = set()
    for root, path in files:
        source = PythonTree(SourceConfig(name="sources", kind="python", path=root))
        for chunk in source.read(path.relative_to(root).as_posix()):
            if isinstance(chunk, Chunk) and hash(chunk.encoded) not in seen:
                seen.add(hash(chunk.encoded))
                yield chunk


def write_queries(path: Path, chunks: list[Chunk], encoder: Encoder) -> None:
    sentences, docstrings = [], []
    for chunk in chunks:
        sentence = named(Piece(chunk.chunk_id, chunk.path, chunk.symbol, chunk.title, chunk.text))
        found = DOCSTRING.search(chunk.text)
        if sentence and found and len(found.group(1).split()) >= QUERY_TOKENS:
            sentences.append(sentence.text)
            docstrings.append(" ".join(found.group(1).split()))
    tokens = [t[:QUERY_TOKENS] for t in encoder.encode_queries(docstrings[: 2 * QUERIES]).tokens]
    kept = [number for number, one in enumerate(tokens) if len(one) == QUERY_TOKENS][:QUERIES]
    np.savez(
        path,
        embeddings=encoder.encode_queries([sentences[number] for number in kept]).embeddings,
        tokens=np.concatenate([tokens[number] for number in kept]),
        offsets=np.arange(len(kept) + 1) * QUERY_TOKENS,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--root", type=Path, nargs="*", help="source trees in place of this environment's packages")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    encoder = open_encoder(MiniLmConfig())
    everything = chunks_of(given.root or [Path(sysconfig.get_paths()["purelib"])])
    asked: list[Chunk] = []
    block: list[str] = []
    number = total = 0
    for place, chunk in enumerate(everything):
        if place % HELD_OUT == 0:
            asked.append(chunk)
            continue
        block.append(chunk.encoded)
        total += 1
        if len(block) == BLOCK or total == given.chunks:
            write_block(given.folder / f"chunks-{number:03d}.npz", block, encoder)
            block, number = [], number + 1
        if total == given.chunks:
            break
    if block:
        # There are fewer than were asked for.
        write_block(given.folder / f"chunks-{number:03d}.npz", block, encoder)
    write_queries(given.folder / "queries.npz", asked, encoder)


def write_block(path: Path, texts: list[str], encoder: Encoder) -> None:
    if path.exists():
        return
    encoded = encoder.encode_documents(texts)
    hidden = path.with_suffix(".part.npz")
    np.savez(
        hidden,
        embeddings=encoded.embeddings,
        tokens=encoded.tokens.astype(np.float16),
        offsets=encoded.offsets,
        token_ids=encoded.token_ids,
    )
    hidden.rename(path)
    print(f"{path.name}: {len(texts)} chunks, {len(encoded.tokens):,} tokens", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
