"""Whether what a warehouse serves is what its sources hold: chunks, vectors, answers, filters, catalog, evidence."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from xtr_assets.pipeline.derive.neighbor_lists import read_neighbors
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.search.hits import Hit
from xtr_assets.search.searcher import Searcher
from xtr_assets.storage.catalog import connect
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.id_maps import mapped_ids
from xtr_assets_tests.mutants.truth import Matrix, Row, Truth, Vectors, encode, name_of, text_of

K = 10
# A score may differ from the true one by what float16 and int8 rows lose; two chunks of this corpus that are not equal
# lie further apart.
TOLERANCE = {"dense": 2e-3, "xtr": 8e-3, "lexical": 1e-3}
# Healthy builds of this corpus find everything; what finds less than this is worse for users.
LEAST_RECALL = 0.9
# Texts that ask for themselves in the token index: all would take a second.
ASKED_TOKENS = 60
QUESTIONS = 12

COLUMNS = ("source", "path", "symbol", "kind", "part", "start_line", "end_line", "title", "text", "metadata")

# Filters, each with what it means. Lines of functions are 1, 7, 13, ... and three more where they moved.
FILTERS: tuple[tuple[dict[str, Any], Callable[[Row], bool]], ...] = (
    ({"source": "guide"}, lambda row: row["source"] == "guide"),
    ({"source": ["tickets", "guide"]}, lambda row: row["source"] in ("guide", "tickets")),
    ({"team": "ui"}, lambda row: row["metadata"].get("team") == "ui"),
    ({"team": {"not": "ui"}}, lambda row: row["metadata"].get("team") != "ui"),
    ({"team": None}, lambda row: row["metadata"].get("team") is None),
    ({"path": "m30.py"}, lambda row: row["path"] == "m30.py"),
    ({"path": {"glob": "m0?"}}, lambda row: False),
    ({"path": {"glob": "m0*.py"}}, lambda row: row["path"][:2] == "m0" and row["path"][-3:] == ".py"),
    ({"path": {"prefix": "0"}}, lambda row: False),
    ({"start_line": {"lt": 7}}, lambda row: row["start_line"] < 7),
    ({"start_line": {"gte": 7}}, lambda row: row["start_line"] > 6),
)


def harm(truth: Truth, warehouse: Warehouse) -> list[str]:
    """What is wrong with what is served, one line a kind; empty where nothing is."""
    generation = warehouse.published
    if generation is None:
        return ["nothing serves"]
    with Searcher(warehouse, "cpu") as searcher:
        found = [
            *_served(truth, searcher),
            *_answers(truth, searcher),
            *_words(truth, searcher),
            *_copies(truth, searcher),
            *_filters(truth, searcher),
        ]
    return [*found, *_vectors(truth, generation), *_catalog(truth, generation), *_evidence(truth, generation)]


def _copies(truth: Truth, searcher: Searcher) -> Iterator[str]:
    """One hit a text, the best of its chunks, and where else it stands among those that pass."""
    # A module stands twice, under two paths.
    for where in (None, {"path": {"not": "vendored.py"}}):
        rows = {one: row for one, row in truth.rows.items() if where is None or row["path"] != "vendored.py"}
        for mode in ("exact", "dense"):
            every = searcher.search("any thing at all", len(truth.rows), mode, where)
            best: dict[str, float] = {}
            for hit in every:
                best.setdefault(text_of(truth.rows[hit.chunk_id]), hit.score)
            hits = searcher.search("any thing at all", len(truth.rows), mode, where, collapse="text")
            found = [(text_of(truth.rows[hit.chunk_id]), hit.score) for hit in hits]
            if len(found) != len(best) or any(score < best.get(text, 0.0) for text, score in found):
                yield f"{mode}, one hit a text: {len(found)} hits, {len(best)} texts"
            also = {hit.chunk_id: {one.chunk_id for one in hit.also} for hit in hits}
            true = {
                one: {other for other in rows if other != one and text_of(rows[other]) == text_of(rows[one])}
                for one in also
            }
            if wrong := sum(also[one] != true[one] for one in also):
                yield f"{mode}, one hit a text: {wrong} hits name other places than those of their text"


def _served(truth: Truth, searcher: Searcher) -> Iterator[str]:
    """Every live chunk, as a search for all of them gives it."""
    for mode in ("dense", "xtr"):
        hits = searcher.search("any thing at all", len(truth.rows) + 200, mode)
        yield from (
            f"{mode}: {problem}" for problem in _compared(truth, [(hit.chunk_id, _columns(hit)) for hit in hits])
        )


def _columns(hit: Hit) -> Row:
    return {name: getattr(hit, name) for name in COLUMNS} | {"metadata": dict(hit.metadata)}


def _compared(truth: Truth, rows: list[tuple[int, Row]]) -> Iterator[str]:
    held = dict(rows)
    if len(held) < len(rows):
        yield f"{len(rows) - len(held)} chunks twice"
    if lost := truth.rows.keys() - held.keys():
        yield f"{len(lost)} chunks lost"
    if more := held.keys() - truth.rows.keys():
        yield f"{len(more)} chunks that are none"
    for name in COLUMNS:
        wrong = sum(held[one][name] != truth.rows[one][name] for one in held.keys() & truth.rows.keys())
        if wrong:
            yield f"{wrong} chunks with another {name}"


def _answers(truth: Truth, searcher: Searcher) -> Iterator[str]:
    """Each chunk asked by its own vectors, some questions in words; all against brute force."""
    vectors, ids = truth.encoded, truth.ids
    dense = searcher.search_vectors(vectors.embeddings, K)
    yield from _judged(truth, "dense", dense, [vectors.nearest(one) for one in vectors.embeddings])
    some = np.linspace(0, len(ids) - 1, ASKED_TOKENS).astype(int).tolist()
    # Those that the change brought are asked too.
    tokens = [vectors.tokens[place][:24] for place in some]
    yield from _judged(truth, "xtr", searcher.search_tokens(tokens, K), [vectors.maxsim(one) for one in tokens])
    asked = [" ".join(truth.rows[int(ids[place])]["text"].split()[3:9]) for place in some[:QUESTIONS]]
    own = encode(asked)
    lengths = np.log([max(1, len(one)) for one in vectors.tokens]).astype(np.float32)
    for mode, true in (
        ("dense", [vectors.nearest(one) for one in own.embeddings]),
        # As docs/searching.md says of this mode, by an encoder that did not learn to rank by MaxSim.
        (
            "xtr",
            [
                vectors.maxsim(tokens) - np.float32(0.0125) * lengths + np.float32(0.6) * vectors.nearest(embedding)
                for tokens, embedding in zip(own.tokens, own.embeddings, strict=True)
            ],
        ),
    ):
        answers = searcher.search_batch(asked, K, mode)  # type: ignore[arg-type]
        yield from _judged(truth, f"{mode} in words", _arrays(answers), true)
    best = [hits[0].chunk_id if hits else -1 for hits in searcher.search_batch(asked, K)]
    known = {truth.rows[one]["text"] if one in truth.rows else "" for one in best}
    meant = sum(all(word in text for word in question.split()) for question in asked for text in known)
    if meant < LEAST_RECALL * QUESTIONS:
        yield f"hybrid: {meant} of {QUESTIONS} questions find their chunk first"


def _words(truth: Truth, searcher: Searcher) -> Iterator[str]:
    """Questions in words, over all rows, under a filter, and with a phrase that must stand there."""
    place = {int(one): at for at, one in enumerate(truth.ids)}
    some = np.linspace(0, len(truth.ids) - 1, QUESTIONS).astype(int).tolist()
    wrong = 0
    for at in some:
        row = truth.rows[int(truth.ids[at])]
        text = " ".join(row["text"].split()[2:7]).replace('"', " ")
        scores = truth.words.scores(text)
        mine = np.array([truth.rows[int(one)]["source"] == row["source"] for one in truth.ids])
        word = next(one for one in row["text"].split() if one.isalpha())
        held = np.array([f" {word} " in f" {' '.join(truth.rows[int(one)]['text'].split())} " for one in truth.ids])
        for query, where, true in (
            (text, None, scores),
            (text, {"source": row["source"]}, np.where(mine, scores, 0)),
            (f"+{word}", None, np.where(held, truth.words.scores(word), 0)),
        ):
            hits = searcher.search(query, K, "lexical", where, syntax="terms" if query.startswith("+") else "plain")
            best = np.sort(true[true > 0])[::-1][:K]
            shown = np.array([hit.score for hit in hits], np.float32)
            if query.startswith("+"):
                # Other rows may hold the word beside a comma or a bracket.
                known = [place.get(hit.chunk_id, -1) for hit in hits]
                wrong += any(
                    at < 0 or word.casefold() not in str(truth.rows[int(truth.ids[at])]).casefold() for at in known
                )
            elif len(shown) != len(best) or np.abs(shown - best).max(initial=0) > TOLERANCE["lexical"]:
                wrong += 1
            else:
                own = [true[place[hit.chunk_id]] if hit.chunk_id in place else -1.0 for hit in hits]
                wrong += bool(np.abs(shown - np.array(own, np.float32)).max(initial=0) > TOLERANCE["lexical"])
    if wrong:
        yield f"lexical: {wrong} answers of {3 * len(some)} are wrong"


def _arrays(answers: Sequence[Sequence[Hit]]) -> tuple[Matrix, Any]:
    scores, ids = np.full((len(answers), K), -np.inf, np.float32), np.full((len(answers), K), -1, np.int64)
    for row, hits in enumerate(answers):
        scores[row, : len(hits)] = [hit.score for hit in hits]
        ids[row, : len(hits)] = [hit.chunk_id for hit in hits]
    return scores, ids


def _judged(truth: Truth, name: str, found: tuple[Matrix, Any], true: list[Matrix]) -> Iterator[str]:
    """Hits against the true scores of all chunks: dead ones, wrong scores, and neighbours that were not found."""
    tolerance = TOLERANCE[name.split()[0]]
    place = {int(one): at for at, one in enumerate(truth.ids)}
    dead = wrong = 0
    recalled = []
    for scores, ids, every in zip(*found, true, strict=True):
        last = np.sort(every)[-K]
        met = 0
        for score, one in zip(scores.tolist(), ids.tolist(), strict=True):
            if one not in place:
                dead += one >= 0
                continue
            wrong += abs(score - float(every[place[one]])) > tolerance
            met += bool(every[place[one]] >= last - tolerance)
        recalled.append(met / K)
    if dead:
        yield f"{name}: {dead} hits that are no chunk"
    if wrong:
        yield f"{name}: {wrong} hits with another score"
    if (mean := float(np.mean(recalled))) < LEAST_RECALL:
        yield f"{name}: recall {mean:.3f}"
    if lost := sum(one < 0.5 for one in recalled):
        yield f"{name}: {lost} queries that find less than half"


def _filters(truth: Truth, searcher: Searcher) -> Iterator[str]:
    for where, holds in FILTERS:
        wanted = {one for one, row in truth.rows.items() if holds(row)}
        hits = searcher.search("any thing at all", len(truth.rows) + 200, "dense", where)
        if {hit.chunk_id for hit in hits} != wanted:
            yield f"filter {where}: {len(hits)} hits, {len(wanted)} chunks"


def _names(generation: Generation) -> Iterator[str]:
    table, names = generation.chunk_table(["source", "path", "symbol", "text"]), generation.names()
    if names is None:
        yield "no names at all"
        return
    stored = names.gather(table["row"].to_numpy())
    true = [name_of(row) for row in table.to_pylist()]
    right = encode([name or "nothing" for name in true]).embeddings * np.array([[bool(name)] for name in true])
    if wrong := int((np.abs(stored - right).max(axis=1) > 0.01).sum()):
        yield f"{wrong} names of something else"


def _vectors(truth: Truth, generation: Generation) -> Iterator[str]:
    """What is stored for each live row against its text, encoded anew."""
    table = generation.chunk_table(["title", "text"])
    rows = table["row"].to_numpy()
    texts = [
        "\n".join(filter(None, pair))
        for pair in zip(table["title"].to_pylist(), table["text"].to_pylist(), strict=True)
    ]
    true = encode(texts)
    stored, tokens = generation.vectors().gather(rows), generation.tokens()
    if wrong := int((np.einsum("nd,nd->n", stored, true.embeddings) < 0.995).sum()):
        yield f"{wrong} embeddings of another text"
    yield from _names(generation)
    documents = [tokens.document(int(row)) for row in rows]
    if wrong := sum(not _same(mine, one) for mine, one in zip(documents, true.tokens, strict=True)):
        yield f"token embeddings of {wrong} chunks are another text's"
    if wrong := sum(
        not np.array_equal(mine, one) for mine, one in zip(_token_ids(generation), true.token_ids, strict=True)
    ):
        yield f"token ids of {wrong} chunks are another text's"


def _same(mine: Matrix, one: Matrix) -> bool:
    return mine.shape == one.shape and bool(np.abs(mine - one).max() < 0.02)


def _token_ids(generation: Generation) -> Iterator[Any]:
    for placed in generation.segments:
        arrays = placed.segment.tokens(generation.fingerprint)
        for position in np.flatnonzero(generation.live[placed.base_row : placed.end_row]).tolist():
            yield arrays.token_ids[arrays.offsets[position] : arrays.offsets[position + 1]]


def _catalog(truth: Truth, generation: Generation) -> Iterator[str]:
    """The rows as analysis sees them, and which chunk stands at which row."""
    with connect(generation) as connection:
        cursor = connection.execute(f"SELECT row, chunk_id, {', '.join(COLUMNS)} FROM chunks")
        found = cursor.fetchall()
    table = generation.chunk_table(["chunk_id"])
    at = dict(zip(table["row"].to_pylist(), table["chunk_id"].to_pylist(), strict=True))
    if wrong := sum(at.get(row[0]) != row[1] for row in found):
        yield f"catalog: {wrong} chunks at rows of others"
    mapped = mapped_ids(generation)
    if wrong := sum(int(mapped[row]) != one for row, one in at.items()) + int((mapped >= 0).sum() != len(at)):
        yield f"id map: {wrong} rows of other chunks"
    rows = [(row[1], dict(zip(COLUMNS, row[2:], strict=True))) for row in found]
    rows = [(one, row | {"metadata": json.loads(row["metadata"])}) for one, row in rows]
    yield from (f"catalog: {problem}" for problem in _compared(truth, rows))


def _evidence(truth: Truth, generation: Generation) -> Iterator[str]:
    """The lists that the gate judged by, and later gates go on from, against brute force over what is stored."""
    gate = read_queries(generation)
    if len(gate) < 10:
        yield f"evidence: {len(gate)} queries"
        return
    texts_asked = {query.text for query in gate.queries if query.kind != "vector"}
    if len(texts_asked) < 10:
        yield f"evidence: {len(texts_asked)} different texts are asked"
    if len({query.chunk_id for query in gate.queries}) < 10:
        yield "evidence: queries of a few chunks"
    yield from _verdicts(generation)
    brought = _brought(generation)
    if brought and not any(query.chunk_id in brought for query in gate.queries if query.stratum == "new"):
        yield "evidence: no query of what is new"
    rows, documents = np.flatnonzero(generation.live), generation.tokens()
    stored = generation.vectors().gather(rows)
    tokens = Vectors(stored, tuple(documents.document(int(row)) for row in rows), ())
    # Points near rows are named, not written.
    texts = [at for at, query in enumerate(gate.queries) if query.kind != "vector"]
    if not texts:
        yield "evidence: no query in words"
        return
    words = encode([gate.queries[at].text for at in texts])
    if (np.einsum("nd,nd->n", words.embeddings, gate.embeddings[texts]) < 0.995).any():
        yield "evidence: vectors of other queries"
    for space in ("dense", "xtr"):
        kept = read_neighbors(generation, space)
        # An exhaustive index is not judged by lists in every release: then none are kept.
        if not len(kept.rows):
            continue
        wrong = 0
        for at in (at for at in range(len(gate)) if len(gate.tokens[at])):
            true = (
                stored @ gate.embeddings[at]
                if space == "dense"
                else tokens.maxsim(gate.tokens[at]) * len(gate.tokens[at])
            )
            listed = kept.scores[at, :K]
            if space == "xtr" and listed[0] <= 1.01:
                true = true / len(gate.tokens[at])
            wrong += not np.allclose(np.sort(true)[::-1][:K], listed, atol=0.01)
            wrong += not bool(generation.live[kept.rows[at, :K]].all())
        if wrong:
            yield f"evidence: {wrong} wrong lists of exact neighbours ({space})"


def _brought(generation: Generation) -> set[int]:
    """Chunks that came, which the parent does not hold."""
    if generation.parent is None:
        return set()
    parent = Generation.open(generation.layout, generation.parent or generation.number)
    ids = [set(one.chunk_table(["chunk_id"])["chunk_id"].to_pylist()) for one in (parent, generation)]
    return ids[1] - ids[0]


def _verdicts(generation: Generation) -> Iterator[str]:
    """Each verdict is about something, and about this generation: its rows and tombstones are not its parent's."""
    checks = generation.manifest.checks
    parents = {} if generation.parent is None else Generation.open(generation.layout, generation.parent).manifest.checks
    if copied := [name for name, one in checks.items() if name in parents and parents[name].digest == one.digest]:
        yield f"evidence: {len(copied)} verdicts of the parent"
    if len({one.subject for one in checks.values()}) == 1:
        yield "evidence: every verdict is about the same"
