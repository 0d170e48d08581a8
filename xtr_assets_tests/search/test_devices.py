"""Where the parts of a searcher serve, and that a token index on a GPU answers as on the CPU.

torch's own CPU stands in for the GPU; `pytest -m gpu` asks a real one.
"""

import itertools
import logging

import numpy as np
import pytest
import torch

import xtr_assets as xa
from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.index.faiss_provider import load_faiss, provider
from xtr_assets.index.late.gpu import availability
from xtr_assets.index.late.gpu.availability import Choice, cuda_obstacle
from xtr_assets.index.late.gpu.device_search import DeviceSearch
from xtr_assets.search import Searcher
from xtr_assets.search.ranker import Mode
from xtr_assets.search.retrievers import DenseSpace
from xtr_assets_tests.search.conftest import texts

QUERIES = texts(12, 77)
MODES: tuple[Mode, ...] = ("xtr", "hybrid")
NO_GPU = cuda_obstacle(0)


def test_auto_says_where_each_index_serves_and_why(
    warehouse: xa.Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(availability, "has_driver", lambda: False)
    with caplog.at_level(logging.INFO), Searcher(warehouse, device="auto") as searcher:
        assert searcher.devices["xtr"] == "cpu"
        assert searcher.device_reasons["xtr"].startswith("no NVIDIA driver here")
    assert "xtr on cpu (no NVIDIA driver here" in caplog.text


@pytest.mark.skipif(NO_GPU is None, reason="there is a GPU")
def test_cuda_without_a_gpu_is_an_error_and_the_generation_is_let_go(warehouse: xa.Warehouse) -> None:
    with pytest.raises(ProviderError, match=r"device 'cuda' cannot serve"):
        Searcher(warehouse, device="cuda")
    with pytest.raises(InvalidInput, match="device 'gpu' is unknown; allowed: auto, cpu"):
        Searcher(warehouse, device="gpu")
    with pytest.raises(InvalidInput, match="device 0 is unknown; allowed: auto, cpu"):
        Searcher(warehouse, device=0)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"device_memory is '1GB'; pass a whole number of at least 0 \(bytes\)"):
        Searcher(warehouse, device_memory="1GB")  # type: ignore[arg-type]


def test_a_token_index_on_a_device_answers_every_mode_as_the_cpu_does(
    warehouse: xa.Warehouse, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def on(choice: Choice, memory_bytes: int | None) -> DeviceSearch:
        asked.append(memory_bytes)
        return DeviceSearch(torch.device("cpu"), torch.float16, choice, memory_bytes)

    monkeypatch.setattr(availability, "cuda_obstacle", lambda number: None)
    monkeypatch.setattr(DeviceSearch, "on", on)
    dense = searcher._now().dense
    assert isinstance(dense, DenseSpace)
    monkeypatch.setattr("xtr_assets.search.reader.open_dense", lambda generation, _: dense.index)
    with Searcher(warehouse, device="cuda:1,0", device_memory=1 << 26) as on_device:
        assert on_device.devices["xtr"] == "cuda:1" and asked == [1 << 26]
        on_device._encoder = searcher._encoder
        for mode, where in itertools.product(MODES, (None, {"source": "docs"})):
            batch = on_device.search_batch(QUERIES, 10, mode, where)
            for query, hits in zip(QUERIES, batch, strict=True):
                alone = on_device.search(query, 10, mode, where)
                assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in alone]
                if mode == "xtr":
                    assert hits == searcher.search(query, 10, mode, where)


@pytest.mark.gpu
@pytest.mark.skipif(NO_GPU is not None, reason=f"no GPU: {NO_GPU}")
@pytest.mark.parametrize("mode", ["xtr", "hybrid"])
def test_a_searcher_on_a_gpu_answers_as_on_the_cpu(warehouse: xa.Warehouse, searcher: Searcher, mode: Mode) -> None:
    # The dense index goes where its FAISS can: "auto" serves with a CPU build of FAISS beside a CUDA build of torch.
    cuda = "cuda" if provider().gpu and load_faiss().get_num_gpus() else "auto"
    with Searcher(warehouse, device=cuda) as on_gpu:
        assert on_gpu.devices["xtr"] == "cuda:0"
        found = [
            len({h.chunk_id for h in on_gpu.search(q, 10, mode)} & {h.chunk_id for h in searcher.search(q, 10, mode)})
            for q in QUERIES
        ]
    assert np.mean(found) / 10 >= 0.98
