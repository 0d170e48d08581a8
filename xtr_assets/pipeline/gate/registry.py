"""The checks of the gate, each with what it is about: the one list that Dagster, `publish`, docs and tests follow."""

from xtr_assets.config import IndexConfig
from xtr_assets.pipeline.derive.neighbor_lists import neighbor_files
from xtr_assets.pipeline.gate import (
    answers_agree,
    answers_shadow,
    confidence_holds,
    encoder_canary,
    evidence_suffices,
    finds_itself,
    hits_are_whole,
    index_recall,
    judgments,
    known_item,
    legs_agree,
    lexical_agrees,
    list_balance,
    new_row_recall,
    nothing_vanished,
    rows_everywhere,
    shadow,
    source_agrees,
    token_drift,
    validity,
    vectors_are_the_texts,
)
from xtr_assets.pipeline.gate.finding import finite
from xtr_assets.pipeline.gate.gate_check import LEXICAL_FOLDER, TOKEN_FOLDER, GateCheck
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.queries.gate_queries import QUERY_FILES
from xtr_assets.search.confidence import PROFILE_KEY
from xtr_assets.search.loaders import DENSE_FILE, TOKEN_FILE
from xtr_assets.storage.catalog import CATALOG_NAME
from xtr_assets.storage.draft import EVERY_FILE
from xtr_assets.storage.id_map import ID_MAP_NAME
from xtr_assets.storage.manifest import CheckRecord, RequiredCheck
from xtr_assets.telemetry import metrics


def has_judgments(config: IndexConfig) -> bool:
    """Whether somebody judged answers to the queries of this index."""
    return config.queries is not None and config.queries.judgments is not None


_DENSE = (DENSE_FILE, *QUERY_FILES, *neighbor_files("dense"))
_TOKENS = (TOKEN_FOLDER, *QUERY_FILES, *neighbor_files("xtr"))
_SEARCHED = ("dense", "hybrid", "xtr")

# In the order of the flow. A blocking check is one sentence in docs/gate.md, too.
CHECKS: tuple[GateCheck, ...] = (
    GateCheck(
        "chunks_schema",
        "chunks",
        validity.chunks_schema,
        "Rows of new segments hold to the schema: types, ranges, ids that differ, true text hashes.",
    ),
    GateCheck(
        "embeddings_valid",
        "embeddings",
        validity.embeddings_valid,
        "Embeddings of new segments are unit vectors; where a source has names each new row has its own.",
    ),
    GateCheck(
        "tokens_valid",
        "token_embeddings",
        validity.tokens_valid,
        "Token offsets of new segments ascend, and scales are above zero.",
    ),
    GateCheck(
        "legs_agree",
        "generation",
        legs_agree.check,
        "The draft has the legs that its encoder, opened anew, gives, no more, no less; hybrid weighs as documented.",
    ),
    GateCheck(
        "nothing_vanished",
        "generation",
        nothing_vanished.check,
        "No source lost too much unless accepted: files, records, text or fields at once, the first two bit by bit.",
        version=5,
    ),
    GateCheck(
        "source_agrees",
        "generation",
        source_agrees.check,
        "Rows say what their files say: changed files and a sample of others, read again by other code.",
        version=2,
    ),
    GateCheck(
        "vectors_are_the_texts",
        "generation",
        vectors_are_the_texts.check,
        "A sample of the texts, new rows above all, encoded again by an encoder opened anew, gives the stored vectors.",
    ),
    GateCheck(
        "encoder_canary",
        "generation",
        encoder_canary.check,
        "The encoder makes of pinned texts what it made of them when its fingerprint was new; queries meet documents.",
        version=2,
    ),
    GateCheck(
        "dense_recall",
        "faiss_index",
        index_recall.dense_recall,
        "Recall@k of the dense index against exact search over the fixed queries; no source is surely below.",
        _DENSE,
        ("dense",),
        deps=("exact_neighbors",),
    ),
    GateCheck(
        "dense_recall_new_rows",
        "faiss_index",
        new_row_recall.dense_recall_new_rows,
        "Of the exact neighbours that are new the dense index finds as many as asked; an average would hide them.",
        _DENSE,
        ("dense",),
        deps=("exact_neighbors",),
        version=2,
    ),
    GateCheck(
        "list_balance",
        "faiss_index",
        list_balance.check,
        "How unevenly the inverted lists are filled, beside when they were trained.",
        (DENSE_FILE,),
        blocking=False,
    ),
    GateCheck(
        "xtr_recall",
        "xtr_index",
        index_recall.xtr_recall,
        "Recall@k of the token index against exact MaxSim over the fixed queries; no source is surely below.",
        _TOKENS,
        ("xtr",),
        deps=("exact_neighbors",),
    ),
    GateCheck(
        "xtr_recall_new_rows",
        "xtr_index",
        new_row_recall.xtr_recall_new_rows,
        "Of the exact neighbours that are new the token index finds as many as asked; an average would hide them.",
        _TOKENS,
        ("xtr",),
        deps=("exact_neighbors",),
        version=2,
    ),
    GateCheck(
        "token_drift",
        "xtr_index",
        token_drift.check,
        "How far tokens that came since lie from the centroids, beside those the centroids were learnt from.",
        (TOKEN_FILE,),
        ("xtr",),
        blocking=False,
    ),
    GateCheck(
        "id_map_bijection",
        "id_map",
        validity.id_map_bijection,
        "Live rows and chunk_ids are one to one, and what the segments hold.",
        (ID_MAP_NAME,),
    ),
    GateCheck(
        "catalog_consistent",
        "catalog",
        validity.catalog_consistent,
        "What DuckDB counts through the views is what the manifest says.",
        (ID_MAP_NAME, CATALOG_NAME, "catalog"),
        version=2,
    ),
    GateCheck(
        "rows_everywhere",
        "catalog",
        rows_everywhere.check,
        "Live rows are one set: snapshots = tombstones = id map = FAISS = both postings; exact lists name no other.",
        (ID_MAP_NAME, DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *neighbor_files("dense"), *neighbor_files("xtr")),
        version=2,
        deps=("faiss_index", "xtr_index", "lexical_index", "id_map", "exact_neighbors"),
    ),
    GateCheck(
        "finds_itself",
        "catalog",
        finds_itself.check,
        "New rows and a sample of old ones find themselves by their own vectors in each index, as users search it.",
        (DENSE_FILE, TOKEN_FOLDER),
        _SEARCHED,
        deps=("faiss_index", "xtr_index"),
    ),
    GateCheck(
        "lexical_agrees",
        "catalog",
        lexical_agrees.check,
        "Postings hold the words of their rows, counted again by other code; answers in words are what they say.",
        (ID_MAP_NAME, LEXICAL_FOLDER, *QUERY_FILES),
        deps=("faiss_index", "xtr_index", "lexical_index", "id_map"),
    ),
    GateCheck(
        "hits_are_whole",
        "catalog",
        hits_are_whole.check,
        "Hydrated hits of the gate's queries, and rows at every seam, are the canonical chunks.",
        (ID_MAP_NAME, DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *QUERY_FILES),
        _SEARCHED,
        deps=("faiss_index", "xtr_index", "lexical_index", "id_map"),
    ),
    GateCheck(
        "answers_agree",
        "catalog",
        answers_agree.check,
        "Searches in words, with filters and without, in every mode, give what brute force over the stored rows gives.",
        (ID_MAP_NAME, DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *QUERY_FILES),
        _SEARCHED,
        deps=("faiss_index", "xtr_index", "lexical_index", "id_map"),
    ),
    GateCheck(
        "judged_quality",
        "catalog",
        judgments.check,
        "Hybrid nDCG@10 over judged queries reaches its floor, not surely lower than what serves or ever served.",
        (DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER),
        _SEARCHED,
        deps=("faiss_index", "xtr_index", "lexical_index"),
        version=2,
        applies=has_judgments,
    ),
    GateCheck(
        known_item.CHECK,
        "catalog",
        known_item.check,
        "Texts that name a chunk find it as users ask, not surely fewer than half, nor fewer than do in what serves.",
        (DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *QUERY_FILES),
        _SEARCHED,
        deps=("faiss_index", "xtr_index", "lexical_index"),
    ),
    GateCheck(
        confidence_holds.CHECK,
        "catalog",
        confidence_holds.check,
        "Hits show the confidence that their scores say, fitted on half of the known items and measured on the others.",
        (DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *QUERY_FILES),
        (*_SEARCHED, PROFILE_KEY),
        deps=("faiss_index", "xtr_index", "lexical_index"),
    ),
    GateCheck(
        "evidence_suffices",
        "catalog",
        evidence_suffices.check,
        "The gate's queries are as many and as different as corpus and new rows offer; no given one is left out.",
        QUERY_FILES,
    ),
    GateCheck(
        "shadow_diff",
        "catalog",
        shadow.check,
        "How much of the serving top 10 the draft returns too.",
        (DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER, *QUERY_FILES),
        _SEARCHED,
        blocking=False,
        deps=("faiss_index", "xtr_index", "lexical_index", "exact_neighbors"),
    ),
    GateCheck(
        "answers_shadow",
        "catalog",
        answers_shadow.check,
        "Which questions of the query log the draft answers otherwise than what serves, the most changed first.",
        (DENSE_FILE, TOKEN_FOLDER, LEXICAL_FOLDER),
        _SEARCHED,
        blocking=False,
        deps=("faiss_index", "xtr_index", "lexical_index"),
        applies=answers_shadow.has_log,
    ),
    GateCheck(
        "files_verified",
        "catalog",
        validity.files_verified,
        "Every file of the draft has its sha256: new ones are read from the disk, others where somebody wrote to them.",
        (EVERY_FILE,),
        deps=("faiss_index", "xtr_index", "lexical_index", "exact_neighbors"),
    ),
)


def checks_of(config: IndexConfig) -> tuple[GateCheck, ...]:
    """The checks of an index; those of a leg that its encoder does not give are none of them. That a draft has the legs
    that it is to have `legs_agree` looks at."""
    chosen = (check for check in CHECKS if check.applies(config) and (check.leg is None or check.leg in config.legs))
    return tuple(check.over(config.legs) for check in chosen)


def check_named(name: str) -> GateCheck:
    """The check of that name."""
    return next(check for check in CHECKS if check.name == name)


def requirement(config: IndexConfig) -> tuple[RequiredCheck, ...]:
    """What `publish` is to require of this index, kept in a draft when it is begun: a passing record of each blocking
    check, by its version, about its files and its part of the profile."""
    return tuple(check.requirement for check in checks_of(config) if check.blocking)


def required_checks(config: IndexConfig) -> tuple[str, ...]:
    """The names of these."""
    return tuple(one.name for one in requirement(config))


def run_check(session: DraftSession, check: GateCheck) -> CheckRecord:
    """Look, and record what was found for exactly the bytes that the check is about."""
    found = check.look(session)
    draft = session.draft
    words = {"summary": found.summary, **({"remedy": found.remedy} if found.remedy else {})}
    record = draft.record_check(
        check.name,
        passed=found.passed,
        value=finite(found.value),
        threshold=found.threshold,
        subject=check.subject,
        profile_keys=check.profile_keys,
        version=check.version,
        details=finite({**found.details, **words}),
    )
    metrics.count_check(check.name, record.passed)
    return record
