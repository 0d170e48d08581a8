"""What names add and cost: known items of a Python tree, with the chunk's cosine alone and with the higher of two.

    python benchmarks/names.py FOLDER [--include GLOB ...] [--chunks N] [--items N] [--seed N]

Two kinds of items, neither of which its own text or name still holds: the first sentence of a docstring, the docstring
taken out of the chunk; and its second sentence, that sentence taken out. Names are worded by the release, and once more
without what is said or without the path. MRR@10, with the half-open 95 % bootstrap interval of paired differences. CPU
seconds are of encoding each distinct text and name once.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt

from xtr_assets.config import MiniLmConfig, SourceConfig
from xtr_assets.core.name_text import name_text
from xtr_assets.core.types import Chunk
from xtr_assets.encoders import open_encoder
from xtr_assets.encoders.base import Encoder
from xtr_assets.sources import open_source

Floats = npt.NDArray[np.float32]
DOCSTRING = re.compile(r':[ \t]*\n\s*[rRuU]?("""|\'\'\')(.*?)\1', re.DOTALL)
SENTENCE = re.compile(r"[^.:!?]+(?:[.:!?](?!\s|$)[^.:!?]*)*(?:[.:!?](?=\s|$)|$)")
LEAST_WORDS, MOST_WORDS, DEPTH, DRAWS = 4, 24, 10, 2000

# A chunk worded as a name, "" where it has none.
Wording = Callable[[Chunk], str]
WORDINGS: dict[str, Wording] = {
    "as released": lambda one: name_text(one.path, one.symbol, one.text, one.kind) or "",
    "nothing said": lambda one: name_text(one.path, one.symbol, "", one.kind) or "",
    "no path": lambda one: name_text("", one.symbol, one.text, one.kind) or "",
    "last two of the path": lambda one: (
        name_text("/".join(one.path.split("/")[-2:]), one.symbol, one.text, one.kind) or ""
    ),
}


@dataclass(frozen=True)
class Item:
    """A query, the chunk that it was drawn from, and that chunk without it."""

    query: str
    place: int
    left: Chunk


def items(chunks: Sequence[Chunk], which: int) -> list[Item]:
    """Sentence `which` of each docstring that has one."""
    found = []
    for place, one in enumerate(chunks):
        match = None if one.kind == "module" or one.part else DOCSTRING.search(one.text)
        sentences = [] if match is None else [m for m in SENTENCE.finditer(match[2].strip()) if m.group().strip()]
        if match is None or len(sentences) <= which:
            continue
        words = sentences[which].group().strip(" \t\n.:").split()
        if len(words) < LEAST_WORDS:
            continue
        gone = match.group() if which == 0 else sentences[which].group()
        text = one.text.replace(gone, ":\n" if which == 0 else " ", 1)
        found.append(Item(" ".join(words[:MOST_WORDS]), place, replace(one, text=text)))
    return found


def encoded(encoder: Encoder, texts: Sequence[str]) -> tuple[Floats, float]:
    """float32 [n, dim], zero where a text is empty, and the CPU seconds of encoding each distinct one."""
    distinct = sorted({text for text in texts if text})
    before = process_time()
    vectors = encoder.encode_documents(distinct).embeddings.astype(np.float32)
    seconds = process_time() - before
    at = {text: row for row, text in enumerate(distinct)}
    padded = np.concatenate([vectors, np.zeros((1, vectors.shape[1]), np.float32)])
    return padded[[at.get(text, -1) for text in texts]], seconds


def reciprocal_ranks(scores: Floats, own: Sequence[int]) -> npt.NDArray[np.float64]:
    ranks = (scores > scores[np.arange(len(own)), list(own)][:, None]).sum(axis=1) + 1
    return np.where(ranks <= DEPTH, 1 / ranks, 0.0)


def interval(differences: npt.NDArray[np.float64]) -> list[float]:
    rng = np.random.default_rng(0)
    means = differences[rng.integers(0, len(differences), (DRAWS, len(differences)))].mean(axis=1)
    return [round(float(bound), 4) for bound in np.quantile(means, [0.025, 0.975])]


def measured(encoder: Encoder, chunks: Sequence[Chunk], texts: Floats, asked: Sequence[Item]) -> dict[str, object]:
    """MRR@10 of the items by the chunk alone, and with each wording of the names."""
    own = [one.place for one in asked]
    changed = list(chunks)
    for one in asked:
        changed[one.place] = one.left
    documents = texts.copy()
    documents[own] = encoded(encoder, [one.left.encoded for one in asked])[0]
    queries = encoder.encode_queries([one.query for one in asked]).embeddings
    alone = queries @ documents.T
    before = reciprocal_ranks(alone, own)
    told: dict[str, object] = {"items": len(asked), "chunk alone": round(float(before.mean()), 4)}
    for name, wording in WORDINGS.items():
        vectors, _ = encoded(encoder, [wording(one) for one in changed])
        ranks = reciprocal_ranks(np.maximum(alone, queries @ vectors.T), own)
        print(f"  {name}: {ranks.mean():.4f}, alone {before.mean():.4f}", file=sys.stderr, flush=True)
        told[name] = {"mrr@10": round(float(ranks.mean()), 4), "more": interval(ranks - before)}
    return told


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--include", nargs="*", default=[])
    parser.add_argument("--chunks", type=int, default=6000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    source = open_source(
        SourceConfig(
            name="tree",
            kind="python",
            path=given.folder.absolute(),
            include=tuple(given.include),
            exclude=("**/test/**", "**/tests/**", "**/testing/**"),
        )
    )
    chunks = [one for path in source.scan("tree", {}) for one in source.read(path) if isinstance(one, Chunk)]
    random.Random(given.seed).shuffle(chunks)
    chunks = chunks[: given.chunks]
    encoder = open_encoder(MiniLmConfig())
    encoder.encode_documents(["so that what is loaded at the first call is loaded " * 2000])
    texts, seconds = encoded(encoder, [one.encoded for one in chunks])
    _, named = encoded(encoder, [WORDINGS["as released"](one) for one in chunks])
    figures: dict[str, object] = {
        "chunks": len(chunks),
        "texts_cpu_seconds": round(seconds, 1),
        "names_cpu_seconds": round(named, 1),
        "names_share": round(named / seconds, 3),
    }
    print(f"names take {named / seconds:.3f} of the texts' {seconds:.1f} CPU s", file=sys.stderr, flush=True)
    for label, which in (("first sentence, without its docstring", 0), ("second sentence, without it", 1)):
        asked = random.Random(given.seed).sample(found := items(chunks, which), min(given.items, len(found)))
        print(f"{label}: {len(asked)} of {len(found)} items", file=sys.stderr)
        figures[label] = measured(encoder, chunks, texts, asked)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
