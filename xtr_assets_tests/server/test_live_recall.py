"""Recall of what people ask: measured within one generation, behind the answers, and said to be nothing where it is."""

import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from xtr_assets.search.blend import Blend
from xtr_assets.search.hit_table import Hits
from xtr_assets.search.hits import Hit
from xtr_assets.search.searcher import Searcher
from xtr_assets.server import live_recall
from xtr_assets.server.hosted_index import HostedIndex
from xtr_assets.server.limits import Limits
from xtr_assets.server.live_recall import LOWEST_PRIORITY, LiveRecall, recall_of
from xtr_assets.server.question import parse_question
from xtr_assets.server.recall_tally import RecallTally
from xtr_assets.server.witness import Told
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets.telemetry import metrics
from xtr_assets_tests.fixtures import drafted, make_chunk, new_warehouse, publish_chunks, write_shard
from xtr_assets_tests.server.site import served, version
from xtr_assets_tests.server.test_hot_swap import until

RULES = Path(__file__).parents[2] / "deploy" / "live-recall.rules.yaml"


@pytest.fixture
def index(folder: Path) -> Iterator[HostedIndex]:
    opened = HostedIndex("docs", folder, "cpu")
    opened.look()
    yield opened
    opened.close()


def told(index: HostedIndex, **document: Any) -> Told:
    question = parse_question({"query": "zebra version text", "mode": "dense", **document}, Limits())
    with index.use() as searcher:
        settings = question.settings
        hits = searcher.search(question.asked[0], question.k, question.mode, question.where, **settings)  # type: ignore[arg-type]
        return Told(index, searcher.generation, question.asked[0], question, hits)


def hit(chunk_id: int, score: float, local: Searcher) -> Hit:
    return replace(local.search("zebra", 1)[0], chunk_id=chunk_id, score=score)


def test_recall_is_the_share_of_the_scan_and_ties_with_the_last_are_right_too(local: Searcher) -> None:
    scan = [hit(1, 0.9, local), hit(2, 0.5, local), hit(3, 0.5, local), hit(4, 0.4, local)]

    def of(*ids: int) -> float | None:
        return recall_of([hit(one, 0.5, local) for one in ids], scan, 2, 1e-6)

    assert (of(1, 2), of(1, 3), of(2, 3), of(1, 4), of(4)) == (1.0, 1.0, 1.0, 0.5, 0.0)
    assert recall_of([hit(1, 0.9, local)], [], 2, 1e-6) is None


@pytest.mark.parametrize("mode", ["hybrid", "dense", "xtr"])
def test_what_was_lost_is_missed_in_each_mode(index: HostedIndex, mode: str) -> None:
    live = LiveRecall(1.0)
    whole = told(index, mode=mode, k=10)
    assert live.measure(whole) == "measured"
    assert live.measure(replace(whole, hits=whole.hits[:7])) == "measured"
    (one,) = live.document("docs")["measured"]
    assert (one["mode"], one["filter"], one["questions"], one["low"]) == (mode, "none", 2, 1)
    assert one["mean"] == pytest.approx(0.85) and one["least"] == pytest.approx(0.7)


def test_of_equal_texts_each_row_is_measured(tmp_path: Path) -> None:
    """People are shown one of them; recall is that of the rows, as the gate measures it."""
    copies = [make_chunk(f"v{i}.py", "f", "zebra version text") for i in range(6)]
    new_warehouse(tmp_path / "w", [*copies, *version(1)])
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    asked: list[tuple[Any, bool]] = []
    answer = Searcher.answer

    def noted(self: Searcher, texts: Any, options: Any, *given: Any, **named: Any) -> Any:
        asked.append((options.collapse, named["scan"]))
        return answer(self, texts, options, *given, **named)

    live = LiveRecall(1.0)
    folded = told(index, k=5, collapse="text")
    assert folded.hits[0].copies == 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Searcher, "answer", noted)
        assert live.measure(folded) == "measured"
    assert asked == [(None, False), (None, True)]
    (one,) = live.document("docs")["measured"]
    assert (one["questions"], one["mean"]) == (1, 1.0)
    index.close()


def test_what_was_asked_is_scanned_for_corrected_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long batch fewer words of each query are corrected than of one alone."""
    monkeypatch.setattr("xtr_assets.search.answer.known_whole", lambda *_: set())
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "code", version(1))
    draft = drafted(warehouse)
    draft.set_profile("hybrid", Blend.standard().document())
    warehouse.publish(draft.number, force_reason="no gate in this test")
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    live = LiveRecall(1.0)
    alone = told(index, query="unchangd versoin zebrra", mode="hybrid", k=5)
    assert alone.hits.corrected == "unchanged version zebra"
    for text in ("unchanged versoin zebrra", alone.text):
        typed = told(index, query=text, mode="hybrid", k=5, syntax="plain").hits
        batched = Hits(typed, "" if text == alone.text else text)
        assert live.measure(replace(alone, hits=batched)) == "measured"
    (one,) = live.document("docs")["measured"]
    assert (one["questions"], one["mean"]) == (2, 1.0)
    index.close()


def test_a_filter_is_told_by_what_it_leaves_and_a_question_that_nothing_answers_is_no_evidence(
    index: HostedIndex,
) -> None:
    live = LiveRecall(1.0)
    for where in ({"start_line": {"gte": 1}}, {"path": "old1.py"}, {"symbol": "f1"}):
        assert live.measure(told(index, where=where)) == "measured"
    assert live.measure(told(index, where={"path": "nowhere"})) == "empty"
    found = {one["filter"]: one["mean"] for one in live.document("docs")["measured"]}
    assert found == dict.fromkeys(("leaves over 0.1", "leaves 0.01 to 0.1"), 1.0)


def test_what_serves_after_a_rollback_is_remembered_though_its_number_is_lower() -> None:
    """Of the five highest numbers the one that served again was none: nothing was ever measured of it."""
    tally = RecallTally()
    for generation in (8, 9, 10, 11, 12, 13, 7, 7):
        tally.add("docs", generation, "dense", "none", 0.5)
        tally.add("other", generation, "dense", "none", 0.5)
    found = {one["generation"]: one["questions"] for one in tally.document("docs")["measured"]}
    assert found == {13: 1, 12: 1, 11: 1, 10: 1, 7: 2}


def test_a_question_is_measured_in_the_generation_that_answered_it_or_not_at_all(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    live = LiveRecall(1.0)
    asked = told(index)
    with index.use():
        # Held by a request: generation 1 is still there, and knows what generation 2 has not.
        publish_chunks(warehouse, version(1)[40:])
        assert index.look() and index.serving == 2
        assert live.measure(asked) == "measured"
    (one,) = live.document("docs")["measured"]
    assert (one["generation"], one["mean"]) == (1, 1.0)
    index.look()
    assert live.measure(asked) == "moved" and len(live.document("docs")["measured"]) == 1
    index.close()


def test_a_scan_that_takes_long_delays_no_swap_and_no_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = new_warehouse(tmp_path / "w", version(1))
    index = HostedIndex("docs", tmp_path / "w", "cpu")
    index.look()
    scanning, go_on = threading.Event(), threading.Event()
    scanned = live_recall._scanned

    def slow(searcher: Searcher, asked: Told) -> Sequence[Hit]:
        scanning.set()
        go_on.wait(20)
        return scanned(searcher, asked)

    monkeypatch.setattr(live_recall, "_scanned", slow)
    live = LiveRecall(1.0)
    live.start()
    live.tell(told(index))
    assert scanning.wait(20)
    publish_chunks(warehouse, version(2))
    assert index.look() and index.serving == 2
    live.close()
    index.close()
    go_on.set()
    until(lambda: live.document("docs")["outcomes"] != {})


def test_what_fails_is_counted_and_people_are_answered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("scan")

    monkeypatch.setattr(live_recall, "_scanned", broken)
    with served({"docs": folder}, live=LiveRecall(1.0, 1.0)) as url:
        for _ in range(2):
            assert httpx.post(url + "/v1/search", json={"query": "zebra"}).json()["hits"]
        until(lambda: _state(url)["outcomes"] == {"failed": 2})
        assert _state(url)["measured"] == []


def test_a_server_measures_what_it_is_asked_and_says_so(folder: Path) -> None:
    with served({"docs": folder}, live=LiveRecall(1.0, 1.0)) as url:
        assert _state(url) == {"share": 1.0, "budget": 1.0, "outcomes": {}, "measured": []}
        httpx.post(url + "/v1/search", json={"queries": ["zebra version", "parse text", " "], "mode": "xtr"})
        until(lambda: _state(url)["outcomes"] == {"measured": 2})
        (one,) = _state(url)["measured"]
        assert (one["generation"], one["mode"], one["questions"], one["mean"]) == (1, "xtr", 2, 1.0)
        scraped = httpx.get(url + "/metrics").text
    assert re.search(r'xtr_assets_live_recall_count\{filter="none",index="docs",mode="xtr"\} \d', scraped)


def test_a_server_that_measures_nothing_gives_no_figure(url: str) -> None:
    assert httpx.get(url + "/v1/state").json()["live_recall"] is None


def test_only_what_the_generation_was_proved_with_is_measured(index: HostedIndex) -> None:
    live = LiveRecall(1.0)
    live.tell(told(index, mode="exact"))
    live.tell(told(index, mode="lexical"))
    live.tell(told(index, nprobe=1))
    live.tell(replace(told(index), text="  "))
    assert not live._waiting
    live.tell(told(index, k=3))
    assert [one.question.k for one in live._waiting] == [3]


def test_a_share_is_chosen_by_chance_and_the_latest_wait(index: HostedIndex) -> None:
    chances = iter([0.5, 0.009, *[0.0] * 20])
    live, asked = LiveRecall(0.01, chance=lambda: next(chances)), told(index)
    live.tell(asked)
    assert not live._waiting
    for number in range(11):
        live.tell(replace(asked, generation=number))
    assert [one.generation for one in live._waiting] == [*range(3, 11)]
    assert live.document("docs")["outcomes"] == {"dropped": 3}


def test_the_budget_bounds_how_many_are_measured_and_the_thread_steps_back(
    index: HostedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    priorities: list[int] = []

    def measured(_: Told) -> str:
        if sys.platform == "linux":
            priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        time.sleep(0.02)
        return "measured"

    live = LiveRecall(1.0, 0.1)
    monkeypatch.setattr(live, "measure", measured)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    live.start()
    for _ in range(8):
        live.tell(told(index))
    time.sleep(0.5)
    live.close()
    assert 1 <= live.document("docs")["outcomes"]["measured"] <= 4
    assert set(priorities) <= {LOWEST_PRIORITY} and os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_scan_is_no_search_of_anybody(index: HostedIndex) -> None:
    asked = told(index)
    before = metrics.render().decode()
    assert LiveRecall(1.0).measure(asked) == "measured"
    changed = {line.partition("{")[0] for line in set(metrics.render().decode().split("\n")) - set(before.split("\n"))}
    assert not {name for name in changed if name.startswith("xtr_assets_search")}, changed


def test_the_alert_rules_ask_for_metrics_that_exist() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert {"alert", "expr", "labels", "annotations"} <= set.intersection(*(set(rule) for rule in rules))
    known = {family.name: family for family in metrics.REGISTRY.collect()}
    for rule in rules:
        for name in re.findall(r"xtr_assets_\w+", rule["expr"]):
            assert re.sub(r"_(sum|count|bucket|total)$", "", name) in known, name
        for listed in re.findall(r"by \(([^)]*)\)", rule["expr"]):
            assert set(listed.split(", ")) <= {"index", "mode", "filter"}


def _state(url: str) -> Any:
    return httpx.get(url + "/v1/state").json()["live_recall"]
