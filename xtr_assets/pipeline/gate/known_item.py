"""`known_item`: do texts that name a chunk find it, as users ask? A collapse of quality that recall cannot see.

Recall compares an index with its own vectors: where those belong to other texts, or a hit shows another chunk's id,
recall is perfect. Here a docstring's sentence, a title or a heading is asked through the searcher, encoded anew (of
those that the parent asked, a part), and the hits that come back have to carry its words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xtr_assets.core.ids import chunk_id
from xtr_assets.core.known_items import ItemScore, Words, asked_words, carried_words, score_items, surely_lost
from xtr_assets.core.maxsim import maxsim
from xtr_assets.core.recall import lower_bound, upper_bound
from xtr_assets.core.types import Floats, encoded_text
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.kept_questions import kept_questions
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.row_diff import RowDiff
from xtr_assets.pipeline.queries.gate_queries import GateQuery
from xtr_assets.pipeline.queries.synthesis import NAMING, QueryKind
from xtr_assets.search.confidence import PROFILE_KEY
from xtr_assets.search.hits import Hit
from xtr_assets.storage.chunk_files import rows_at
from xtr_assets.storage.generation import Generation

CHECK = "known_item"
# What a session keeps the answers under.
ITEMS = "known items"
# Recall is taken at ten, and at a twentieth of the rows where that is less: ten of a hundred hits answer by chance.
K, ROWS_A_HIT = 10, 20
# Items asked: about 8 ms each in hybrid, and 150 settle a recall of 0.8 to 0.05.
MOST_ITEMS = 150
# With fewer items that name a chunk, parts of texts are asked as well: they say less about what users ask, and as much
# about vectors and ids that belong to other texts.
LEAST_NAMED = 40
QUOTING: tuple[QueryKind, ...] = ("sentence", "symbol", "span", "drawn")
# Hits read a query, and where fewer than ten of those served before: ten of them are among so many after a change that
# brought four times as many again. A hit takes .1 ms.
FIRST_DEPTH, DEPTH = 15, 50
# Lists of other queries that a query is held against, and the share of them that may answer it: words that every tenth
# list carries ("See also", permutations of a few words) name nothing.
RIVALS, MOST_CHANCE = 30, 0.1
# Healthy builds find 0.99 to 1.0 of them, with the hashing encoder of 64 dimensions as well (SciFact, CoNaLa, CosQA,
# the standard library, Markdown; 78 to 2,312 chunks). Vectors of the next text leave 0.01 to 0.25 (what stands side by
# side is alike), permuted ids 0.00 to 0.26: half lies surely above these from 40 items on.
FLOOR = 0.5
CONFIDENCE = 0.999
# An item counts as told apart by this much of a cosine: what is stored as float16 and int8 keeps the order then.
MARGIN = 0.02
# Chunks among which an item has to be told apart, besides those of the other items.
OTHERS = 64
# Kinds of chunks whose id follows from source, path, symbol and part, but for how often the symbol came before.
PLACED = ("class", "config", "function", "method", "record", "section", "text")
OCCURRENCES = 64
REMEDY = (
    "`xtr-assets diff` shows which answers changed; where other checks passed the encoder or the corpus is the cause; "
    "`xtr-assets publish N --force --reason` (in Dagster: `publish` with `force`) where it is meant"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Items that were asked: the queries, the hits of each, and those of them that served before, with the item's own
    chunk, which may have changed. misplaced : hits under another chunk's id, which are not among them. words : by title
    and text of a hit what it carries, as far as somebody asked."""

    queries: tuple[GateQuery, ...]
    hits: tuple[tuple[Hit, ...], ...]
    before: tuple[tuple[Hit, ...], ...]
    misplaced: int = 0
    words: dict[tuple[str, str], Words] = field(default_factory=dict)

    def of(self, chosen: Sequence[int]) -> "Asked":
        """Some of them."""
        return Asked(
            tuple(self.queries[i] for i in chosen),
            tuple(self.hits[i] for i in chosen),
            tuple(self.before[i] for i in chosen),
            self.misplaced,
            self.words,
        )

    def carried(self, hit: Hit) -> Words:
        """The words of a hit."""
        key = hit.title, hit.text
        if key not in self.words:
            self.words[key] = carried_words(f"{hit.title}\n{hit.text}")
        return self.words[key]


@dataclass(frozen=True, slots=True)
class _Answer:
    """read : how many hits came; told : those under their own id, any other answers nothing; before : those of them
    that served before, and the item's own chunk."""

    read: int
    told: tuple[Hit, ...]
    before: tuple[Hit, ...]

    @classmethod
    def of(cls, item: GateQuery, hits: Sequence[Hit], new: set[int]) -> "_Answer":
        told = tuple(hit for hit in hits if id_is_of_place(hit))
        return cls(
            len(hits), told, tuple(hit for hit in told if hit.chunk_id not in new or hit.chunk_id == item.chunk_id)
        )


def check(session: DraftSession) -> Finding:
    """Known-item recall in hybrid: not surely below FLOOR, nor below the serving generation's on the same items."""
    asked = asked_items(session)
    before, k = recorded_ranks(session.serving), depth_of(session.draft.live_rows)
    judged = judge_items(asked, before, k, asked.misplaced)
    if judged.value is None or judged.value >= FLOOR:
        return judged
    told_apart = told_apart_by(session, asked.queries)
    kept = [i for i, query in enumerate(asked.queries) if query.query_id in told_apart]
    return judge_items(asked.of(kept), before, k, asked.misplaced, len(asked.queries) - len(told_apart))


def asked_items(session: DraftSession) -> Asked:
    """The known items and what hybrid answers, asked once for the checks of a step."""
    manifest = session.draft.manifest
    # How sure a hit is changes no hit.
    profile = {name: value for name, value in manifest.profile.items() if name != PROFILE_KEY}
    files = sorted((name, one.sha256) for name, one in manifest.files.items())

    def ask() -> Asked:
        searcher, items = session.searcher(), known_items(session)
        new = new_ids(session.serving, session)

        def answers(chosen: Sequence[int], depth: int) -> dict[int, _Answer]:
            texts = [items[i].text for i in chosen]
            found = searcher.search_batch(texts, depth, syntax="plain") if texts else []
            return {i: _Answer.of(items[i], hits, new) for i, hits in zip(chosen, found, strict=True)}

        with session.asked_texts(session.draft).lent(session.draft, *kept_questions(session, CHECK, items)):
            found = answers(range(len(items)), FIRST_DEPTH)
            few = [i for i, one in found.items() if one.read == FIRST_DEPTH and min(len(one.told), len(one.before)) < K]
            found |= answers(few, DEPTH)
        return Asked(
            tuple(items),
            tuple(one.told for one in found.values()),
            tuple(one.before for one in found.values()),
            sum(one.read - len(one.told) for one in found.values()),
        )

    return session.kept(ITEMS, repr([files, profile]), ask)


def told_by_few(asked: Asked) -> Asked:
    """The items whose words name something: no tenth list of other items carries them."""
    scored = _scored([asked_words(query.text) for query in asked.queries], asked, asked.hits, K)
    return asked.of([i for i, chance in enumerate(scored.chance) if chance <= MOST_CHANCE])


def depth_of(rows: int) -> int:
    """The k of recall@k over so many rows.

    >>> [depth_of(rows) for rows in (5, 78, 150, 20_000)]
    [1, 3, 7, 10]
    """
    return max(1, min(K, rows // ROWS_A_HIT))


def judge_items(
    asked: Asked, before: Mapping[str, int], k: int, misplaced: int = 0, not_told_apart: int = 0
) -> Finding:
    """The verdict on items that were asked, beside the ranks that the serving generation recorded of the same ones.

    not_told_apart : items that were left out because the encoder itself does not find them, see `told_apart_by`.
    """
    words = [asked_words(query.text) for query in asked.queries]
    now, common = _scored(words, asked, asked.hits, k), _scored(words, asked, asked.before, k)
    kept = [i for i, chance in enumerate(now.chance) if chance <= MOST_CHANCE]
    kinds = [asked.queries[i].kind for i in kept]
    details: dict[str, Any] = {
        "k": k,
        "items": len(kept),
        "ambiguous": len(words) - len(kept),
        "not_told_apart": not_told_apart,
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "ids_of_other_places": misplaced,
        "ranks": {asked.queries[i].query_id: now.ranks[i] for i in kept},
    }
    if not kept:
        said = f"none of {len(words)} texts names one chunk: the words of each stand in the hits of others as well"
        if not words:
            said = "no text that names a chunk was drawn"
            said = (
                f"the encoder tells none of {not_told_apart} named chunks from the others" if not_told_apart else said
            )
        return Finding(True, None, FLOOR, f"{said}; nothing is said of quality", details)
    values = np.array([0 < now.ranks[i] <= k for i in kept], np.float64)
    mean = float(values.mean())
    most = upper_bound(mean, len(values), CONFIDENCE)
    lost, gained, fewer = surely_lost(
        {query: 0 < rank <= k for query, rank in before.items()},
        {asked.queries[i].query_id: 0 < common.ranks[i] <= k for i in kept},
        {asked.queries[i].query_id: asked.queries[i].chunk_id for i in kept},
    )
    few = "" if upper_bound(0.0, len(kept), CONFIDENCE) < FLOOR else "too few to refuse for; "
    compared = f"; {lost} of their chunks were lost and {gained} gained since what serves" if before else ""
    passed = most >= FLOOR and not fewer
    return Finding(
        passed=passed,
        value=most,
        threshold=FLOOR,
        summary=f"{mean:.3f} of {len(kept)} texts find the chunk they name among the first {k}, surely at most "
        f"{most:.3f}; {few}{FLOOR:g} is asked{compared}",
        details={
            **details,
            "recall": mean,
            "lower_bound": lower_bound(values),
            "lost": lost,
            "gained": gained,
            "confidence": CONFIDENCE,
        },
        remedy="" if passed else REMEDY,
    )


def known_items(session: DraftSession) -> list[GateQuery]:
    """Drawn queries whose chunk is live and still carries their words: those that name it, and where these are few
    those that quote it."""
    queries = session.queries().queries
    texts = dict(_texts(session.draft, {query.chunk_id for query in queries if query.chunk_id >= 0}))
    held = [query for query in queries if query.chunk_id in texts and _named_by(query, texts[query.chunk_id])]
    naming = [query for query in held if query.kind in NAMING]
    quoting = [query for query in held if query.kind in QUOTING]
    return (naming if len(naming) >= LEAST_NAMED else [*naming, *quoting])[:MOST_ITEMS]


def told_apart_by(session: DraftSession, items: Sequence[GateQuery]) -> set[str]:
    """Ids of the items whose chunk an encoder opened anew puts first among the chunks of all items and some others, by
    its embeddings and by its tokens, whichever it gives.

    An encoder that knows no emoji gives all of them one vector: that they are not found is no fault of the build.
    Encoded only where the floor is missed: as many texts as there are items, and OTHERS.
    """
    texts = dict(_encoded_texts(session.draft, {query.chunk_id for query in items} | some_chunks(session.draft)))
    items = [query for query in items if query.chunk_id in texts]
    if not items:
        return set()
    encoder = session.fresh_encoder()
    names = np.array(sorted(set(texts.values())))
    documents = encoder.encode_documents(names.tolist())
    asked = encoder.encode_queries([query.text for query in items])
    told_in: list[Callable[[int], Floats]] = []
    if "dense" in encoder.legs:
        dense = asked.embeddings @ documents.embeddings.astype(np.float32).T
        told_in.append(lambda i: dense[i])
    if "tokens" in encoder.legs:
        told_in.append(
            lambda i: (
                maxsim(asked.tokens[i], documents.tokens, documents.offsets) / np.float32(max(1, len(asked.tokens[i])))
            )
        )
    found = set()
    for i, query in enumerate(items):
        own = names == texts[query.chunk_id]
        scores = [score(i) for score in told_in]
        if all(one[own].max() > one[~own].max(initial=-1.0) + MARGIN for one in scores):
            found.add(query.query_id)
    return found


def some_chunks(draft: Generation) -> set[int]:
    """chunk_ids of OTHERS live chunks, evenly spaced."""
    rows = np.flatnonzero(draft.live)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(OTHERS, len(rows))).astype(int))] if len(rows) else rows
    ids = [
        one.segment.chunk_ids()[rows[(rows >= one.base_row) & (rows < one.end_row)] - one.base_row]
        for one in draft.segments
    ]
    return set(np.concatenate(ids or [np.empty(0, np.int64)]).tolist())


def id_is_of_place(hit: Hit) -> bool:
    """Whether the chunk_id of a hit follows from its place; True for kinds of which the place does not tell."""
    if hit.kind not in PLACED:
        return True
    place = hit.source, hit.path, hit.symbol
    return any(chunk_id(*place, occurrence, hit.part) == hit.chunk_id for occurrence in range(OCCURRENCES))


def new_ids(serving: Generation | None, session: DraftSession) -> set[int]:
    """chunk_ids that who searches now does not find: a known item that is pushed out by them is no loss."""
    if serving is None:
        return set()
    parent = session.parent
    same = parent is not None and parent.number == serving.number
    new = session.rows.new if same else RowDiff(serving, session.draft).new
    ids = [one.segment.chunk_ids()[new[one.base_row : one.end_row]] for one in session.draft.segments]
    return set(np.concatenate(ids or [np.empty(0, np.int64)]).tolist())


def _scored(words: Sequence[Words], asked: Asked, lists: Sequence[Sequence[Hit]], k: int) -> ItemScore:
    return score_items(words, [[asked.carried(hit) for hit in hits] for hits in lists], k, RIVALS)


def _named_by(query: GateQuery, carried: Words) -> bool:
    words = asked_words(query.text)
    return bool(words) and words <= carried


def recorded_ranks(serving: Generation | None) -> Mapping[str, int]:
    """The rank of each item in the serving generation; none where it did not measure."""
    record = None if serving is None else serving.manifest.checks.get(CHECK)
    return {} if record is None else dict(record.details.get("ranks", {}))


def _texts(generation: Generation, wanted: set[int]) -> Iterator[tuple[int, Words]]:
    """(chunk_id, words of title and text) of the wanted live chunks."""
    for chunk, row in _rows(generation, wanted):
        yield chunk, carried_words(f"{row['title']}\n{row['text']}")


def _encoded_texts(generation: Generation, wanted: set[int]) -> Iterator[tuple[int, str]]:
    """(chunk_id, what an encoder is given of it) of the wanted live chunks."""
    for chunk, row in _rows(generation, wanted):
        yield chunk, encoded_text(row["title"], row["text"])


def _rows(generation: Generation, wanted: set[int]) -> Iterator[tuple[int, dict[str, str]]]:
    """(chunk_id, title and text) of the wanted live chunks."""
    ids = np.array(sorted(wanted), np.int64)
    for one in generation.segments:
        own = one.segment.chunk_ids()
        there = np.flatnonzero(np.isin(own, ids) & generation.live[one.base_row : one.end_row])
        rows = rows_at(one.segment.chunks().select(["title", "text"]), there).to_pylist()
        for at, row in zip(there.tolist(), rows, strict=True):
            yield int(own[at]), row
