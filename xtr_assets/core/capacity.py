"""What an index of so many chunks takes: disk, memory, CPU hours, a query; and into how many parts it has to be cut.

Bytes follow from docs/format.md. Everything else was measured on two cores of a shared virtual machine (AMD EPYC,
AVX-512 with VNNI and bf16) and holds for such a core: `python benchmarks/capacity.py WAREHOUSE` prints the figures of a
build, and `xtr_assets_tests/core/test_capacity.py` holds this module against those of 4,642 to a million chunks.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from xtr_assets.core.errors import InvalidInput
from xtr_assets.core.part_places import MOST_CHUNKS
from xtr_assets.core.recipe_shortlist import plan_dense

EncoderKind = Literal["minilm", "hashing"]

# Rows of chunks.arrow and chunks.parquet beside their text, and of both to a byte of it: benchmarks/capacity.py,
# 1.22 to 1.44 kB a chunk of the standard library's 526 bytes, 0.54 of records of 262.
ROW_BYTES, ARROW_A_BYTE, PARQUET_SHARE = 130, 1.1, 0.3
# Postings of words, to a byte of text (0.67 abstracts, 0.96 code, 1.3 records of rare words).
WORDS_A_BYTE = 1.0
# A token beside its int8 components: a float16 scale and an int32 id. Its posting: 4.1 to 5.0, and two bytes more where
# 16 bits do not number its centroid.
TOKEN_BYTES, POSTING_BYTES, WIDE_BYTES = 6, 4.5, 2
# Offsets of tokens, id map, tombstones.
OFFSET_BYTES, ID_MAP_BYTES = 8, 15
# Catalog, queries of the gate, manifests, shards.
FIXED_BYTES = 2_000_000
# Centroids of a token index (index/late/training.py): 4 sqrt(tokens); no more than 16 bits can number before twice as
# many are wanted.
CENTROIDS_A_ROOT, NARROW_CENTROIDS, PAYING_CENTROIDS, MOST_CENTROIDS = 4.0, 65_536, 131_072, 1 << 20
SAMPLE_A_CENTROID = 32
KMEANS_ROUNDS = 6

# CPU us of a token: by 16-bit integers (`int16`, AVX-512 with VNNI), 45.7 CPU s of 2,307 chunks of the standard library
# with their names (docs/measurements.md, "A full build"); by bf16 products 315 to 330. hashing: growth.py.
ENCODING_US: dict[EncoderKind, float] = {"minilm": 226.0, "hashing": 2.5}
# What tiles (`amx_int16`) take of that: the same chunks in 27.6 and 26.2 CPU s for 40.5 and 35.6.
TILES_SHARE: dict[EncoderKind, float] = {"minilm": 0.7, "hashing": 1.0}
# CPU us of chunking: a chunk, and a byte of its text (29 us records of 262 bytes, 107 Python of 526, 80 abstracts).
CHUNKING_US, CHUNKING_US_A_BYTE = 10.0, 0.12
# A token beside a centroid, ns: fixed, and a dim (dim 32: 0.37 to 0.56, dim 128: 0.95); tuning is 10 s beside it.
CENTROID_NS, CENTROID_NS_A_DIM, TOKEN_TUNING_SECONDS = 0.25, 0.0055, 10.0
# So many tokens are scanned by plan, and nothing is tuned (index/late/options.py, PLANNED_SCAN components).
SCANNED_COMPONENTS = 1 << 24
# Postings of words, CPU us a byte of text (0.15 to 0.34).
WORDS_US_A_BYTE = 0.2
# Exact neighbours of 200 queries, CPU ns a token and dim (11 to 34).
NEIGHBORS_NS = 18.0
# Checks: fixed, a chunk, and what is encoded again. Dagster and the process.
CHECK_SECONDS, CHECK_US, RECODED_TOKENS, PROCESS_SECONDS = 4.0, 50.0, 15_000, 5.0
# Memory of a build at its peak: the process, the model, and its files, which are mapped: 790 MB of 247 on disk, 1,418
# of 732, 3,000 of 2,050.
BUILD_BYTES, BUILD_A_FILE_BYTE = 500_000_000, 1.25
MODEL_BYTES: dict[EncoderKind, int] = {"minilm": 400_000_000, "hashing": 0}
# Memory of a searching process beside the dense index: its own, of each row (masks, ids), of the encoder, whose weights
# are mapped (68 MB of 10,000 records, 82 of 100,000, 108 of 300,000; 126 of the demo).
SEARCH_BYTES, SEARCH_ROW_BYTES = 70_000_000, 40
SEARCH_MODEL_BYTES: dict[EncoderKind, int] = {"minilm": 55_000_000, "hashing": 0}
# CPU ms of a query of one thread, by what they were measured at, and the power of the chunks they grow by.
# minilm: by `int16` (docs/measurements.md, "One question by its phases"), 5.5 before.
QUERY_ENCODING_MS: dict[EncoderKind, float] = {"minilm": 2.0, "hashing": 0.3}
# docs/measurements.md, "Late interaction": 1.0 ms of 12,000 documents, 1.7 of 50,000, 2.7 of 100,000; 7.2 of a million.
LATE_MS, LATE_AT, LATE_POWER = 1.0, 12_000, 0.47
# "Dense index" and "A million rows": 0.073 of 24,000, 0.182 of 100,000, 0.93 of a million, recall@10 0.95 to 0.97.
DENSE_MS, DENSE_AT, DENSE_POWER = 0.182, 100_000, 0.7
# "Lexical index": 0.168 of 50,000; every posting of a question's terms is read.
WORDS_MS, WORDS_AT, WORDS_POWER = 0.168, 50_000, 1.0
# Candidates of each leg scored by the others, moments, names, fusion, ten hits (benchmarks/question.py, capacity.py).
ANSWER_MS = 2.0


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is indexed. By default chunks as those of the standard library: 90 tokens and 526 bytes, embedded encoder,
    shipped head, names."""

    chunks: int
    tokens_a_chunk: float = 90.0
    bytes_a_chunk: float = 526.0
    dim: int = 384
    token_dim: int = 48
    names: bool = True
    encoder: EncoderKind = "minilm"

    def __post_init__(self) -> None:
        if self.chunks < 1 or self.dim < 1 or self.token_dim < 0 or min(self.tokens_a_chunk, self.bytes_a_chunk) < 0:
            raise InvalidInput(
                f"{self.chunks} chunks of {self.tokens_a_chunk:g} tokens and {self.bytes_a_chunk:g} bytes, dims "
                f"{self.dim} and {self.token_dim} cannot be planned; at least one chunk and dim 1 are needed"
            )
        if self.encoder not in get_args(EncoderKind):
            raise InvalidInput(f"encoder {self.encoder!r} was not measured; {', '.join(get_args(EncoderKind))} were")

    @property
    def tokens(self) -> int:
        return round(self.chunks * self.tokens_a_chunk)

    @property
    def text_bytes(self) -> int:
        return round(self.chunks * self.bytes_a_chunk)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one index takes.

    disk : bytes of a generation by part; cpu_seconds : of its full build by step, one core; building_bytes : resident
    memory of the build at its peak, most of it mapped files; searching_bytes : private memory of a process that
    searches; query_ms : CPU of a hybrid query by part, one thread.
    """

    corpus: Corpus
    disk: dict[str, int]
    cpu_seconds: dict[str, float]
    building_bytes: int
    searching_bytes: int
    query_ms: dict[str, float]

    @property
    def disk_bytes(self) -> int:
        return sum(self.disk.values())

    @property
    def mapped_bytes(self) -> int:
        """What a search reads of the disk: kept in the page cache, it is memory."""
        return self.disk_bytes - self.disk["dense"]

    @property
    def encoding_seconds(self) -> float:
        return self.cpu_seconds["encoding"]

    @property
    def tiles_seconds(self) -> float:
        """Of encoding where the processor has tiles (AMX)."""
        return TILES_SHARE[self.corpus.encoder] * self.encoding_seconds

    @property
    def building_seconds(self) -> float:
        """All but encoding."""
        return sum(self.cpu_seconds.values()) - self.encoding_seconds

    def as_json(self) -> dict[str, Any]:
        return {
            "chunks": self.corpus.chunks,
            "disk_bytes": self.disk_bytes,
            "disk": self.disk,
            "encoding_cpu_seconds": round(self.encoding_seconds, 1),
            "encoding_cpu_seconds_amx": round(self.tiles_seconds, 1),
            "building_cpu_seconds": round(self.building_seconds, 1),
            "cpu_seconds": {name: round(spent, 1) for name, spent in self.cpu_seconds.items()},
            "building_bytes": self.building_bytes,
            "searching_private_bytes": self.searching_bytes,
            "searching_mapped_bytes": self.mapped_bytes,
            "query_cpu_ms": {name: round(spent, 2) for name, spent in self.query_ms.items()},
        }


@dataclass(frozen=True, slots=True)
class Divided:
    """An index in so many parts of `part.corpus.chunks` chunks at most.

    A query asks every part and encodes its words once; parts are built one by one or on as many hosts as there are.
    """

    parts: int
    part: Capacity
    corpus: Corpus

    @property
    def share(self) -> float:
        """Whole parts that the chunks fill."""
        return self.corpus.chunks / self.part.corpus.chunks

    @property
    def disk_bytes(self) -> int:
        return round(self.share * self.part.disk_bytes)

    @property
    def encoding_hours(self) -> float:
        return self.share * self.part.encoding_seconds / 3600

    @property
    def tiles_hours(self) -> float:
        return self.share * self.part.tiles_seconds / 3600

    @property
    def building_hours(self) -> float:
        return self.share * self.part.building_seconds / 3600

    @property
    def searching_bytes(self) -> int:
        """Private memory of all parts together."""
        return round(self.share * self.part.searching_bytes)

    @property
    def mapped_bytes(self) -> int:
        return round(self.share * self.part.mapped_bytes)

    @property
    def query_ms(self) -> float:
        """CPU of a query over all parts, one thread after another."""
        once = self.part.query_ms["encoding"]
        return once + self.share * (sum(self.part.query_ms.values()) - once)

    def as_json(self) -> dict[str, Any]:
        return {
            "chunks": self.corpus.chunks,
            "tokens": self.corpus.tokens,
            "text_bytes": self.corpus.text_bytes,
            "encoder": self.corpus.encoder,
            "parts": self.parts,
            "disk_bytes": self.disk_bytes,
            "encoding_cpu_hours": round(self.encoding_hours, 2),
            "encoding_cpu_hours_amx": round(self.tiles_hours, 2),
            "building_cpu_hours": round(self.building_hours, 2),
            "building_bytes": self.part.building_bytes,
            "searching_private_bytes": self.searching_bytes,
            "searching_mapped_bytes": self.mapped_bytes,
            "query_cpu_ms": round(self.query_ms, 2),
            "part": self.part.as_json(),
        }


def divided(corpus: Corpus, most_chunks: int = MOST_CHUNKS) -> Divided:
    """The corpus in as few parts as may hold it, all alike.

    >>> [divided(Corpus(chunks)).parts for chunks in (10_000, 5_000_000, 5_000_001, 100_000_000)]
    [1, 1, 2, 20]
    """
    if most_chunks < 1:
        raise InvalidInput(f"a part of {most_chunks} chunks holds none; at least 1")
    parts = math.ceil(corpus.chunks / most_chunks)
    return Divided(parts, capacity(replace(corpus, chunks=math.ceil(corpus.chunks / parts))), corpus)


def capacity(corpus: Corpus) -> Capacity:
    """What one index over the corpus takes, whether or not a host holds it."""
    dense = plan_dense(corpus.chunks, corpus.dim)
    disk = {**_disk(corpus), "dense": dense.memory_bytes, "else": FIXED_BYTES}
    files = sum(disk.values())
    return Capacity(
        corpus,
        disk,
        {**_cpu_seconds(corpus), "dense": dense.build_seconds},
        building_bytes=round(BUILD_BYTES + MODEL_BYTES[corpus.encoder] + BUILD_A_FILE_BYTE * files),
        searching_bytes=SEARCH_BYTES
        + SEARCH_MODEL_BYTES[corpus.encoder]
        + dense.memory_bytes
        + SEARCH_ROW_BYTES * corpus.chunks,
        query_ms=_query_ms(corpus),
    )


def centroid_count(tokens: int) -> int:
    """How many centroids a token index of so many tokens has.

    >>> [centroid_count(tokens) for tokens in (3_100_000, 9_300_000, 10**9, 4 * 10**9)]
    [7042, 12198, 65536, 252982]
    """
    wanted = int(CENTROIDS_A_ROOT * math.sqrt(tokens))
    return NARROW_CENTROIDS if NARROW_CENTROIDS < wanted < PAYING_CENTROIDS else min(MOST_CENTROIDS, wanted)


def _disk(corpus: Corpus) -> dict[str, int]:
    rows, tokens, text = corpus.chunks, corpus.tokens, corpus.text_bytes
    arrow = ROW_BYTES * rows + ARROW_A_BYTE * text
    late = bool(corpus.token_dim)
    return {
        "chunks": round((1 + PARQUET_SHARE) * arrow),
        "embeddings": 2 * corpus.dim * rows,
        "names": (2 * corpus.dim + 16) * rows if corpus.names else 0,
        "tokens": (corpus.token_dim + TOKEN_BYTES) * tokens + OFFSET_BYTES * rows if late else 0,
        "postings": _posting_bytes(corpus) if late else 0,
        "lexical": round(WORDS_A_BYTE * text),
        "id map": ID_MAP_BYTES * rows,
    }


def _posting_bytes(corpus: Corpus) -> int:
    centroids = centroid_count(corpus.tokens)
    a_token = POSTING_BYTES + (WIDE_BYTES if centroids > NARROW_CENTROIDS else 0)
    return round(a_token * corpus.tokens) + corpus.token_dim * centroids


def _cpu_seconds(corpus: Corpus) -> dict[str, float]:
    tokens, text = corpus.tokens, corpus.text_bytes
    late = 0.0
    if corpus.token_dim:
        centroids = centroid_count(tokens)
        met = tokens + KMEANS_ROUNDS * min(tokens, SAMPLE_A_CENTROID * centroids)
        late = 1e-9 * met * centroids * (CENTROID_NS + CENTROID_NS_A_DIM * corpus.token_dim)
        late += TOKEN_TUNING_SECONDS if tokens * corpus.token_dim > SCANNED_COMPONENTS else 0.0
    names = 1.1 if corpus.names else 1.0
    again = RECODED_TOKENS * ENCODING_US[corpus.encoder]
    return {
        "chunking": 1e-6 * (CHUNKING_US * corpus.chunks + CHUNKING_US_A_BYTE * text),
        "encoding": 1e-6 * names * ENCODING_US[corpus.encoder] * tokens,
        "tokens": late,
        "lexical": 1e-6 * WORDS_US_A_BYTE * text,
        "neighbors": 1e-9 * NEIGHBORS_NS * tokens * max(1, corpus.token_dim),
        "checks": CHECK_SECONDS + 1e-6 * (CHECK_US * corpus.chunks + again),
        "process": PROCESS_SECONDS,
    }


def _query_ms(corpus: Corpus) -> dict[str, float]:
    return {
        "encoding": QUERY_ENCODING_MS[corpus.encoder],
        "tokens": LATE_MS * (corpus.chunks / LATE_AT) ** LATE_POWER if corpus.token_dim else 0.0,
        "dense": DENSE_MS * (corpus.chunks / DENSE_AT) ** DENSE_POWER,
        "lexical": WORDS_MS * (corpus.chunks / WORDS_AT) ** WORDS_POWER,
        "answer": ANSWER_MS,
    }
