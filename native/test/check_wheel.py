"""What a wheel must do where it was just installed, with numpy alone beside it: all modules are there, search and
compute as numpy does, and look into a folder as Python does."""

import os
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from xtr_assets.index import native
from xtr_assets.index.late.index import TokenIndex

assert native.available(), native.missing
rng = np.random.default_rng(0)
offsets = np.arange(0, 4001, 8)
tokens = rng.normal(size=(4000, 32)).astype(np.float32)
compiled = TokenIndex.build(tokens, offsets, backend="native")
plain = TokenIndex(
    type(compiled._state)(compiled.model, compiled._state.segments, compiled.live, "numpy"), compiled.profile
)
for query in tokens[:160].reshape(20, 8, 32):
    for one, other in zip(compiled.search(query, 5), plain.search(query, 5), strict=True):
        np.testing.assert_array_equal(one, other)
print(compiled.backend, native.kernels.instruction_sets())


def beside(folder: str, name: str) -> Any:
    """A module of the wheel by its file: the packages of encoders and sources ask for more than numpy."""
    package = Path(native.kernels.__file__).parents[1]
    files = [file for end in EXTENSION_SUFFIXES if (file := package / folder / f"{name}{end}").exists()]
    spec = spec_from_file_location(name, files[0])
    assert isinstance(spec, ModuleSpec) and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


forward = beside("encoders", "_forward")
assert forward.instruction_sets()
print(forward.instruction_sets())
here = Path(__file__).parent
names, numbers, newest, _ = beside("sources", "_listing").look_into(os.fsencode(here))
assert names == b"\0".join(os.fsencode(one.name) for one in os.scandir(here))
assert len(numbers) == 48 * (1 + len(list(here.iterdir()))) and newest >= here.stat().st_mtime_ns
