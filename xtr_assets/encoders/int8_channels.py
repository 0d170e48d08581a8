"""The channels that int8 leaves in 16 bits: of the weights that are known here, found by `make_int8_channels.py`."""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from xtr_assets.core.errors import ProviderError
from xtr_assets.core.types import Int32s

CHANNELS_NAME = "int8_channels.json"
# Of each layer, of query, key and value together, the output of attention, and up: channels, int32, ascending. Those of
# down are wide, all of them.
WideChannels = Sequence[Sequence[Int32s]]


def wide_channels(weights_sha256: str) -> WideChannels:
    """Those of a model; ProviderError where this release knows none."""
    found = _shipped().get(weights_sha256)
    if found is None:
        raise ProviderError(
            f"precision int8 was not measured with the weights {weights_sha256[:8]}; use `precision: auto`, or find "
            "their channels with `python -m xtr_assets.encoders.make_int8_channels`"
        )
    return [[np.array(channels, np.int32) for channels in layer] for layer in found]


@cache
def _shipped() -> dict[str, list[list[list[int]]]]:
    loaded: dict[str, list[list[list[int]]]] = json.loads(
        resources.files("xtr_assets.encoders").joinpath(CHANNELS_NAME).read_text("ascii")
    )
    return loaded
