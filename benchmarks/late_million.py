"""Late interaction over a million documents: made tokens, written and indexed without holding them.

    python benchmarks/late_million.py FOLDER --documents 1000000 --tokens 16
    python benchmarks/late_million.py FOLDER --documents 1000000 --tokens 16 --of chunks-*.npz --asked queries.npz

The first draws clustered tokens of far more kinds than an index has centroids (`draw`); the second mixes tokens of real
documents (`mix`; files as of benchmarks/encode_sources.py). FOLDER takes 450 bytes a token. Three processes one after
the other, so that each one's memory is its own: the set is drawn and its int8 rows are written; the index is built over
the mapped rows, as a generation is; it is opened and searched, beside exact MaxSim over the original float16. What is
there already is used again.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from late_interaction import K, overlap, timed

from xtr_assets.core.row_store import RowTokens, TokenPart
from xtr_assets.core.token_codec import encode_int8
from xtr_assets.index import TokenIndex
from xtr_assets.index.late.centroids import TokenModel
from xtr_assets.index.late.index import train, write_postings

DIM, WORDS = 128, 30_000
# A topic has so many documents and so many words of its own.
TOPIC_DOCUMENTS, TOPIC_WORDS = 40, 200
BLOCK = 20_000
QUERY_TOKENS = 32
# How far apart the two real documents of one made of them lie, and how far its tokens are moved (`mix`).
NEIGHBOURS, SCATTER = 3, 0.5


def draw(folder: Path, documents: int, length: int, queries: int) -> None:
    """Words by Zipf's law, half of them of the document's topic, moved by topic, document and noise.

    Dimensions have a falling spectrum, as learned tokens have; a query is tokens of one document, moved by a noise of
    0.2 of their length.
    """
    rng = np.random.default_rng(11)
    spectrum = np.arange(1, DIM + 1, dtype=np.float32) ** -0.5

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, np.float32) * spectrum

    vocabulary, topics, common = normal(WORDS, DIM), normal(max(1, documents // TOPIC_DOCUMENTS), DIM), normal(DIM)
    own_words = rng.integers(0, WORDS, (len(topics), TOPIC_WORDS), np.int32)
    everywhere, within = (np.cumsum(1 / np.arange(10, count + 10)) for count in (WORDS, TOPIC_WORDS))
    floats, codes, scales = create(folder, documents * length)
    for first in range(0, documents, BLOCK):
        count = min(BLOCK, documents - first)
        topic = rng.integers(0, len(topics), count)
        general = np.searchsorted(everywhere, rng.random((count, length)) * everywhere[-1])
        special = np.searchsorted(within, rng.random((count, length)) * within[-1])
        words = np.where(rng.random((count, length)) < 0.5, own_words[topic[:, None], special], general)
        values = vocabulary[words.ravel()] + 0.5 * common
        values += np.repeat(0.8 * topics[topic] + 0.25 * normal(count, DIM), length, axis=0)
        values += 0.2 * normal(len(values), DIM)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        bounds = slice(first * length, (first + count) * length)
        floats[bounds] = values
        codes[bounds], scales[bounds] = encode_int8(values)
    asked = np.empty((queries, QUERY_TOKENS, DIM), np.float32)
    for query in asked:
        own = int(rng.integers(documents)) * length
        query[:] = floats[own + rng.integers(0, length, QUERY_TOKENS)]
        noise = normal(QUERY_TOKENS, DIM)
        query += 0.2 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        query /= np.linalg.norm(query, axis=1, keepdims=True)
    np.save(folder / "queries.npy", asked)
    (folder / "drawn.json").write_text(json.dumps({"documents": documents, "tokens": length, "queries": queries}))


def mix(folder: Path, documents: int, length: int, queries: int, files: list[Path], asked: Path) -> None:
    """Each document holds tokens of two real ones: half a document of 16 is a run of 8 tokens of one, half of another.

    The two lie within NEIGHBOURS places of each other, which as files are read are chunks of one source file or the
    next. Every token is moved by SCATTER times the difference of two tokens of the same word (token id) drawn from the
    whole corpus, over the square root of 2, and brought to length 1: a move of that share of what one word differs from
    place to place, and in the directions in which it does. Queries are those of real texts.
    """
    rng = np.random.default_rng(11)
    held = [np.load(file) for file in files]
    tokens = np.concatenate([one["tokens"] for one in held])
    words = np.concatenate([one["token_ids"] for one in held])
    lengths = np.concatenate([np.diff(one["offsets"]) for one in held])
    starts = np.cumsum(lengths) - lengths
    by_word = np.argsort(words, kind="stable")
    counts = np.bincount(words)
    firsts = np.cumsum(counts) - counts

    def another(word: np.ndarray) -> np.ndarray:
        places = firsts[word] + (rng.random(len(word)) * counts[word]).astype(np.int64)
        drawn: np.ndarray = tokens[by_word[places]].astype(np.float32)
        return drawn

    total, half = documents * length, length // 2
    floats, codes, scales = create(folder, total)
    moved = []
    for first in range(0, documents, BLOCK):
        count = min(BLOCK, documents - first)
        one = rng.integers(0, len(lengths), count)
        other = np.clip(one + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, count), 0, len(lengths) - 1)
        places = []
        for real, run in ((one, half), (other, length - half)):
            start = starts[real] + (rng.random(count) * np.maximum(lengths[real] - run + 1, 1)).astype(np.int64)
            # A document shorter than the run ends by repeating its last token.
            places.append(np.minimum(start[:, None] + np.arange(run), (starts + lengths - 1)[real][:, None]))
        chosen = np.concatenate(places, axis=1).ravel()
        noise = (another(words[chosen]) - another(words[chosen])) * np.float32(SCATTER / np.sqrt(2))
        values = tokens[chosen].astype(np.float32) + noise
        moved.append(float(np.sqrt(np.einsum("td,td->t", noise, noise).mean())))
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        bounds = slice(first * length, (first + count) * length)
        floats[bounds] = values
        codes[bounds], scales[bounds] = encode_int8(values)
    print(
        f"{len(lengths):,} real documents, {len(tokens):,} tokens of {(counts > 0).sum():,} words; "
        f"moved by {np.mean(moved):.3f}"
    )
    with np.load(asked) as stored:
        np.save(folder / "queries.npy", stored["tokens"].astype(np.float32).reshape(-1, QUERY_TOKENS, DIM)[:queries])
    (folder / "drawn.json").write_text(json.dumps({"documents": documents, "tokens": length, "queries": queries}))


def create(folder: Path, total: int) -> list[np.ndarray]:
    """Files of `total` tokens, mapped: float16 and int8 [total, DIM], float16 [total]."""
    shapes = {"tokens": (np.float16, (total, DIM)), "codes": (np.int8, (total, DIM)), "scales": (np.float16, (total,))}
    return [
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, (dtype, shape) in shapes.items()
    ]


def parts(folder: Path) -> TokenPart:
    drawn = json.loads((folder / "drawn.json").read_text())
    codes, scales = (np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in ("codes", "scales"))
    return TokenPart(0, codes, scales, np.arange(drawn["documents"] + 1, dtype=np.int64) * drawn["tokens"])


def build(folder: Path) -> None:
    part = parts(folder)
    cpu, wall = time.process_time(), time.perf_counter()
    model = train(RowTokens([part], DIM))
    trained = time.process_time() - cpu
    (folder / "postings").mkdir(exist_ok=True)
    (folder / "model").mkdir(exist_ok=True)
    write_postings(model, part, folder / "postings")
    model.write(folder / "model")
    spent = {"cpu": time.process_time() - cpu, "training": trained, "wall": time.perf_counter() - wall}
    (folder / "built.json").write_text(json.dumps({**spent, "centroids": len(model.centroids), **memory()}))


def memory() -> dict[str, int]:
    """MB: the most that was resident, mapped files included, and what is private now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {name: int(lines[name].split()[0]) // 1024 for name in ("VmHWM", "RssAnon")}


def exact_rows(folder: Path, length: int, queries: np.ndarray) -> np.ndarray:
    """int64 [q, K], a block of documents at a time for all queries."""
    tokens = np.load(folder / "tokens.npy", mmap_mode="r")
    stacked = np.ascontiguousarray(queries.reshape(-1, DIM).T)
    best_scores = np.full((len(queries), K), -np.inf, np.float32)
    best_rows = np.full((len(queries), K), -1, np.int64)
    step = 1_000
    for first in range(0, len(tokens) // length, step):
        values = tokens[first * length : (first + step) * length].astype(np.float32)
        found = (values @ stacked).reshape(-1, length, stacked.shape[1]).max(axis=1)
        scores = found.reshape(len(found), len(queries), -1).sum(axis=2).T
        rows = np.broadcast_to(np.arange(first, first + len(found)), scores.shape)
        scores = np.concatenate([best_scores, scores], axis=1)
        rows = np.concatenate([best_rows, rows], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        best_scores, best_rows = (np.take_along_axis(array, order, 1) for array in (scores, rows))
    return best_rows


def ask(folder: Path) -> None:
    drawn, built = (json.loads((folder / f"{name}.json").read_text()) for name in ("drawn", "built"))
    part, queries = parts(folder), np.load(folder / "queries.npy")
    kept = folder / "exact.npy"
    if not kept.exists():
        np.save(kept, exact_rows(folder, drawn["tokens"], queries))
    wanted = list(np.load(kept))
    started = time.perf_counter()
    index = TokenIndex.open(
        TokenModel.load(folder / "model"), [(part, folder / "postings")], np.ones(part.rows, np.bool_)
    )
    index.search(queries[0], K)
    opened = 1e3 * (time.perf_counter() - started)
    size = sum(file.stat().st_size for name in ("postings", "model") for file in (folder / name).iterdir())
    assert part.scales is not None, "rows of one byte a dim have scales"
    size += part.tokens.nbytes + part.scales.nbytes + part.offsets.nbytes
    print(f"\n{part.rows:,} documents, {len(part.tokens):,} tokens, {built['centroids']:,} centroids, {index.backend}")
    print(f"build {built['cpu']:.0f} CPU s (training {built['training']:.0f}), {built['wall']:.0f} s, memory {built}")
    print(
        f"{size / len(part.tokens):.0f} bytes a token; open and first query {opened:.0f} ms (files in the page cache)\n"
    )
    print("| nprobe | rescore | wall ms | CPU ms | overlap@10 |\n|---|---|---|---|---|")
    for nprobe in (4, 8, 16, 32):
        for rescore in (224, 512, 1024, 4096):
            found = [index.search(query, K, nprobe=nprobe, rescore=rescore)[1] for query in queries]

            def one(number: int, nprobe: int = nprobe, rescore: int = rescore) -> object:
                return index.search(queries[number], K, nprobe=nprobe, rescore=rescore)

            wall, cpu = timed(one, len(queries))
            print(f"| {nprobe} | {rescore} | {wall:.2f} | {cpu:.2f} | {overlap(found, wanted):.3f} |", flush=True)
    result = index.search_detailed(queries[0], K)
    print(f"\ndefaults: {result.retrieved} postings, {result.candidates} candidates, {result.rescored} rescored")
    allowed = np.arange(part.rows) % 100 == 7
    wall, cpu = timed(lambda number: index.search(queries[number], K, allowed=allowed), len(queries))
    print(f"filter to 1 %: {wall:.2f} ms, {cpu:.2f} CPU ms; memory {memory()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=20, help="tokens a document")
    parser.add_argument("--queries", type=int, default=24)
    parser.add_argument("--of", type=Path, nargs="+", help="real documents that are mixed, in place of drawn words")
    parser.add_argument("--asked", type=Path, help="with --of: an .npz of queries")
    parser.add_argument("--step", choices=("draw", "build", "ask"))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.step == "draw" and arguments.of:
        mix(arguments.folder, arguments.documents, arguments.tokens, arguments.queries, arguments.of, arguments.asked)
    elif arguments.step == "draw":
        draw(arguments.folder, arguments.documents, arguments.tokens, arguments.queries)
    elif arguments.step is not None:
        {"build": build, "ask": ask}[arguments.step](arguments.folder)
    else:
        for step, done in (("draw", "drawn.json"), ("build", "built.json"), ("ask", "")):
            if not done or not (arguments.folder / done).exists():
                subprocess.run([sys.executable, *sys.argv, "--step", step], check=True)


if __name__ == "__main__":
    main()
