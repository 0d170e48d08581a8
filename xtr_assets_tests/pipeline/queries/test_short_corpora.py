"""A corpus that offers few questions keeps them: it is asked for more once it is another, and not at every build."""

import json
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from xtr_assets.config import HashingConfig, IndexConfig, RecallConfig, SourceConfig
from xtr_assets.core.errors import PublishRefused
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.pipeline.gate.registry import checks_of
from xtr_assets.pipeline.queries import query_sample
from xtr_assets.pipeline.queries.gate_queries import read_queries
from xtr_assets.pipeline.queries.tuning_queries import (
    SHORT_NOTE,
    TUNING_NOTE,
    TUNING_QUERIES,
    keep_tuning,
    more_due,
    read_tuning,
)
from xtr_assets.storage.generation import Generation
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, write_shard
from xtr_assets_tests.life import steps
from xtr_assets_tests.long_cases import kept

CORPORA = {
    "one": ["alpha beta gamma delta epsilon zeta"],
    "five": [f"topic{i} and thing{i} of word{i % 3}" for i in range(5)],
    "forty": [f"topic{i} and thing{i * 7} of word{i % 3}" for i in range(40)],
    "equal": ["the same words for ever"] * 60,
    "unknown": [chr(0x1F300 + i) * 3 for i in range(60)],
}


DEMANDED = {"dense_recall", "finds_itself", "xtr_recall"}


@pytest.mark.parametrize("corpus", kept(CORPORA, ["one", "forty", "equal", "unknown"]))
def test_a_small_corpus_keeps_its_queries_and_its_profile(
    tmp_path: Path, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, path = list(CORPORA[corpus]), tmp_path / "r.jsonl"
    sources = (SourceConfig(name="s", kind="records", path=path),)
    config = IndexConfig(
        name="small",
        warehouse=tmp_path / "w",
        sources=sources,
        encoder=HashingConfig(kind="hashing", dim=32, token_dim=16),
        recall=RecallConfig(queries=20),
    )
    warehouse, sample = Warehouse.create(config.warehouse), Mock(wraps=query_sample.tuning_sample)
    monkeypatch.setattr(query_sample, "tuning_sample", sample)
    # The checks that publishing demands are enough: the others are what takes the time of so small a build.
    monkeypatch.setattr(steps, "checks_of", lambda config: [one for one in checks_of(config) if one.name in DEMANDED])
    kept, due = [], 0
    for edition in range(4):
        if edition:
            texts[0] = f"another edition {edition} of the words"
        lines = [json.dumps({"_id": str(i), "title": "", "text": text}) for i, text in enumerate(texts)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        steps.build(warehouse, config, accepting=False)
        made = warehouse.published
        assert made is not None and made.number == edition + 1
        tuned = read_tuning(made)
        assert tuned is not None
        kept.append((len(tuned), made.manifest.notes[TUNING_NOTE], made.manifest.profile))
        changed = made.manifest.notes.get(SHORT_NOTE)
        assert (changed is None) == (len(tuned) >= TUNING_QUERIES)
        due += changed == 0
    assert all(one == kept[0] for one in kept), "what the corpus offers no more of is inherited"
    # A text of a handful is a reason to ask; of sixty, two changes are. Nobody asks a corpus that offered enough.
    assert sample.call_count == max(1, due) == {"one": 4, "five": 4, "forty": 1, "equal": 2, "unknown": 2}[corpus]


def test_what_an_earlier_release_kept_of_one_vector_is_read_as_one_query(tmp_path: Path) -> None:
    warehouse = Warehouse.create(tmp_path / "w")
    write_shard(warehouse, "s", [make_chunk("a.md", "a", "some words", source="s")])
    draft = drafted(warehouse)
    same = np.ones((200, ENCODER.dim), np.float32)
    tokens = tuple(np.ones((2, ENCODER.token_dim), np.float32) for _ in range(200))
    keep_tuning(warehouse, draft, EncodedQueries(same, tokens, ()))
    tuned = read_tuning(draft)
    assert tuned is not None and len(tuned) == len(tuned.tokens) == 1
    assert more_due(draft, tuned, 0, 1000) is None, "nobody wrote down what the corpus offers"


@pytest.fixture
def few_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    demanded = {*DEMANDED, "evidence_suffices"}
    monkeypatch.setattr(steps, "checks_of", lambda config: [one for one in checks_of(config) if one.name in demanded])


def begun_with_one(root: Path) -> tuple[Warehouse, IndexConfig, list[str]]:
    """An index of one long text, which offers all the queries that the gate asks, and of the profile besides."""
    words = [f"word{number * 7 % 199}" for number in range(400)]
    texts = [" ".join(words)]
    config = IndexConfig(
        name="grown",
        warehouse=root / "w",
        sources=(SourceConfig(name="s", kind="records", path=root / "r.jsonl", max_chars=4000),),
        encoder=HashingConfig(kind="hashing", dim=32, token_dim=16),
    )
    warehouse = Warehouse.create(config.warehouse)
    built(warehouse, config, texts)
    return warehouse, config, texts


def built(warehouse: Warehouse, config: IndexConfig, texts: list[str]) -> Generation:
    """The generation that serves after a build of these texts, which is none that a person let pass."""
    lines = [json.dumps({"_id": str(i), "title": "", "text": text}) for i, text in enumerate(texts)]
    path = config.sources[0].path
    assert isinstance(path, Path)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    steps.build(warehouse, config, accepting=False)
    assert warehouse.published is not None
    return warehouse.published


def fixed_chunks(generation: Generation) -> Counter[int]:
    return Counter(query.chunk_id for query in read_queries(generation).queries if query.stratum == "fixed")


@pytest.mark.usefixtures("few_checks")
def test_a_corpus_that_began_with_one_text_is_not_judged_by_that_one_for_ever(tmp_path: Path) -> None:
    """Every query was of the first text, for as long as the index was built by delta; small changes were refused."""
    warehouse, config, texts = begun_with_one(tmp_path)
    first = warehouse.published
    assert first is not None and len(fixed_chunks(first)) == 1 and fixed_chunks(first).total() == 200
    texts += [f"topic{i} and thing{i * 7} are of word{i} beside other{i} things" for i in range(60)]
    grown = built(warehouse, config, texts)
    texts[9] = "another edition of the tenth text with seven words"
    changed = built(warehouse, config, texts)
    assert [grown.number, changed.number] == [2, 3]
    for one in (grown, changed):
        found = fixed_chunks(one)
        assert found.total() == 200 and len(found) >= 60 and max(found.values()) < 20, "as a corpus is asked at once"
    tuned = [one.manifest.notes[TUNING_NOTE] for one in (first, grown, changed)]
    assert tuned[0] != tuned[1] == tuned[2], "what is tuned for one text is tuned again, once"
    fixed = ([one for one in read_queries(made).queries if one.stratum == "fixed"] for made in (grown, changed))
    asked = [{(one.chunk_id, one.text) for one in queries} for queries in fixed]
    assert len({chunk_id for chunk_id, _ in asked[0] - asked[1]}) == 1, "of the edited text alone"


@pytest.mark.long
@pytest.mark.usefixtures("few_checks")
def test_a_corpus_that_grows_one_by_one_is_asked_for_others_twice(tmp_path: Path) -> None:
    warehouse, config, texts = begun_with_one(tmp_path)
    samples, least = set(), 1.0
    for number in range(2, 23):
        texts.append(f"topic{number} and thing{number * 7} are of word{number} beside other{number} things")
        made = built(warehouse, config, texts)
        samples.add(frozenset(query.text for query in read_queries(made).queries if query.stratum == "fixed"))
        least = min(least, len(fixed_chunks(made)) / len(texts))
    assert least >= 0.25 and len(samples) == 3, "of one text, of five and of twenty-one"


@pytest.mark.usefixtures("few_checks")
def test_a_gate_that_keeps_the_queries_of_one_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check counts by itself: it would tell of a sampler that forgets to ask again."""
    warehouse, config, texts = begun_with_one(tmp_path)
    monkeypatch.setattr(query_sample, "FEW_SHARE", 0.0)
    texts += [f"topic{i} and thing{i * 7} are of word{i} beside other{i} things" for i in range(60)]
    with pytest.raises(PublishRefused, match="evidence_suffices"):
        built(warehouse, config, texts)
