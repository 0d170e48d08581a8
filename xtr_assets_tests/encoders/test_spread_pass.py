"""Several cards. None was at hand: passes on the CPU, and made-up ones, stand for them."""

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch

from xtr_assets.core.types import Floats
from xtr_assets.encoders.forward_pass import Batch
from xtr_assets.encoders.minilm import MiniLm
from xtr_assets.encoders.spread_pass import SpreadPass, cards
from xtr_assets.encoders.weights import ModelFiles
from xtr_assets_tests.encoders.conftest import open_tiny


class Card:
    """Gives the number of the batch; waits until as many cards compute as there are, so that none may idle."""

    precision = "bf16"

    def __init__(self, number: int, together: threading.Barrier | None = None) -> None:
        self.device, self.seen, self._together = f"cuda:{number}", list[int](), together

    def __call__(self, work: Sequence[Batch]) -> Iterator[tuple[Floats, Floats]]:
        for rows, _ in work:
            number = int(rows[0][0])
            if number < 0:
                raise RuntimeError("out of memory")
            if self._together is not None:
                self._together.wait(timeout=20)
            self.seen.append(number)
            yield np.full((1, 2), number, np.float32), np.full((1, 2), -number, np.float32)


def batch(number: int) -> Batch:
    return [np.array([number], np.int32)], [np.array([True])]


def test_every_card_takes_its_share_and_results_keep_their_order() -> None:
    together = threading.Barrier(3)
    passes = [Card(number, together) for number in range(3)]
    spread = SpreadPass(passes)
    assert (spread.device, spread.precision) == ("cuda:0,1,2", "bf16")
    found = list(spread([batch(number) for number in range(12)]))
    assert [int(pooled[0, 0]) for pooled, _ in found] == list(range(12))
    assert [int(tokens[0, 0]) for _, tokens in found] == [-number for number in range(12)]
    # A barrier of three lets nobody pass twice while another has not come: each card had a third.
    assert sorted(number for one in passes for number in one.seen) == list(range(12))
    assert [len(one.seen) for one in passes] == [4, 4, 4]


def test_a_question_starts_no_thread() -> None:
    passes = [Card(0), Card(1)]
    threads = threading.active_count()
    [(pooled, _)] = SpreadPass(passes)([batch(7)])
    assert (int(pooled[0, 0]), passes[0].seen, passes[1].seen) == (7, [7], [])
    assert threading.active_count() == threads
    assert list(SpreadPass(passes)([])) == []


def test_what_a_card_fails_at_is_said_and_the_others_stop() -> None:
    passes = [Card(0), Card(1)]
    with pytest.raises(RuntimeError, match="out of memory"):
        list(SpreadPass(passes)([batch(number) for number in (1, -1, *range(2, 200))]))
    # The cards are free again for the next call.
    assert len(list(SpreadPass(passes)([batch(1), batch(2)]))) == 2


def test_an_encoder_over_two_cards_gives_the_vectors_of_one(
    tiny_files: ModelFiles, tiny: MiniLm, no_extension: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtr_assets.encoders.minilm.cards", lambda device: [str(device)] * 2)
    # One window a batch, so that both have work.
    monkeypatch.setattr("xtr_assets.encoders.minilm.TOKEN_BUDGET", {"cpu": 1})
    both = open_tiny(tiny_files)
    assert isinstance(both._pass, SpreadPass)
    assert both.fingerprint == tiny.fingerprint
    texts = ["parse a date", "", "a date a date a date a date a date a date", "parse"] * 5
    found, expected = both.encode_documents(texts), tiny.encode_documents(texts)
    np.testing.assert_array_equal(found.token_ids, expected.token_ids)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=2e-3)
    np.testing.assert_allclose(found.tokens, expected.tokens, atol=2e-3)


def test_cuda_without_a_number_is_every_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert cards(torch.device("cuda")) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert cards(torch.device("cuda:2")) == ["cuda:2"]
    assert cards(torch.device("cpu")) == ["cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert cards(torch.device("cuda")) == ["cuda"]
