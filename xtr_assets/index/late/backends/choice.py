"""Which backend serves: the fastest there is, said in the log. All return the same rows and scores."""

import logging
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Literal

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.row_store import RowTokens
from xtr_assets.index import native
from xtr_assets.index.late.backends.native_backend import NativeBackend
from xtr_assets.index.late.backends.numba import CompiledBackend
from xtr_assets.index.late.backends.reference import Backend, PlacedPostings, ReferenceBackend
from xtr_assets.index.late.centroids import TokenModel

log = logging.getLogger(__name__)

BackendName = Literal["auto", "native", "numba", "numpy"]


def open_backend(
    name: BackendName, model: TokenModel, segments: Sequence[PlacedPostings], tokens: RowTokens
) -> Backend:
    """The backend of that name, "auto" the first of native, numba, numpy that is installed. Raises ProviderError."""
    if name == "native" and not native.available():
        raise ProviderError(
            f"backend 'native' asked for and the extension is not there ({native.missing or 'another version'}); "
            "install a C++20 compiler and reinstall, or use backend='auto'"
        )
    if name == "numba" and not _numba_installed():
        raise ProviderError("backend 'numba' asked for and numba is not installed; pip install numba")
    backend: Backend
    match best() if name == "auto" else name:
        case "native":
            backend = NativeBackend(model, segments, tokens)
            log.debug("token index: native serves (%s)", backend.instructions)
        case "numba":
            backend = CompiledBackend(model, segments, tokens)
        case "numpy":
            backend = ReferenceBackend(model, segments, tokens)
        case _:
            raise ProviderError(f"unknown backend {name!r}; one of auto, native, numba, numpy")
    return backend


@cache
def best() -> Literal["native", "numba", "numpy"]:
    """The fastest backend that is installed; said in the log once a process, with what it lacks."""
    if native.available():
        log.info("token index: the C++ extension serves (%s)", native.fastest())
        return "native"
    without = native.missing or "it is of another version"
    if _numba_installed():
        log.warning("token index: numba serves, several times slower than the C++ extension (%s)", without)
        return "numba"
    log.warning("token index: numpy serves; neither the C++ extension (%s) nor numba is installed", without)
    return "numpy"


def _numba_installed() -> bool:
    return find_spec("numba") is not None
