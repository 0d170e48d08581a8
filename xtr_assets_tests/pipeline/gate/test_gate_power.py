"""The two error rates of the gate, in sixty simulated builds (benchmarks/gate_power.py has the long run)."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xtr_assets.index import TokenIndex
from xtr_assets_tests.index.late.token_corpus import make_corpus

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gate_power.py"
BUILDS = 60


@pytest.fixture(scope="module")
def power() -> Any:
    if not SCRIPT.is_file():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("gate_power", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules["gate_power"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pool(power: Any) -> Any:
    corpus = make_corpus(3000, length=20, queries=700, seed=3)
    return power.Pool.of(TokenIndex.build(corpus.tokens, corpus.offsets), corpus.queries)


@pytest.mark.long
def test_a_tuned_healthy_index_is_not_refused(power: Any, pool: Any) -> None:
    found = power.healthy(pool, BUILDS, np.random.default_rng(1), may_scan=False)
    assert found.unmet < BUILDS / 2, "the goal is met, or nothing is shown"
    assert found.recall < 1.0, "lists miss something, or nothing is shown"
    assert found.fixed == 0 and not any(found.new.values()), found


def test_an_index_below_the_threshold_is_refused(power: Any, pool: Any) -> None:
    generator = np.random.default_rng(2)
    assert power.below(pool, 0.03, BUILDS, generator) >= 0.99
    assert power.below(pool, 0.05, BUILDS, generator) == 1.0
    assert power.below_new(0.5, 16, BUILDS, generator) >= 0.7 and power.below_new(0.3, 50, BUILDS, generator) >= 0.9
