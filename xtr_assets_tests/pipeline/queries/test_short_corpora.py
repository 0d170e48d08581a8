"""A corpus that offers few questions keeps them: it is asked for more once it is another, and not at every build."""

import json
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from xtr_assets.config import HashingConfig, IndexConfig, RecallConfig, SourceConfig
from xtr_assets.encoders.base import EncodedQueries
from xtr_assets.pipeline.gate.registry import checks_of
from xtr_assets.pipeline.queries import query_sample
from xtr_assets.pipeline.queries.tuning_queries import (
    SHORT_NOTE,
    TUNING_NOTE,
    TUNING_QUERIES,
    keep_tuning,
    more_due,
    read_tuning,
)
from xtr_assets.storage.warehouse import Warehouse
from xtr_assets_tests.fixtures import ENCODER, drafted, make_chunk, write_shard
from xtr_assets_tests.life import steps

CORPORA = {
    "one": ["alpha beta gamma delta epsilon zeta"],
    "five": [f"topic{i} and thing{i} of word{i % 3}" for i in range(5)],
    "forty": [f"topic{i} and thing{i * 7} of word{i % 3}" for i in range(40)],
    "equal": ["the same words for ever"] * 60,
    "unknown": [chr(0x1F300 + i) * 3 for i in range(60)],
}


DEMANDED = {"dense_recall", "finds_itself", "xtr_recall"}


@pytest.mark.parametrize("corpus", CORPORA)
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
