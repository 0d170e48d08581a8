"""Tiles (AMX) against registers: the same bits, in threads, after a fork; and processes that are not lent them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from xtr_assets.core.types import Floats, Int32s
from xtr_assets.encoders.bert_shape import BertShape
from xtr_assets.encoders.native_pass import _load, engines
from xtr_assets_tests.encoders.test_native_pass import LAYERS, POSITIONS, WORDS, states, tensors

TILES, REGISTERS = "amx_int16", "avx512_int16"
here = pytest.mark.skipif(TILES not in engines("int16"), reason="this processor or this system has no AMX tiles")


def opened(engine: str, weights: dict[str, Floats], hidden: int) -> Any:
    return _load(engine, weights, BertShape(hidden, LAYERS, hidden // 32, POSITIONS, 1e-12))


def texts(*lengths: int) -> list[Int32s]:
    chance = np.random.default_rng(lengths)
    return [chance.integers(0, WORDS, n).astype(np.int32) for n in lengths]


def assert_same(found: list[Floats], expected: list[Floats]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.view(np.uint32), other.view(np.uint32))


def spoilt(weights: dict[str, Floats]) -> dict[str, Floats]:
    """Single weights that take all 16 bits, single channels that are large, a word that is no number."""
    for name, one in weights.items():
        if one.ndim == 2 and "layer" in name:
            one[::3, 5] = 3000.0 * np.where(np.arange(len(one[::3])) % 2, 1, -1)
        if name.endswith("LayerNorm.bias"):
            one[[0, 40, 127 % len(one)]] = 80.0
    weights["embeddings.word_embeddings.weight"][7, 3] = np.nan
    return weights


# 32 a width, but not 64: half of a tile is left over. The third is MiniLM's.
@here
@pytest.mark.parametrize(("hidden", "inner"), [(128, 192), (96, 160), (384, 1536)])
@pytest.mark.parametrize("change", [dict, spoilt], ids=["drawn", "spoilt"])
def test_tiles_have_the_bits_of_registers(hidden: int, inner: int, change: Any) -> None:
    weights = change(tensors(hidden, inner))
    tiles, registers = (opened(name, weights, hidden) for name in (TILES, REGISTERS))
    for lengths in (*((n,) for n in (1, 2, 15, 16, 17, 31, 32, 33, 49)), (3, 0, 17), (140, 140, 140, 92), (1,) * 40):
        rows = texts(*lengths)
        assert_same(states(tiles, hidden, rows), states(registers, hidden, rows))


@here
def test_each_thread_configures_its_own() -> None:
    weights = tensors(128, 192)
    tiles, registers = (opened(name, weights, 128) for name in (TILES, REGISTERS))
    work = [texts(1 + n % 37, n % 5) for n in range(60)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda rows: states(tiles, 128, rows), work))
    for rows, one in zip(work, found, strict=True):
        assert_same(one, states(registers, 128, rows))


FORKED = """
import os, sys
import numpy as np
from xtr_assets_tests.encoders.test_tiles import REGISTERS, TILES, assert_same, opened, states, tensors, texts
tiles, registers = (opened(name, tensors(128, 192), 128) for name in (TILES, REGISTERS))
rows = texts(5, 40)
expected = states(registers, 128, rows)
assert_same(states(tiles, 128, rows), expected)
child = os.fork()
assert_same(states(tiles, 128, rows), expected)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@here
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_is_lent_what_its_parent_was() -> None:
    found = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


REFUSED = """
import ctypes, sys
class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
room = ctypes.create_string_buffer(8192)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.sigaltstack(ctypes.byref(Stack(ctypes.addressof(room), 0, len(room))), None) == 0
from xtr_assets_tests.encoders.test_tiles import LAYERS, engines, opened, states, tensors, texts
name = engines("auto")[0]
print(name)
assert len(states(opened(name, tensors(128, 192), 128), 128, texts(5, 40))) == LAYERS + 1
"""


@here
def test_a_process_that_is_not_lent_tiles_uses_registers() -> None:
    """Linux refuses them where a thread's stack for signals is too small for their state."""
    found = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [REGISTERS]
