import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipes import parse_recipe
from xtr_assets.core.types import Floats
from xtr_assets.index import DenseIndex
from xtr_assets.index.gpu import GpuClone, Placement, place
from xtr_assets.index.provider import Provider, choose, load_faiss, provider
from xtr_assets_tests.index.dense_data import clustered, queries_near

CPU_ONLY = Provider("faiss-cpu", "1.15.1", "OPTIMIZE AVX2", gpu=False, cuvs=False)
CLASSIC = Provider("faiss-gpu", "1.15.1", "OPTIMIZE GPU", gpu=True, cuvs=False)
CUVS = Provider("faiss-gpu-cuvs", "1.15.1", "OPTIMIZE GPU NVIDIA_CUVS", gpu=True, cuvs=True)


class FakeFaiss:
    """FAISS as far as the choice of a device goes, with so many GPUs; a clone records who searched it."""

    def __init__(self, gpus: int = 0) -> None:
        self.gpus = gpus
        self.threads: set[int] = set()

    def get_num_gpus(self) -> int:
        return self.gpus


@pytest.mark.parametrize(
    ("device", "recipe", "faiss", "installed", "expected"),
    [
        ("cpu", "Flat", FakeFaiss(4), CUVS, ("cpu", "asked for")),
        ("auto", "Flat", FakeFaiss(0), CPU_ONLY, ("cpu", "faiss-cpu has no GPU support")),
        ("auto", "Flat", FakeFaiss(0), CLASSIC, ("cpu", "FAISS sees 0 GPUs")),
        ("auto", "IVF8,Flat", FakeFaiss(1), CLASSIC, ("cuda:0", "IVF8,Flat clones")),
        ("auto", "IVF8,PQ4x4fs", FakeFaiss(1), CLASSIC, ("cpu", "4-bit codes have no GPU clone")),
        ("auto", "HNSW8", FakeFaiss(1), CUVS, ("cpu", "graphs have no GPU clone")),
        ("auto", "IVF8,SQfp16", FakeFaiss(1), CLASSIC, ("cuda:0", "clones")),
        ("auto", "IVF8,SQfp16", FakeFaiss(1), CUVS, ("cpu", "cuVS has no scalar-quantized lists")),
        ("cuda", "Flat", FakeFaiss(1), CUVS, ("cuda:0", "asked for")),
        ("cuda:2", "Flat", FakeFaiss(3), CLASSIC, ("cuda:2", "asked for")),
    ],
)
def test_the_device_is_chosen_with_its_reason(
    device: str, recipe: str, faiss: Any, installed: Provider, expected: tuple[str, str]
) -> None:
    placement = place(device, parse_recipe(recipe), faiss, installed)
    assert placement.device == expected[0]
    assert expected[1] in placement.reason
    assert placement.cuvs == (placement.device != "cpu" and installed.cuvs)


@pytest.mark.parametrize(
    ("device", "recipe", "faiss", "installed", "error", "complaint"),
    [
        (
            "cuda",
            "Flat",
            FakeFaiss(0),
            CPU_ONLY,
            ProviderError,
            r'faiss-cpu has no GPU support; pip install "xtr-assets\[gpu\]"',
        ),
        ("cuda", "Flat", FakeFaiss(0), CLASSIC, ProviderError, "FAISS sees 0 GPUs; use device='cpu' or 'auto'"),
        ("cuda:1", "Flat", FakeFaiss(1), CLASSIC, ProviderError, "FAISS sees 1 GPUs"),
        ("cuda", "HNSW8", FakeFaiss(1), CLASSIC, InvalidInput, "cannot serve HNSW8: graphs have no GPU clone"),
        ("gpu", "Flat", FakeFaiss(1), CLASSIC, InvalidInput, "'gpu' is unknown; allowed: auto, cpu, cuda, cuda:<n>"),
        ("cuda:x", "Flat", FakeFaiss(1), CLASSIC, InvalidInput, "'cuda:x' is unknown"),
        ("cpu:1", "Flat", FakeFaiss(1), CLASSIC, InvalidInput, "'cpu:1' is unknown"),
    ],
)
def test_a_device_that_cannot_serve_is_an_error_and_no_fallback(
    device: str, recipe: str, faiss: Any, installed: Provider, error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        place(device, parse_recipe(recipe), faiss, installed)


@pytest.mark.skipif(provider().gpu, reason="this FAISS can use a GPU")
def test_an_index_asked_to_cuda_by_a_cpu_build_stays_where_it_was() -> None:
    index = DenseIndex.build(clustered(20))
    with pytest.raises(ProviderError, match="has no GPU support"):
        index.to("cuda")
    assert index.search(clustered(20)[:1], 1)[1].tolist() == [[0]]
    assert index.to("auto").placement.reason.startswith("faiss-cpu has no GPU support")


def test_a_clone_is_made_bounded_and_searched_from_one_thread_whoever_asks() -> None:
    import threading

    class Resources:
        def setTempMemory(self, size: Any) -> None:  # noqa: N802
            made["memory"] = size

    class Options:
        use_cuvs = None

    class Clone:
        def search(self, queries: Floats, k: int, params: Any = None) -> Any:
            seen.add(threading.get_ident())
            return np.zeros((len(queries), k), np.float32), np.zeros((len(queries), k), np.int64)

    class Faiss:
        StandardGpuResources = Resources
        GpuClonerOptions = Options

        @staticmethod
        def index_cpu_to_gpu(resources: Any, number: Any, index: DenseIndex, options: Any) -> Any:
            made.update(number=number, cuvs=options.use_cuvs, thread=threading.get_ident())
            return Clone()

    made: dict[str, Any] = {}
    seen: set[int] = set()
    clone = GpuClone(object(), Placement("cuda:3", True, "asked for"), Faiss)
    askers = [threading.Thread(target=clone.search, args=(np.zeros((1, 4), np.float32), 2, 0)) for _ in range(5)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    clone.close()
    assert seen == {made["thread"]}
    assert seen != {threading.get_ident()}
    assert (made["number"], made["cuvs"]) == (3, True)
    assert made["memory"] == 256 << 20


def test_no_provider_is_an_error_with_every_install_line() -> None:
    with pytest.raises(ProviderError) as caught:
        choose([])
    for extra in ("cpu", "gpu-cu12", "gpu"):
        assert f'pip install "xtr-assets[{extra}]"' in str(caught.value)


def test_two_providers_are_an_error_that_says_what_to_remove() -> None:
    with pytest.raises(ProviderError, match=r"2 distributions.*`pip uninstall faiss-cpu`.*--no-deps faiss-gpu-cuvs`"):
        choose(["faiss-gpu-cuvs", "faiss-cpu"])
    with pytest.raises(ProviderError, match="pip uninstall faiss-cpu faiss-gpu`"):
        choose(["faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs"])


def test_one_provider_listed_twice_is_one() -> None:
    assert choose(["faiss-cpu", "faiss-cpu"]) == "faiss-cpu"


def test_the_provider_says_how_faiss_was_compiled() -> None:
    installed = provider()
    assert installed.version == load_faiss().__version__
    assert installed.compile_options
    assert installed.as_json()["distribution"] == installed.distribution


def test_importing_the_index_package_loads_neither_faiss_nor_numba() -> None:
    code = "import sys, xtr_assets.index; print([name for name in ('faiss', 'numba', 'torch') if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.gpu
@pytest.mark.skipif(
    not provider().gpu or load_faiss().get_num_gpus() == 0, reason="no GPU, or a FAISS build that cannot use one"
)
@pytest.mark.parametrize("recipe", ["Flat", "IVF64,Flat"])
def test_a_gpu_answers_as_the_cpu_does(recipe: str) -> None:
    vectors = clustered(5000, dim=64)
    index = DenseIndex.build(vectors, recipe, target="gpu")
    queries = queries_near(vectors, 200)
    on_cpu = index.search(queries, 10)[1]
    on_gpu = index.to("cuda").search(queries, 10)[1]
    assert index.placement.device == "cuda:0"
    overlap = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(on_cpu, on_gpu, strict=True)])
    assert overlap >= 0.999
