"""A dense index on GPUs. FAISS's CPU stands in for a GPU build; `pytest -m gpu` asks real ones."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.core.types import Floats, Ints
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.gpu_clone import MOST, MOST_CUVS, MOST_GRAPH, TEMPORARY_BYTES
from xtr_assets.index.dense.options import DenseProfile
from xtr_assets.index.faiss_provider import Provider, load_faiss, provider
from xtr_assets_tests.index.dense.dense_data import clustered, one_thread, queries_near, share

faiss = load_faiss()
CLASSIC = Provider("faiss-gpu", "1.15.1", "OPTIMIZE GPU", gpu=True, cuvs=False)
CUVS = Provider("faiss-gpu-cuvs", "1.15.1", "OPTIMIZE GPU NVIDIA_CUVS", gpu=True, cuvs=True)

GPUS = faiss.get_num_gpus() if provider().gpu else 0
gpu = [pytest.mark.gpu, pytest.mark.skipif(not GPUS, reason="no GPU, or a FAISS build that cannot use one")]
RECIPES = ["Flat", "SQfp16", "IVF64,Flat", "IVF64,SQfp16", "IVF64,SQ8", "IVF64,PQ8"]


@pytest.fixture(scope="module", autouse=True)
def alone() -> Iterator[None]:
    with one_thread():
        yield


@cache
def trained(recipe: str, rows: int, live: bool) -> DenseIndex:
    """Six of seven rows where not all are live."""
    return DenseIndex.build(clustered(rows), recipe, live=None if live else np.arange(rows) % 7 > 0)


def built(recipe: str, rows: int, live: bool = True) -> DenseIndex:
    """An index of its own over `clustered(rows)`; what takes long is done once."""
    found = trained(recipe, rows, live)
    kept = DenseProfile.from_json(found.profile)
    return DenseIndex(faiss.clone_index(found.faiss_index), found.vectors, parse_recipe(recipe), kept)


class CpuClone:
    """What a GPU clone answers, answered by the CPU: it takes no ID selector without cuVS, and knows its thread."""

    def __init__(self, index: Any, gpus: Sequence[int], cuvs: bool, log: "CpuGpus") -> None:
        self.index, self.gpus, self.cuvs, self.log = faiss.clone_index(index), tuple(gpus), cuvs, log
        self.thread = threading.get_ident()

    def search(self, queries: Floats, k: int, params: Any = None) -> tuple[Floats, Ints]:
        assert threading.get_ident() == self.thread, "a clone was searched from another thread than made it"
        assert k <= (MOST_CUVS if self.cuvs else MOST)
        assert self.cuvs or params is None or params.sel is None, "a filter would be ignored"
        self.log.searched.update({self.gpus: len(queries)})
        if isinstance(params, CagraParameters):
            params = faiss.SearchParametersHNSW(efSearch=params.itopk_size, sel=params.sel)
        scores, rows = self.index.search(queries, k, params=params)
        return scores, rows


class CagraParameters:
    def __init__(self, itopk_size: int, sel: Any) -> None:
        assert itopk_size % 32 == 0
        self.itopk_size, self.sel = itopk_size, sel


class CpuGpus:
    """The part of a GPU build of FAISS that serving uses, over the CPU. Records what was made and asked."""

    SearchParameters, SearchParametersIVF = faiss.SearchParameters, faiss.SearchParametersIVF
    SearchParametersCagra, IDSelectorBitmap = CagraParameters, faiss.IDSelectorBitmap
    downcast_index, rev_swig_ptr = staticmethod(faiss.downcast_index), staticmethod(faiss.rev_swig_ptr)

    class GpuClonerOptions:
        use_cuvs: bool | None = None

    class GpuMultipleClonerOptions(GpuClonerOptions):
        shard = False

    class GpuIndexCagraConfig:
        device = graph_degree = intermediate_graph_degree = 0

    def __init__(self, gpus: int, memory: int | None = None) -> None:
        self.gpus, self.memory = gpus, memory
        self.searched: Counter[tuple[int, ...]] = Counter()
        self.made: list[tuple[str, tuple[int, ...], bool | None]] = []
        self.temporary: list[tuple[int, int]] = []

    def get_num_gpus(self) -> int:
        return self.gpus

    def StandardGpuResources(self) -> "CpuGpus":  # noqa: N802
        return self

    def setTempMemory(self, size: int) -> None:  # noqa: N802
        self.temporary.append((size, threading.get_ident()))

    def index_cpu_to_gpu(self, resources: Any, number: int, index: Any, options: GpuClonerOptions) -> CpuClone:
        if self.memory is not None and index.ntotal > self.memory:
            raise RuntimeError("Error in virtual void* allocMemory at StandardGpuResources.cpp:628: out of memory")
        self.made.append(("copy", (number,), options.use_cuvs))
        return CpuClone(index, (number,), bool(options.use_cuvs), self)

    def index_cpu_to_gpu_multiple_py(
        self, resources: Sequence[Any], index: Any, options: GpuMultipleClonerOptions, gpus: Sequence[int]
    ) -> CpuClone:
        assert options.shard and len(resources) == len(gpus)
        self.made.append(("shards", tuple(gpus), options.use_cuvs))
        return CpuClone(index, gpus, bool(options.use_cuvs), self)

    def GpuIndexCagra(self, resources: Any, dim: int, metric: int, config: GpuIndexCagraConfig) -> Any:  # noqa: N802
        log = self

        class Cagra(CpuClone):
            def __init__(self) -> None:
                super().__init__(
                    faiss.IndexHNSWFlat(dim, config.graph_degree // 2, metric), (config.device,), True, log
                )

            def train(self, vectors: Floats) -> None:
                self.index.add(vectors)
                log.made.append(("cagra", self.gpus, True))

        assert config.intermediate_graph_degree == 2 * config.graph_degree
        return Cagra()


def on_gpus(monkeypatch: pytest.MonkeyPatch, installed: Provider, gpus: int = 2, memory: int | None = None) -> CpuGpus:
    made = CpuGpus(gpus, memory)
    monkeypatch.setattr("xtr_assets.index.dense.index.faiss", made)
    monkeypatch.setattr("xtr_assets.index.dense.index.provider", lambda: installed)
    return made


@pytest.mark.parametrize("installed", [CLASSIC, CUVS], ids=["classic", "cuvs"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_clone_gives_the_rows_and_scores_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, recipe: str, installed: Provider
) -> None:
    index = built(recipe, 2000, live=False)
    queries, allowed = queries_near(clustered(2000), 40), share(2000, 0.4)
    # Bytes are read in integers on the CPU and in floats on a GPU, which differ in the last of few candidates.
    expected, filtered = (index.search(queries, 10, allowed=mask, rescore=60) for mask in (None, allowed))
    gpus = on_gpus(monkeypatch, installed)
    for device in ("cuda:1", "cuda:0,1"):
        index.to(device)
        for wanted, mask in ((expected, None), (filtered, allowed)):
            scores, rows = index.search(queries, 10, allowed=mask, rescore=60)
            np.testing.assert_array_equal(rows, wanted[1])
            np.testing.assert_allclose(scores, wanted[0], atol=1e-6)
    assert {size for size, _ in gpus.temporary} == {TEMPORARY_BYTES}
    assert {cuvs for _, _, cuvs in gpus.made} == {installed.cuvs and "SQ" not in recipe}
    assert index.describe()["device"] == "cuda:0,1"
    index.to("cpu")


def test_copies_take_calls_in_turn_and_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(300)
    gpus = on_gpus(monkeypatch, CLASSIC, gpus=3)
    index = DenseIndex.build(vectors).to("cuda:0,2")
    for _ in range(4):
        index.search(vectors[:1], 3)
    assert gpus.searched == {(0,): 2, (2,): 2}
    index.search(vectors[:31], 3)
    assert sorted(gpus.searched.values()) == [17, 18]
    assert len({thread for _, thread in gpus.temporary}) == 2


def test_shards_are_one_clone_over_all_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(300)
    gpus = on_gpus(monkeypatch, CUVS, gpus=2)
    index = DenseIndex.build(vectors).to("cuda:0,1", spread="shard")
    assert gpus.made == [("shards", (0, 1), True)]
    assert index.search(vectors[:3], 1)[1].ravel().tolist() == [0, 1, 2]
    plan = index.plan_search(1, allowed=share(300, 0.9))
    assert plan.mode == "scan" or (plan.device, plan.reason.endswith("shards take no filter")) == ("cpu", True)
    # A change makes the clone again, over the same GPUs.
    index.remove(np.array([1]))
    assert gpus.made[1:] == [("shards", (0, 1), True)]
    assert index.search(vectors[1:2], 1)[1] != 1


def test_many_callers_queue_at_one_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(300)
    on_gpus(monkeypatch, CLASSIC)
    index = DenseIndex.build(vectors).to("cuda")
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        found[number] = int(index.search(vectors[number : number + 1], 1)[1][0, 0])

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert found == {number: number for number in range(12)}


def test_a_graph_is_searched_by_cagra_over_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(3000)
    index = DenseIndex.build(vectors, "HNSW16")
    gone = np.arange(0, 3000, 5)
    index.remove(gone)
    queries = queries_near(vectors, 50)
    allowed = share(3000, 0.5)
    expected = index.search(queries, 10)[1]
    gpus = on_gpus(monkeypatch, CUVS)
    index.to("cuda:1")
    assert gpus.made == [("cagra", (1,), True)]
    rows = index.search(queries, 10)[1]
    assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(rows, expected, strict=True)]) >= 0.9
    assert not np.isin(rows, gone).any()
    filtered = index.search(queries, 10, allowed=allowed)[1]
    assert allowed[filtered].all() and not np.isin(filtered, gone).any()
    assert gpus.searched[(1,)] >= 50
    assert index.plan_search(10, parameters=f"ef_search={MOST_GRAPH + 1}").device == "cpu"


@pytest.mark.parametrize(
    ("installed", "recipe", "parameters", "filtered", "complaint"),
    [
        (CLASSIC, "IVF64,PQ8", f"rescore={MOST + 1}", False, "candidates 2049 is above 2048"),
        (CUVS, "IVF64,PQ8", f"rescore={MOST + 1}", False, None),
        (CLASSIC, "IVF64,PQ8", "", True, "GPU search ignores filters without cuVS"),
        (CUVS, "IVF64,PQ8", "", True, None),
        (CUVS, "IVF64,SQ8", "", True, "GPU search ignores filters without cuVS"),
    ],
)
def test_what_the_gpu_cannot_answer_the_cpu_does_and_the_plan_says_why(
    monkeypatch: pytest.MonkeyPatch, installed: Provider, recipe: str, parameters: str, filtered: bool,
    complaint: str | None,
) -> None:  # fmt: skip
    index = built(recipe, 4000)
    queries, allowed = queries_near(clustered(4000), 5), share(4000, 0.9) if filtered else None
    expected = index.search(queries, 5, allowed=allowed, parameters=parameters)[1]
    gpus = on_gpus(monkeypatch, installed)
    index.to("cuda")
    plan = index.plan_search(5, allowed=allowed, parameters=parameters)
    assert plan.mode == "index"
    assert (plan.device == "cpu") == (complaint is not None)
    assert complaint is None or complaint in plan.reason
    assert index.search(queries, 5, allowed=allowed, parameters=parameters)[1].tolist() == expected.tolist()
    assert bool(gpus.searched) == (complaint is None)


def test_cuvs_filters_lists_only_where_no_row_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = clustered(2000)
    on_gpus(monkeypatch, CUVS)
    index = DenseIndex.build(vectors, "IVF16,Flat").to("cuda")
    allowed = share(2000, 0.9)
    assert index.plan_search(5, allowed=allowed).device == "cuda:0"
    index.remove(np.array([3]))
    assert "cuVS filters lists only where no row is missing" in index.plan_search(5, allowed=allowed).reason


def test_a_clone_that_does_not_fit_is_an_error_or_the_reason_why_the_cpu_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = clustered(100)
    on_gpus(monkeypatch, CLASSIC, memory=50)
    index = DenseIndex.build(vectors)
    with pytest.raises(ProviderError, match="Flat could not be cloned to cuda:0: out of memory; free memory there"):
        index.to("cuda")
    assert index.placement.device == "cpu"
    assert index.to("auto").placement.reason == "Flat could not be cloned to cuda:0: out of memory"
    assert "the CPU serves, Flat could not be cloned" in caplog.text
    assert index.search(vectors[:1], 1)[1].tolist() == [[0]]


def test_a_forked_child_is_told_to_open_its_own_and_may_close(monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpus(monkeypatch, CLASSIC)
    vectors = clustered(300)
    index, clones = DenseIndex.build(vectors, "Flat").to("cuda:0,1"), []
    with monkeypatch.context() as child:
        child.setattr("xtr_assets.index.dense.gpu_clone.os.getpid", lambda: -1)
        with index:
            clones.append(index._clone)
            with pytest.raises(ProviderError, match=r"opened by process .* its forked child -1; open it in the child"):
                index.search(vectors[:2], 3)
        assert not index.ready
    assert clones[0] is not None
    clones[0].close()


def test_an_empty_index_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = on_gpus(monkeypatch, CLASSIC)
    index = DenseIndex.build(clustered(10), live=np.zeros(10, np.bool_)).to("cuda")
    assert (index.placement.device, index.placement.reason) == ("cpu", "there are no vectors")
    assert not gpus.made


class TestOnAGpu:
    """What `pytest -m gpu` runs: every recipe that clones, on one GPU and on all of them."""

    pytestmark = gpu

    @staticmethod
    def _agree(index: DenseIndex, device: str, vectors: Floats, spread: Any = "replicate") -> None:
        queries = queries_near(vectors, 200)
        expected = index.to("cpu").search(queries, 10)
        scores, rows = index.to(device, spread).search(queries, 10)
        assert index.placement.device == device
        assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(rows, expected[1], strict=True)]) >= 0.999
        np.testing.assert_allclose(scores, expected[0], atol=1e-3)
        index.to("cpu")

    @pytest.mark.parametrize("recipe", RECIPES)
    def test_a_gpu_answers_as_the_cpu_does_at_equal_parameters(self, recipe: str) -> None:
        vectors = clustered(20_000, dim=64)
        self._agree(DenseIndex.build(vectors, recipe), "cuda:0", vectors)

    @pytest.mark.skipif(GPUS < 2, reason=f"{GPUS} GPUs; two are needed")
    @pytest.mark.parametrize("spread", ["replicate", "shard"])
    @pytest.mark.parametrize("recipe", ["Flat", "IVF64,Flat", "IVF64,PQ16"])
    def test_two_gpus_answer_as_the_cpu_does(self, recipe: str, spread: str) -> None:
        vectors = clustered(20_000, dim=64)
        self._agree(DenseIndex.build(vectors, recipe), "cuda:0,1", vectors, spread)

    @pytest.mark.skipif(not provider().cuvs, reason="this FAISS has no cuVS")
    def test_cagra_finds_the_nearest_rows(self) -> None:
        vectors = clustered(20_000, dim=64)
        index = DenseIndex.build(vectors, "HNSW32").to("cuda")
        assert index.placement.cuvs
        queries = queries_near(vectors, 200)
        exact = DenseIndex.build(vectors, "Flat").to("cpu").search(queries, 10)[1]
        rows = index.search(queries, 10)[1]
        assert np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(rows, exact, strict=True)]) >= 0.95

    @pytest.mark.skipif(not provider().cuvs, reason="this FAISS has no cuVS")
    @pytest.mark.parametrize("recipe", ["Flat", "IVF64,Flat", "IVF64,PQ16", "HNSW32"])
    def test_a_filter_on_the_gpu_returns_allowed_rows_only(self, recipe: str) -> None:
        vectors = clustered(20_000, dim=64)
        index = DenseIndex.build(vectors, recipe).to("cuda")
        allowed = share(20_000, 0.3)
        assert index.plan_search(10, allowed=allowed, queries=200).mode in ("index", "scan")
        rows = index.search(queries_near(vectors, 200), 10, allowed=allowed)[1]
        assert allowed[rows].all()

    def test_temporary_memory_is_bounded(self) -> None:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("the memory of the GPU is read with a CUDA build of torch")
        vectors = clustered(20_000, dim=64)
        index = DenseIndex.build(vectors, "IVF64,Flat")
        # What the driver, cuBLAS and the module take once is not the index's.
        index.to("cuda").search(vectors[:100], 10)
        index.to("cpu")
        before = torch.cuda.mem_get_info(0)[0]
        index.to("cuda").search(vectors[:10_000], 10)
        assert before - torch.cuda.mem_get_info(0)[0] <= TEMPORARY_BYTES + 8 * index.memory_bytes
        index.to("cpu")
