"""From a device's name to what serves there. Without a GPU nothing of torch is imported."""

import logging

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.token_codec import TOKEN_CODEC
from xtr_assets.index.late.gpu.availability import Choice, choose
from xtr_assets.index.late.gpu.device_search import DeviceSearch
from xtr_assets.index.late.state import IndexState

log = logging.getLogger(__name__)


def place(device: str, memory_bytes: int | None, state: IndexState) -> tuple[Choice, DeviceSearch | None]:
    """Where an index serves, and its search there; None on the CPU.

    "auto" takes the CPU where a GPU is there but too small, and says so. Raises ProviderError where a GPU was asked for
    and cannot serve, InvalidInput for an unknown name.
    """
    choice = choose(device)
    if choice.device == "cpu":
        return choice, None
    if state.codec != TOKEN_CODEC:
        reason = f"its rows are {state.codec}; a GPU searches {TOKEN_CODEC}"
        if device != "auto":
            raise ProviderError(f"device {device!r} cannot serve the token index: {reason}: use device='cpu' or 'auto'")
        return Choice("cpu", reason), None
    search = DeviceSearch.on(choice, memory_bytes)
    try:
        search.hold(state)
    except ProviderError as error:
        if device != "auto":
            raise
        log.warning("token index: the CPU serves, %s", error)
        return Choice("cpu", str(error)), None
    log.info("token index: %s serves (%s)", choice.device, choice.reason)
    return choice, search
