"""An average cannot hide a source whose rows are not found."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xtr_assets.config import IndexConfig, RecallConfig, SourceConfig
from xtr_assets.core.recall import RecallReport, lower_bound, upper_bound
from xtr_assets.pipeline.derive.exact_neighbors import exact_neighbors
from xtr_assets.pipeline.derive.neighbor_lists import Neighbors, read_neighbors, write_neighbors
from xtr_assets.pipeline.gate.finding import Finding
from xtr_assets.pipeline.gate.index_recall import (
    FEW_CONFIDENCE,
    dense_recall,
    judge,
    xtr_recall,
)
from xtr_assets.pipeline.plan.draft_session import DraftSession
from xtr_assets.pipeline.plan.row_diff import sources_of
from xtr_assets.pipeline.queries.gate_queries import GateQuery, encode, write_queries
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, session, write_shard

Measure = Callable[[DraftSession], Finding]

SOURCES = (SourceConfig(name="code", kind="python", path=Path("nowhere")),)
RECALL = RecallConfig(k=1, dense=0.7, xtr=0.7, new_rows=0.7)

CHUNKS = [
    make_chunk(f"f{i}.py", f"s{i}", f"word{i} of topic {i}", source="big" if i < 30 else "small") for i in range(36)
]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", CHUNKS)
    return drafted(warehouse)


def report(*per_query: float) -> RecallReport:
    values = np.array(per_query)
    return RecallReport(float(values.mean()), lower_bound(values), len(values), 10, 0.95, ())


def judged(parts: dict[str, RecallReport]) -> Finding:
    return judge("recall", report(*[1.0] * 300), 0.95, exact=False, parts=parts)


def test_a_source_that_is_surely_below_refuses() -> None:
    lost = report(*[0.5] * 20)
    verdict = judged({"source big": report(*[1.0] * 280), "source small": lost})
    assert not verdict.passed
    assert verdict.value == pytest.approx(upper_bound(0.5, 20, FEW_CONFIDENCE))
    assert verdict.details["basis"] == "upper bound of source small: 20 queries"
    assert verdict.details["parts"]["source big"]["mean"] == 1.0


def test_a_source_of_too_few_queries_to_tell_does_not() -> None:
    verdict = judged({"source big": report(*[1.0] * 299), "source small": report(0.8)})
    assert verdict.passed
    assert verdict.details["basis"] == "lower bound"


def test_rows_are_told_by_source(draft: Draft) -> None:
    rows = np.array([0, 31, -1, 29, 35])
    table = draft.chunk_table(["source"], live=False)
    named = dict(zip(table["row"].to_pylist(), table["source"].to_pylist(), strict=True))
    assert sources_of(draft, rows).tolist() == [named.get(row, "") for row in rows.tolist()]
    assert {"big", "small"} == set(named.values())


def spoil(found: Neighbors, chosen: list[int]) -> Neighbors:
    """Exact neighbours that no index finds for the chosen queries: rows of the same source with better scores."""
    wrong = Neighbors(found.scores.copy(), found.rows.copy())
    for query in chosen:
        row = int(found.rows[query, 0])
        wrong.rows[query, 0] = row - 1 if row in (29, 35) else row + 1
        wrong.scores[query, 0] += 1.0
    return wrong


@pytest.mark.parametrize(
    ("space", "fixed"),
    [("dense", dense_recall), ("xtr", xtr_recall)],
)
def test_what_is_not_found_in_a_small_source_refuses(draft: Draft, space: str, fixed: Measure) -> None:
    rows = [one.chunk_id for one in CHUNKS]
    queries = [GateQuery(f"q{i}", CHUNKS[i].text, "fixed", rows[i]) for i in range(36)]
    gate = encode(queries, ENCODER, None)
    write_queries(draft, gate, ENCODER.token_dim)
    config = IndexConfig(sources=SOURCES, recall=RECALL)
    exact_neighbors(session(draft, config))
    true = read_neighbors(draft, space)
    assert fixed(session(draft, config)).passed
    sources = sources_of(draft, true.rows[:, 0])
    small = [i for i in range(36) if sources[i] == "small"]
    assert 4 <= len(small) <= 8

    write_neighbors(draft, space, spoil(true, small))
    verdict = fixed(session(draft, config))
    assert verdict.details["lower_bound"] > 0.7, "the average hides it"
    assert not verdict.passed
    assert "source small" in verdict.details["basis"]


@pytest.mark.parametrize(
    ("recipe", "passed", "said"), [("Flat", True, "needs no proof"), ("IVF4,Flat", False, "not measured")]
)
def test_without_a_query_only_what_scores_every_row_passes(
    tmp_path: Path, recipe: str, passed: bool, said: str
) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", CHUNKS)
    draft = drafted(warehouse, recipe=recipe)
    gate = encode([], ENCODER, None)
    write_queries(draft, gate, ENCODER.token_dim)
    config = IndexConfig(sources=SOURCES, recall=RECALL)
    exact_neighbors(session(draft, config))
    finding = dense_recall(session(draft, config))
    assert (finding.passed, finding.value) == (passed, None)
    assert said in finding.summary
    assert not xtr_recall(session(draft, config)).passed, "whether it scans is not known without a search"
