"""What serves here, with its reason: what `status` and the metrics show."""

import pytest

from xtr_assets.core.errors import InvalidInput, ProviderError
from xtr_assets.index import machine, native
from xtr_assets.index.faiss_provider import Provider
from xtr_assets.index.late.gpu import availability

CPU_ONLY = Provider("faiss-cpu", "1.15.1", "OPTIMIZE AVX2", gpu=False, cuvs=False)


@pytest.fixture(autouse=True)
def a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "provider", lambda: CPU_ONLY)
    monkeypatch.setattr(availability, "has_driver", lambda: False)


def test_auto_says_why_no_gpu_serves() -> None:
    found = machine.serves("IVF64,Flat")
    assert (found["dense"]["device"], found["xtr"]["device"]) == ("cpu", "cpu")
    assert found["dense"]["reason"].startswith("faiss-cpu has no GPU support; pip install")
    assert found["xtr"]["reason"].startswith("no NVIDIA driver here")
    assert found["dense"]["faiss"] == CPU_ONLY.as_json()


def test_a_gpu_that_was_asked_for_and_is_missing_is_shown_as_the_error_that_opening_raises() -> None:
    found = machine.serves(device="cuda")
    assert found["dense"]["device"] is found["xtr"]["device"] is None
    assert "device 'cuda' cannot serve" in found["dense"]["error"]
    assert "device 'cuda' cannot serve the token index" in found["xtr"]["error"]
    with pytest.raises(InvalidInput, match="device 'tpu' is unknown"):
        machine.serves(device="tpu")


def test_a_missing_faiss_is_shown_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Provider:
        raise ProviderError("no FAISS is installed")

    monkeypatch.setattr(machine, "provider", none)
    assert machine.serves()["dense"] == {"device": None, "error": "no FAISS is installed"}


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_slower_backend_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setattr(machine, "best", lambda: backend)
    monkeypatch.setattr(native, "missing", "no module named _kernels")
    found = machine.serves()["xtr"]
    assert (found["backend"], found["instructions"]) == (backend, None)
    assert found["without_extension"] == "no module named _kernels"
