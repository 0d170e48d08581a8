"""Token search with torch agrees with the CPU: here with torch's own CPU as the device, on a GPU where there is one."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xtr_assets.core.errors import EncoderMismatch, InvalidInput, ProviderError
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import TokenIndex
from xtr_assets.index.device import parse_device
from xtr_assets.index.late.backends.reference import ReferenceBackend
from xtr_assets.index.late.gpu import availability, device_search
from xtr_assets.index.late.gpu.availability import Choice, choose, cuda_obstacle
from xtr_assets.index.late.gpu.device_centroids import DeviceCentroids, centroids_bytes
from xtr_assets.index.late.gpu.device_rows import DeviceRows, padded_length, rows_bytes
from xtr_assets.index.late.gpu.device_search import DeviceSearch
from xtr_assets.index.late.gpu.device_top_k import SELECT_BYTES, best_columns
from xtr_assets.index.late.options import Depths, SearchProfile
from xtr_assets.index.late.query import make_query
from xtr_assets_tests.index.late.token_corpus import TokenCorpus, make_corpus, unit

CPU = torch.device("cpu")
NO_GPU = cuda_obstacle(0)
gpu = [pytest.mark.gpu, pytest.mark.skipif(NO_GPU is not None, reason=f"no GPU: {NO_GPU}")]
# No lists, the 50 best of all rows, no token multiplied.
CENTROIDS_ONLY = Depths(nprobe=0, k_prime=1, met=1, limit=50, keep=0)
# A memory bound that holds every test's rows.
LARGE = 1 << 28


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """torch on one thread: on small data its threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus() -> TokenCorpus:
    return make_corpus(1000, dim=32, length=40, queries=10, seed=4)


@pytest.fixture(scope="module")
def built(corpus: TokenCorpus) -> TokenIndex:
    return TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=12, rescore=150))


def serve(index: TokenIndex, memory_bytes: int = LARGE, dtype: torch.dtype = torch.float32) -> TokenIndex:
    """A view of the index that searches with torch on the CPU: no public device does."""
    view = TokenIndex(index._state, index.profile)
    view._on_device = DeviceSearch(CPU, dtype, Choice("cpu", "a test"), memory_bytes)
    return view


def overlap(one: Ints, other: Ints) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / len(np.unique(b)) for a, b in zip(one, other, strict=True)]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_scan_finds_and_scores_what_exact_search_does(
    corpus: TokenCorpus, built: TokenIndex, dtype: torch.dtype
) -> None:
    view = serve(built, dtype=dtype)
    scores, rows = view.search_batch(corpus.queries, 10)
    exact = [built.exact(query, 10) for query in corpus.queries]
    assert view.describe()["on_device"]["holds"] == "rows"
    np.testing.assert_array_equal(rows, [own for _, own in exact])
    np.testing.assert_array_equal(scores, [own for own, _ in exact])


def test_one_query_gets_what_it_gets_in_a_batch(corpus: TokenCorpus, built: TokenIndex) -> None:
    view = serve(built)
    scores, rows = view.search_batch(corpus.queries, 7)
    for number, query in enumerate(corpus.queries):
        own_scores, own_rows = view.search(query, 7)
        assert own_rows.tolist() == rows[number].tolist()
        assert own_scores.tolist() == scores[number].tolist()


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("scratch", [1 << 26, 1 << 13])
def test_centroids_on_the_device_choose_the_candidates_of_the_reference(
    corpus: TokenCorpus, built: TokenIndex, share: float, scratch: int
) -> None:
    index = TokenIndex(built._state)
    index.add(*_more(corpus))
    state = index._state
    reference = ReferenceBackend(state.model, state.placed, state.tokens)
    store = DeviceCentroids(state, CPU)
    allowed = None if share == 1.0 else np.random.default_rng(1).random(len(state.live)) < share
    on_device = None if allowed is None else torch.from_numpy(allowed)
    for tokens in corpus.queries[:5]:
        query = make_query(state.model, tokens)
        expected = reference.retrieve(query, CENTROIDS_ONLY, allowed)
        found = store.retrieve(query, CENTROIDS_ONLY.limit, on_device, scratch)
        assert found.rows.tolist() == expected.rows.tolist()
        assert (found.retrieved, found.touched) == (expected.retrieved, expected.touched)


def _more(corpus: TokenCorpus) -> tuple[Floats, Ints]:
    """The first 50 documents once more, so that there are ties and a second segment."""
    return corpus.tokens[: corpus.offsets[50]], corpus.offsets[:51]


def test_beyond_the_memory_bound_centroids_serve(corpus: TokenCorpus, built: TokenIndex) -> None:
    state = built._state
    bound = (centroids_bytes(state) + 2 * SELECT_BYTES * 1000) * 4 // 3 + 4
    assert rows_bytes(state) > bound
    view = serve(built, bound)
    scores, rows = view.search_batch(corpus.queries, 10)
    assert view.describe()["on_device"]["holds"] == "centroids"
    assert view.describe()["on_device"]["bytes"] + view.describe()["on_device"]["scratch_bytes"] <= bound
    exact = [built.exact(query, 10) for query in corpus.queries]
    assert overlap(rows, np.array([own for _, own in exact])) >= 0.97
    for number, query in enumerate(corpus.queries):
        np.testing.assert_array_equal(scores[number], built.score(query, rows[number]))
        result = view.search_detailed(query, 10)
        assert not result.scanned and result.candidates > result.rescored >= 10 and result.imputed_share == 1.0


def test_what_does_not_fit_at_all_is_an_error_with_both_sizes(built: TokenIndex, corpus: TokenCorpus) -> None:
    with pytest.raises(ProviderError, match=r"needs [\d,]+ bytes .* the memory bound is 1,000; raise it"):
        serve(built, 1000).search(corpus.queries[0], 10)


@pytest.mark.parametrize("bound", [LARGE, None])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
def test_a_filter_and_removed_rows_are_left_out_before_the_cut(
    corpus: TokenCorpus, share: float, bound: int | None
) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets, profile=SearchProfile(nprobe=12, rescore=150))
    random = np.random.default_rng(8)
    index.remove(np.flatnonzero(random.random(1000) < 0.3))
    allowed = random.random(1000) < share
    small = (centroids_bytes(index._state) + 2 * SELECT_BYTES * 1000) * 4 // 3 + 4
    view = serve(index, bound or small)
    found, expected = [], []
    for query in corpus.queries:
        found.append(view.search(query, 5, allowed=allowed)[1])
        expected.append(index.exact(query, 5, allowed=allowed)[1])
        assert (allowed & index.live)[found[-1][found[-1] >= 0]].all()
    assert index.live[view.search(corpus.queries[0], 5)[1]].all()
    assert overlap(np.array(found), np.array(expected)) >= (1.0 if bound else 0.98)


def test_more_rows_than_there_are_come_back_padded(built: TokenIndex, corpus: TokenCorpus) -> None:
    view, query = serve(built), corpus.queries[0]
    allowed = np.zeros(1000, np.bool_)
    allowed[[5, 900]] = True
    for call in (built, view):
        scores, rows = call.search(query, 4, allowed=allowed)
        assert sorted(rows[:2].tolist()) == [5, 900] and rows[2:].tolist() == [-1, -1]
        assert np.isneginf(scores[2:]).all()
    assert view.search(query, 3, allowed=np.zeros(1000, np.bool_))[1].tolist() == [-1, -1, -1]
    assert len(np.unique(view.search(query, 1000)[1])) == 1000
    assert view.search_batch([], 3)[1].shape == (0, 3)


def test_an_explanation_says_that_a_scan_imputes_nothing(built: TokenIndex, corpus: TokenCorpus) -> None:
    view, query = serve(built), corpus.queries[0]
    row = int(view.search(query, 1)[1][0])
    expected = built.explain(query, row)
    assert [replace(match, retrieved=True) for match in expected] == view.explain(query, row)


def test_a_query_without_tokens_finds_nothing_among_others_that_do(built: TokenIndex, corpus: TokenCorpus) -> None:
    scores, rows = serve(built).search_batch([corpus.queries[0], np.empty((0, 32), np.float32)], 3)
    assert (rows[0] >= 0).all() and rows[1].tolist() == [-1, -1, -1]
    assert np.isneginf(scores[1]).all()


def test_queries_that_cannot_be_used_are_refused_as_on_the_cpu(built: TokenIndex) -> None:
    view = serve(built)
    with pytest.raises(InvalidInput, match="query 0, token 0 holds NaN"):
        view.search(np.full((1, 32), np.nan, np.float32), 1)
    with pytest.raises(EncoderMismatch, match="dim 32 in the index, 16 in query 0"):
        view.search(np.ones((1, 16), np.float32), 1)
    with pytest.raises(InvalidInput, match="k is -2"):
        view.search(np.ones((1, 32), np.float32), -2)


def test_documents_of_one_token_and_of_ten_thousand_lie_side_by_side() -> None:
    random = np.random.default_rng(0)
    lengths = np.array([1, 10_000, 3, 700, 1] + [20] * 100)
    tokens = unit(random.normal(size=(int(lengths.sum()), 16)))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    index = TokenIndex.build(tokens, offsets)
    for length in (1, 512):
        query = unit(random.normal(size=(length, 16)))
        for memory in (LARGE, 1 << 20):
            assert serve(index, memory).search(query, 8)[1].tolist() == index.exact(query, 8)[1].tolist()


@pytest.mark.parametrize("memory", ["rows", "centroids"])
def test_compact_rows_are_searched_as_the_int8_rows_they_stand_for(corpus: TokenCorpus, memory: str) -> None:
    index = TokenIndex.build(corpus.tokens, corpus.offsets, codec="residual-5-bit")
    bound = LARGE if memory == "rows" else (centroids_bytes(index._state) + 2 * SELECT_BYTES * 1000) * 3 // 2
    view = serve(index, bound)
    found = view.search_batch(corpus.queries, 10)[1]
    assert view.describe()["on_device"]["holds"] == memory
    exact = np.array([index.exact(query, 10)[1] for query in corpus.queries])
    assert overlap(found, exact) >= (1.0 if memory == "rows" else 0.97)


def test_duplicates_at_the_cut_are_ordered_by_row() -> None:
    tokens = np.tile(unit(np.random.default_rng(0).normal(size=(6, 8))), (300, 1))
    index = TokenIndex.build(tokens, np.arange(0, len(tokens) + 1, 6))
    scores, rows = serve(index).search(tokens[:2], 20)
    assert rows.tolist() == list(range(20))
    assert len(np.unique(scores)) == 1


@pytest.mark.parametrize("length", [1e-3, 300.0])
def test_vectors_of_any_length_stay_within_half_precision(length: float) -> None:
    random = np.random.default_rng(0)
    tokens = (length * unit(random.normal(size=(3000, 16)))).astype(np.float32)
    index = TokenIndex.build(tokens, np.arange(0, 3001, 10))
    query = length * unit(random.normal(size=(5, 16)))
    view = serve(index, dtype=torch.float16)
    assert view.search(query, 10)[1].tolist() == index.exact(query, 10)[1].tolist()


def test_what_is_added_removed_and_compacted_is_searched(corpus: TokenCorpus) -> None:
    view = serve(TokenIndex.build(corpus.tokens, corpus.offsets))
    query = corpus.queries[0]
    best = view.search(query, 1)[1]
    view.remove(best)
    assert view.search(query, 1)[1] != best
    row = view.add(query, np.array([0, len(query)]))
    assert view.search(query, 1)[1].tolist() == row.tolist() == [1000]
    view.compact()
    assert view.search(query, 1)[1].tolist() == [999]


def test_many_threads_get_what_one_gets(built: TokenIndex, corpus: TokenCorpus) -> None:
    view = serve(built)
    expected = [view.search(query, 5)[1].tolist() for query in corpus.queries]
    found: dict[int, list[int]] = {}

    def ask(number: int) -> None:
        found[number] = view.search(corpus.queries[number], 5)[1].tolist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(expected))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(len(expected))] == expected


@given(st.lists(st.integers(1, 70_000), min_size=1))
def test_padding_keeps_every_token_and_adds_at_most_half(lengths: list[int]) -> None:
    padded = padded_length(np.array(lengths))
    assert (padded >= lengths).all()
    assert (padded <= np.maximum(8, 1.5 * np.array(lengths))).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 60))
def test_the_best_columns_are_those_of_a_stable_sort(scores: list[int], keep: int) -> None:
    keep = min(keep, len(scores))
    expected = np.sort(np.argsort(-np.array(scores), kind="stable")[:keep])
    assert best_columns(torch.tensor([scores]), keep)[0].tolist() == expected.tolist()


def test_the_rows_hold_what_was_counted(built: TokenIndex) -> None:
    store = DeviceRows(built._state, CPU, torch.float32)
    held = sum(t.nbytes for b in store._buckets for t in (b.codes, b.scales, b.rows))
    assert held == rows_bytes(built._state)
    other = DeviceCentroids(built._state, CPU)
    arrays = (other._rows, other._numbers, other._stored, other._centroids, other._centroid_scales)
    held = sum(t.nbytes for t in arrays)
    assert held == centroids_bytes(built._state)


@pytest.mark.parametrize(
    ("text", "kind", "numbers", "first"),
    [
        ("auto", "auto", (0,), "auto"),
        ("cpu", "cpu", (0,), "cpu"),
        ("cuda", "cuda", (0,), "cuda:0"),
        ("cuda:3", "cuda", (3,), "cuda:3"),
        ("cuda:2,0", "cuda", (2, 0), "cuda:2"),
    ],
)
def test_the_names_of_devices(text: str, kind: str, numbers: tuple[int, ...], first: str) -> None:
    asked = parse_device(text)
    assert (asked.kind, asked.numbers, asked.first) == (kind, numbers, first)


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:x", "cuda:1,", "cpu:1", "CUDA", "cuda:-1", ""])
def test_an_unknown_device_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is unknown; allowed: auto, cpu, cuda, cuda:<n>"):
        parse_device(text)


def _pretend(monkeypatch: pytest.MonkeyPatch, *, driver: bool = True, cuda: str | None = "12.8", gpus: int = 0) -> None:
    monkeypatch.setattr(availability, "has_driver", lambda: driver)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


@pytest.mark.parametrize(
    ("machine", "device", "expected"),
    [
        ({"driver": False}, "auto", Choice("cpu", f"no NVIDIA driver here ({availability.DRIVER} is not found)")),
        ({"cuda": None}, "auto", Choice("cpu", f"torch {torch.__version__} was built without CUDA")),
        ({"gpus": 0}, "auto", Choice("cpu", "torch sees 0 CUDA devices")),
        ({"gpus": 1}, "auto", Choice("cuda:0", "a GPU is there")),
        ({"gpus": 2}, "cuda:1", Choice("cuda:1", "asked for")),
        ({"gpus": 2}, "cuda:1,0", Choice("cuda:1", "asked for")),
        ({"gpus": 2}, "cpu", Choice("cpu", "asked for")),
    ],
)
def test_the_device_is_chosen_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, machine: dict[str, Any], device: str, expected: Choice
) -> None:
    _pretend(monkeypatch, **machine)
    assert choose(device) == expected


@pytest.mark.parametrize("machine", [{"driver": False}, {"cuda": None}, {"gpus": 1}])
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, machine: dict[str, Any], built: TokenIndex
) -> None:
    _pretend(monkeypatch, **machine)
    with pytest.raises(ProviderError, match=r"'cuda:1' cannot serve the token index: .*use device='cpu' or 'auto'"):
        built.to("cuda:1")
    assert built.device == "cpu"


def test_auto_says_why_a_gpu_that_is_too_small_does_not_serve(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, corpus: TokenCorpus
) -> None:
    _pretend(monkeypatch, gpus=1)

    def on(choice: Choice, memory_bytes: int | None) -> DeviceSearch:
        return DeviceSearch(CPU, torch.float32, choice, memory_bytes)

    monkeypatch.setattr(DeviceSearch, "on", on)
    index = TokenIndex.build(corpus.tokens, corpus.offsets)
    with caplog.at_level(logging.INFO):
        assert index.to("auto", memory_bytes=1000).device == "cpu"
    assert "bytes on cuda:0" in index.choice.reason and "bytes on cuda:0" in caplog.text
    with pytest.raises(ProviderError, match="bytes on cuda:0"):
        index.to("cuda", memory_bytes=1000)
    with caplog.at_level(logging.INFO):
        assert index.to("auto", memory_bytes=LARGE).device == "cuda:0"
    assert "token index: cuda:0 serves (a GPU is there)" in caplog.text
    assert index.describe()["device_reason"] == "a GPU is there"
    assert index.describe()["on_device"]["holds"] == "rows"
    assert index.search(corpus.queries[0], 5)[1].tolist() == index.exact(corpus.queries[0], 5)[1].tolist()


def test_memory_that_runs_out_while_uploading_is_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, built: TokenIndex
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")

    monkeypatch.setattr(device_search, "DeviceRows", full)
    with pytest.raises(ProviderError, match=r"ran out of memory for the rows .*2.00 GiB.*lower the memory"):
        DeviceSearch(CPU, torch.float32, Choice("cuda:0", "a test"), LARGE).hold(built._state)


@pytest.mark.parametrize("kind", ["rows", "centroids"])
def test_memory_that_runs_out_in_a_search_is_an_error_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, built: TokenIndex, corpus: TokenCorpus, kind: str
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 2.00 GiB")

    view = serve(built, LARGE if kind == "rows" else (centroids_bytes(built._state) + 2 * SELECT_BYTES * 1000) * 3 // 2)
    view.search(corpus.queries[0], 3)
    monkeypatch.setattr(DeviceRows, "scores", full)
    monkeypatch.setattr(DeviceCentroids, "retrieve", full)
    with pytest.raises(ProviderError, match=f"ran out of memory for the {kind} .*use device='cpu'"):
        view.search(corpus.queries[0], 3)


def test_without_a_driver_opening_an_index_imports_no_torch(tmp_path: Any) -> None:
    code = (
        "import sys, numpy as np\n"
        "from xtr_assets.index.late.gpu import availability\n"
        "availability.has_driver = lambda: False\n"
        "from xtr_assets.index import TokenIndex\n"
        "TokenIndex.build(np.eye(8, dtype='f4'), np.arange(9)).to('auto').search(np.eye(8, dtype='f4')[:1], 2)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class TestOnAGpu:
    """What `pytest -m gpu` runs: the same index on the CPU and on every GPU that torch sees."""

    pytestmark = gpu

    @pytest.fixture(scope="class")
    def large(self) -> TokenCorpus:
        return make_corpus(20_000, dim=128, length=40, words=4000, queries=100, seed=9)

    @pytest.fixture(scope="class")
    def on_cpu(self, large: TokenCorpus) -> TokenIndex:
        return TokenIndex.build(large.tokens, large.offsets, profile=SearchProfile(nprobe=12, rescore=300))

    def _view(self, index: TokenIndex, device: str, memory: int | None = None) -> TokenIndex:
        return TokenIndex(index._state, index.profile).to(device, memory)

    def test_a_scan_agrees_with_exact_search(self, large: TokenCorpus, on_cpu: TokenIndex) -> None:
        exact = [on_cpu.exact(query, 10) for query in large.queries]
        for number in range(torch.cuda.device_count()):
            view = self._view(on_cpu, f"cuda:{number}")
            assert view.describe()["on_device"]["holds"] == "rows"
            scores, rows = view.search_batch(large.queries, 10)
            assert overlap(rows, np.array([own for _, own in exact])) >= 0.999
            np.testing.assert_allclose(scores, [own for own, _ in exact], atol=1e-3)

    def test_centroids_choose_the_candidates_of_the_cpu(self, large: TokenCorpus, on_cpu: TokenIndex) -> None:
        state = on_cpu._state
        store = DeviceCentroids(state, torch.device("cuda"))
        reference = ReferenceBackend(state.model, state.placed, state.tokens)
        for tokens in large.queries[:20]:
            query = make_query(state.model, tokens)
            expected = reference.retrieve(query, CENTROIDS_ONLY, None)
            assert store.retrieve(query, CENTROIDS_ONLY.limit, None, 1 << 26).rows.tolist() == expected.rows.tolist()

    def test_a_filter_is_exact(self, large: TokenCorpus, on_cpu: TokenIndex) -> None:
        view = self._view(on_cpu, "cuda")
        allowed = np.random.default_rng(0).random(20_000) < 0.01
        for query in large.queries:
            expected = on_cpu.exact(query, 10, allowed=allowed)[1]
            assert view.search(query, 10, allowed=allowed)[1].tolist() == expected.tolist()

    @pytest.mark.parametrize("kind", ["rows", "centroids"])
    def test_the_memory_bound_holds(self, large: TokenCorpus, on_cpu: TokenIndex, kind: str) -> None:
        needed = {"rows": rows_bytes, "centroids": centroids_bytes}[kind](on_cpu._state)
        bound = int(needed * 1.5) + (8 << 20)
        # cuBLAS takes its own workspace at the first product.
        torch.ones((64, 64), dtype=torch.float16, device="cuda").matmul(torch.ones(64, device="cuda").half())
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        view = self._view(on_cpu, "cuda", bound)
        assert view.describe()["on_device"]["holds"] == kind
        view.search_batch(large.queries, 10)
        assert torch.cuda.max_memory_allocated() - before <= bound
