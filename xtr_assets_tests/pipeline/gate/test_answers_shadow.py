"""Real questions asked of a draft and of what serves: what changes is named, the worst first."""

from pathlib import Path

import pytest

from xtr_assets.config import HashingConfig, IndexConfig, QueryLogConfig
from xtr_assets.defs.metadata import record_metadata
from xtr_assets.pipeline.gate import evidence_suffices
from xtr_assets.pipeline.gate.registry import checks_of, required_checks
from xtr_assets.pipeline.queries.logged_questions import log_of
from xtr_assets.pipeline.queries.query_sample import sample_queries
from xtr_assets.pipeline.queries.question_log import logged_line
from xtr_assets.server import overview
from xtr_assets.storage.draft import Draft
from xtr_assets.storage.manifest import CheckRecord
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import SOURCES, make_chunk, new_warehouse, record, session, write_shard
from xtr_assets_tests.fixtures import drafted as derived
from xtr_assets_tests.pipeline.gate.test_shadow import corpus, drafted


@pytest.fixture(scope="module")
def drafts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Draft]:
    """What serves, and a draft that lost every chunk of topic 0."""
    warehouse = new_warehouse(tmp_path_factory.mktemp("shadow") / "w", corpus(0))
    left = [make_chunk(f"f{i}.py", f"s{i}", f"topic{i % 6} word{i} thing{i // 6} ") for i in range(60) if i % 6]
    return warehouse, drafted(warehouse, left)


def asked(
    folder: Path, *questions: tuple[str, int], where: dict[str, object] | None = None, **more: object
) -> IndexConfig:
    config = IndexConfig(
        sources=SOURCES,
        encoder=HashingConfig(),
        query_log=QueryLogConfig(folder=folder / "log"),
        **more,  # type: ignore[arg-type]
    )
    for text, times in questions:
        line = logged_line(text, "hybrid", 10, where, "2026-01-01T00:00:00+00:00")
        assert line is not None
        log_of(config).append([line] * times)
    return config


def look(drafts: tuple[Warehouse, Draft], config: IndexConfig) -> CheckRecord:
    return record(drafts[1], "answers_shadow", config)


STAYING = [(f"topic{i} word{i}", 1) for i in range(1, 6)]


def test_what_changes_is_named_the_worst_first_and_weighs_as_often_as_it_was_asked(
    drafts: tuple[Warehouse, Draft], tmp_path: Path
) -> None:
    questions = [("topic0", 40), ("topic0 word6", 3), *STAYING, *((f"topic{i} thing1", 1) for i in range(1, 5))]
    found = look(drafts, asked(tmp_path, *questions))
    assert not found.passed and found.value is not None and found.value > 0.5 and found.threshold == 0.2
    rows = found.details["answers"]
    assert [row["question"] for row in rows[:2]] == ["topic0", "topic0 word6"] and rows[0]["asked"] == 40
    assert rows[0]["kept"] <= rows[1]["kept"] < 1 and rows[0]["first_before"].startswith("f") and rows[0]["first_after"]
    shown = record_metadata(found)["answers"]
    assert [one.data["question"] for one in shown.records[:2]] == ["topic0", "topic0 word6"]
    said = overview._check(found)["answers"]
    assert said[0]["question"] == "topic0" and said[0]["asked"] == 40


def test_what_stays_passes(drafts: tuple[Warehouse, Draft], tmp_path: Path) -> None:
    found = look(drafts, asked(tmp_path, *((f"topic{i} word{i}", 1) for i in range(1, 6)), *STAYING))
    assert found.passed


def test_few_questions_warn_of_nothing_and_no_question_is_said(drafts: tuple[Warehouse, Draft], tmp_path: Path) -> None:
    few = look(drafts, asked(tmp_path, ("topic0", 1)))
    assert few.passed and few.value == 1.0 and "fewer than 10" in few.details["summary"]
    none = look(drafts, asked(tmp_path / "none"))
    assert none.passed and none.value is None and "no question is in the log yet" in none.details["summary"]


def test_a_question_that_is_refused_now_lost_all_its_answers(drafts: tuple[Warehouse, Draft], tmp_path: Path) -> None:
    """And one that what serves refuses, too, has none that could change."""
    config = asked(tmp_path, ("topic1 word1", 1), where={"nowhere": "x"})
    found = look(drafts, config)
    assert found.passed and found.value is None and "none of 1 questions can be asked" in found.details["summary"]


def test_a_log_that_cannot_be_read_is_no_good_evidence(drafts: tuple[Warehouse, Draft], tmp_path: Path) -> None:
    config = asked(tmp_path, ("topic0", 1))
    log_of(config).files[0].mkdir()
    found = look(drafts, config)
    assert not found.passed and "cannot be read" in found.details["summary"]


def test_it_is_there_where_a_log_is_kept_and_blocks_nothing(tmp_path: Path) -> None:
    kept = asked(tmp_path)
    assert "answers_shadow" in {check.name for check in checks_of(kept)}
    assert "answers_shadow" not in {check.name for check in checks_of(kept.model_copy(update={"query_log": None}))}
    assert "answers_shadow" not in required_checks(kept)


def test_the_gate_asks_what_people_asked_and_sees_where_it_was_left_out(tmp_path: Path) -> None:
    config = asked(tmp_path, *STAYING, queries_from_log=True)
    warehouse = new_warehouse(tmp_path / "w", corpus(0))
    write_shard(warehouse, "code", corpus(4))
    draft = derived(warehouse)
    report = sample_queries(session(draft, config))
    given = {query.text for query in report.gate.queries if query.kind == "given"}
    assert given == {text for text, _ in STAYING} and report.fixed > 100
    looked = evidence_suffices.check(session(draft, config))
    assert not [one for one in looked.details["problems"] if "log" in one]
    log_of(config).append([_old("a question that nobody measured")])
    looked = evidence_suffices.check(session(draft, config))
    assert "5 questions of the log are asked, 6 were there" in looked.details["problems"]
    log_of(config).delete()
    looked = evidence_suffices.check(session(draft, config))
    assert not [one for one in looked.details["problems"] if "log" in one]


def _old(text: str) -> bytes:
    line = logged_line(text, "dense", 10, None, "2026-01-01T00:00:00+00:00")
    assert line is not None
    return line
