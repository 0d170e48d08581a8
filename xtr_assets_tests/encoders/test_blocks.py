from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import InvalidInput, UnusableText
from xtr_assets.encoders import Encoded, Progress, encode_blocks, plan_blocks
from xtr_assets.encoders.hashing import Hashing


class Watched(Hashing):
    """The hashing encoder, which remembers what it encoded and may fail at a call or at a text."""

    def __init__(self, fail_at_call: int | None = None, poison: str | None = None) -> None:
        super().__init__(16, 8)
        self.encoded: list[str] = []
        self.calls, self._fail_at_call, self._poison = 0, fail_at_call, poison

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Encoded:
        if self.calls == self._fail_at_call:
            raise KeyboardInterrupt
        self.calls += 1
        if self._poison in texts:
            raise UnusableText(list(texts).index(str(self._poison)), "the model gave NaN or infinity")
        self.encoded += texts
        return super().encode_documents(texts, progress)


def run(encoder: Watched, texts: list[str], saved: dict[int, Encoded]) -> dict[int, tuple[list[float], list[int]]]:
    """By position of the text: its embedding and token ids."""
    found = {}
    blocks = encode_blocks(encoder, texts, done=saved.get, save=saved.__setitem__, block_texts=3, block_chars=40)
    for indices, block in blocks:
        for row, index in enumerate(indices.tolist()):
            mine = slice(block.offsets[row], block.offsets[row + 1])
            found[index] = (block.embeddings[row].tolist(), block.token_ids[mine].tolist())
    return found


texts_of_any_length = st.lists(st.text("abc ", max_size=25), min_size=1, max_size=15)


@given(texts_of_any_length, st.data())
def test_a_run_that_died_after_any_block_goes_on_and_ends_the_same(texts: list[str], data: st.DataObject) -> None:
    blocks = plan_blocks([len(text) for text in texts], 3, 40)
    whole = run(Watched(), texts, {})
    crash = data.draw(st.integers(0, len(blocks) - 1))
    saved: dict[int, Encoded] = {}
    with pytest.raises(KeyboardInterrupt):
        run(Watched(fail_at_call=crash), texts, saved)
    assert sorted(saved) == list(range(crash))
    second = Watched()
    assert run(second, texts, saved) == whole
    assert second.encoded == [texts[i] for block in blocks[crash:] for i in block]


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(1, 7), st.integers(1, 120))
def test_blocks_hold_every_text_once_within_their_bounds(lengths: list[int], most: int, chars: int) -> None:
    blocks = plan_blocks(lengths, most, chars)
    assert sorted(int(i) for block in blocks for i in block) == list(range(len(lengths)))
    for block in blocks:
        assert 1 <= len(block) <= most
        assert len(block) == 1 or sum(lengths[i] for i in block) <= chars
    flat = [lengths[i] for block in blocks for i in block]
    assert flat == sorted(lengths, reverse=True)


def test_a_bad_text_is_named_by_its_place_among_all_texts() -> None:
    texts = ["a", "bb bb", "poison!", "dddd dddd dddd", "c"]
    with pytest.raises(UnusableText, match="text 2: the model gave NaN") as caught:
        run(Watched(poison="poison!"), texts, {})
    assert caught.value.index == 2


def test_a_saved_block_of_other_texts_or_another_encoder_is_refused() -> None:
    other = Watched().encode_documents(["one", "two"])
    with pytest.raises(InvalidInput, match=r"block 0 holds .* \(2, 16, 8\), \(1, 16, 8\) are expected"):
        run(Watched(), ["a"], {0: other})
    wide = Hashing(24, 8).encode_documents(["a"])
    with pytest.raises(InvalidInput, match=r"\(1, 24, 8\), \(1, 16, 8\) are expected"):
        run(Watched(), ["a"], {0: wide})


def test_progress_counts_loaded_and_encoded_texts() -> None:
    texts = ["a b", "c", "d e f", "g"]
    saved: dict[int, Encoded] = {}
    run(Watched(), texts, saved)
    del saved[1]
    calls: list[int] = []
    list(
        encode_blocks(
            Watched(),
            texts,
            done=saved.get,
            save=saved.__setitem__,
            progress=calls.append,
            block_texts=3,
            block_chars=40,
        )
    )
    assert sum(calls) == 4


def test_no_texts_give_no_blocks() -> None:
    assert run(Watched(), [], {}) == {}


def test_an_encoded_whose_parts_disagree_is_refused() -> None:
    good = Hashing(16, 8).encode_documents(["a b", "c"])
    with pytest.raises(InvalidInput, match="2 embeddings need 3 offsets, not 2"):
        Encoded(good.embeddings, good.tokens, good.offsets[:-1], good.token_ids, 0)
    with pytest.raises(InvalidInput, match="the offsets end at 3, there are 2 tokens"):
        Encoded(good.embeddings, good.tokens[:2], good.offsets, good.token_ids, 0)
    with pytest.raises(InvalidInput, match="text 0 has no token"):
        Encoded(good.embeddings, good.tokens, np.array([0, 0, 3]), good.token_ids, 0)
