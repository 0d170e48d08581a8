"""What a wheel must do where it was just installed: both modules are there, and search and compute as numpy does."""

import numpy as np

from xtr_assets.encoders import _forward
from xtr_assets.index import native
from xtr_assets.index.late.index import TokenIndex

assert native.available(), native.missing
rng = np.random.default_rng(0)
offsets = np.arange(0, 4001, 8)
tokens = rng.normal(size=(4000, 32)).astype(np.float32)
native = TokenIndex.build(tokens, offsets, backend="native")
numpy = TokenIndex(type(native._state)(native.model, native._state.segments, native.live, "numpy"), native.profile)
for query in tokens[:160].reshape(20, 8, 32):
    for one, other in zip(native.search(query, 5), numpy.search(query, 5), strict=True):
        np.testing.assert_array_equal(one, other)
print(native.backend, native.kernels.instruction_sets())
assert _forward.instruction_sets()
print(_forward.instruction_sets())
