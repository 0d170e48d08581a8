import importlib.metadata
import subprocess
import sys
from typing import Any

import pytest

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.core.recipe_grammar import parse_recipe
from xtr_assets.index import DenseIndex
from xtr_assets.index.dense.gpu_placement import place
from xtr_assets.index.faiss_provider import Provider, choose, installed_distribution, load_faiss, provider
from xtr_assets_tests.index.dense.dense_data import clustered

CPU_ONLY = Provider("faiss-cpu", "1.15.1", "OPTIMIZE AVX2", gpu=False, cuvs=False)
CLASSIC = Provider("faiss-gpu", "1.15.1", "OPTIMIZE GPU", gpu=True, cuvs=False)
CUVS = Provider("faiss-gpu-cuvs", "1.15.1", "OPTIMIZE GPU NVIDIA_CUVS", gpu=True, cuvs=True)


class FakeFaiss:
    """FAISS as far as the choice of a device goes, with so many GPUs."""

    def __init__(self, gpus: int = 0) -> None:
        self.gpus = gpus

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
        ("auto", "IVF8,PQ4x4", FakeFaiss(1), CUVS, ("cpu", "4-bit codes have no GPU clone")),
        ("auto", "IVF8_HNSW8,Flat", FakeFaiss(1), CUVS, ("cpu", "lists found by a graph have no GPU clone")),
        ("auto", "SQ8", FakeFaiss(1), CUVS, ("cpu", "SQ8 has no GPU clone")),
        (
            "auto",
            "PCA4,IVF8,SQ8",
            FakeFaiss(1),
            CUVS,
            ("cpu", "changed axes have no GPU clone"),
        ),
        ("auto", "SQfp16", FakeFaiss(1), CLASSIC, ("cuda:0", "SQfp16 clones")),
        ("auto", "HNSW8", FakeFaiss(1), CLASSIC, ("cpu", "graphs have no GPU clone without cuVS")),
        ("auto", "HNSW8_SQ8", FakeFaiss(1), CUVS, ("cpu", "cuVS makes graphs of whole vectors, not of SQ8 codes")),
        ("auto", "HNSW8", FakeFaiss(1), CUVS, ("cuda:0", "HNSW8 clones")),
        ("auto", "IVF8,SQfp16", FakeFaiss(1), CLASSIC, ("cuda:0", "clones")),
        ("auto", "IVF8,SQfp16", FakeFaiss(1), CUVS, ("cuda:0", "clones")),
        ("cuda:2,0", "IVF8,PQ4", FakeFaiss(3), CUVS, ("cuda:2,0", "asked for")),
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
    # FAISS's own GPU code searches scalar codes, in a cuVS build as well.
    assert placement.cuvs == (placement.device != "cpu" and installed.cuvs and "SQ" not in recipe)


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


def test_several_gpus_hold_copies_or_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place("cuda:0,1", parse_recipe("Flat"), FakeFaiss(2), CLASSIC, "shard").spread == "shard"
    with pytest.raises(ProviderError, match="FAISS sees 2 GPUs"):
        place("cuda:0,2", parse_recipe("Flat"), FakeFaiss(2), CLASSIC)
    with pytest.raises(InvalidInput, match="a graph cannot be cut into shards"):
        place("cuda:0,1", parse_recipe("HNSW8"), FakeFaiss(2), CUVS, "shard")
    with pytest.raises(InvalidInput, match="names a GPU twice"):
        place("cuda:1,1", parse_recipe("Flat"), FakeFaiss(2), CUVS)
    spread: Any = "mirror"
    with pytest.raises(InvalidInput, match="spread 'mirror' is unknown; allowed: replicate, shard"):
        place("cuda:0,1", parse_recipe("Flat"), FakeFaiss(2), CUVS, spread)


def test_the_provider_that_is_looked_up_by_name_is_the_one_whose_files_are_the_module() -> None:
    assert installed_distribution() == choose(importlib.metadata.packages_distributions()["faiss"])


def test_a_provider_of_another_name_is_found_by_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distributions", lambda **_: [])
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"faiss": ["faiss"]})
    assert installed_distribution.__wrapped__() == "faiss"


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
