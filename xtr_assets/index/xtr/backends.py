"""Which backend serves: the fastest there is, said in the log. All return the same rows and scores."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.rows import RowTokens
from xtr_assets.index.xtr.compiled import CompiledBackend
from xtr_assets.index.xtr.model import TokenModel
from xtr_assets.index.xtr.reference import Backend, PlacedPostings, ReferenceBackend

log = logging.getLogger(__name__)

BackendName = Literal["auto", "numba", "numpy"]


def open_backend(
    name: BackendName, model: TokenModel, segments: Sequence[PlacedPostings], tokens: RowTokens
) -> Backend:
    """The backend of that name; with "auto" numba where it is installed, else numpy. Raises ProviderError."""
    if name not in ("auto", "numba", "numpy"):
        raise ProviderError(f"unknown backend {name!r}; one of auto, numba, numpy")
    installed = find_spec("numba") is not None
    if name == "numba" and not installed:
        raise ProviderError("backend 'numba' asked for and numba is not installed; pip install numba")
    if name == "auto" and not installed:
        log.warning("token index: numba is not installed; numpy serves, about 20 times slower. pip install numba")
    backend: Backend
    if name == "numpy" or not installed:
        backend = ReferenceBackend(model, segments, tokens)
    else:
        backend = CompiledBackend(model, segments, tokens)
    log.info("token index: backend %s serves", backend.name)
    return backend


def check_device(device: str) -> None:
    """Refuse a device that the token index is not searched on. Raises ProviderError."""
    if device not in ("auto", "cpu"):
        raise ProviderError(
            f"device {device!r} asked for; this release searches token indexes on the CPU: use device='cpu' or 'auto'"
        )
