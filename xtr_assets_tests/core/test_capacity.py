"""The calculator against builds that were measured: `builds.json`, by benchmarks/capacity.py and growth.py."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from xtr_assets.core.capacity import (
    ENCODING_US,
    QUERY_ENCODING_MS,
    Capacity,
    Corpus,
    capacity,
    centroid_count,
    divided,
)
from xtr_assets.core.errors import InvalidInput
from xtr_assets.index.late import training

BUILDS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("builds.json").read_text("utf-8"))
# What it holds to, times and divided by. A step of less than SMALL seconds, or a part of less than a thousandth of the
# bytes, is nothing that a plan is made by.
DISK, DISK_PART, CPU, CPU_STEP, MEMORY, QUERY, SMALL = 1.1, 2.1, 1.3, 2.2, 1.3, 2.1, 1.0


def planned(build: dict[str, Any]) -> Capacity:
    rows = build["chunks"]
    corpus = Corpus(
        rows,
        build["tokens"] / rows,
        build["text_bytes"] / rows,
        build["dim"],
        build["token_dim"],
        build["names"],
        build["encoder"],
    )
    return capacity(corpus)


def by_its_kernel(build: dict[str, Any], told: dict[str, float], rate: str, now: float) -> dict[str, float]:
    """What is told, its encoding by the rate of the kernel that a build of before encoded with."""
    return {**told, "encoding": told["encoding"] * build.get(rate, now) / now}


def within(told: float, measured: float, factor: float) -> bool:
    return measured / factor <= told <= measured * factor


@pytest.fixture(params=BUILDS, ids=lambda build: f"{build['chunks']}-{build['encoder']}")
def build(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_bytes_on_disk_are_those_of_a_build(build: dict[str, Any]) -> None:
    told = planned(build)
    # Two are of releases before there were postings of words.
    whole = told.disk_bytes - (0 if build["words"] else told.disk["lexical"])
    assert within(whole, build["disk_bytes"], DISK), (whole, build["disk_bytes"])
    for part, measured in build["disk"].items():
        if measured > build["disk_bytes"] / 1000:
            assert within(told.disk[part], measured, DISK_PART), (part, told.disk[part], measured)


def test_cpu_seconds_are_those_of_a_build(build: dict[str, Any]) -> None:
    plan, steps = planned(build), build["cpu_seconds"]
    told = by_its_kernel(build, plan.cpu_seconds, "encoding_us", ENCODING_US[build["encoder"]])
    for step, measured in steps.items():
        if measured > SMALL and step != "checks":
            assert within(told[step], measured, CPU_STEP), (step, told[step], measured)
    assert within(sum(told[step] for step in steps), sum(steps.values()), CPU)
    if build["process_cpu_seconds"] is not None:
        assert within(plan.encoding_seconds + plan.building_seconds, build["process_cpu_seconds"], CPU)


def test_a_build_that_no_constant_was_fitted_to_is_foretold() -> None:
    # asyncio, email, http, json and logging in one process, by int16: 51.2 CPU s of encoding, 61.4 in all.
    told = capacity(Corpus(2_654, 211_562 / 2_654))
    assert within(told.cpu_seconds["encoding"], 51.2, 1.1), told.cpu_seconds
    assert within(told.encoding_seconds + told.building_seconds, 61.4, CPU), told.cpu_seconds


def test_memory_of_a_build_is_what_its_process_took(build: dict[str, Any]) -> None:
    if build["peak_mb"] is not None:
        assert within(planned(build).building_bytes / 2**20, build["peak_mb"], MEMORY)


def test_a_process_that_searches_owns_and_spends_what_was_measured(build: dict[str, Any]) -> None:
    if build["hybrid_ms"] is not None:
        plan = planned(build)
        told = by_its_kernel(build, plan.query_ms, "query_encoding_ms", QUERY_ENCODING_MS[build["encoder"]])
        assert within(plan.searching_bytes, build["searching_bytes"], MEMORY)
        assert within(sum(told.values()), build["hybrid_ms"], QUERY)


def test_the_builds_are_of_every_size_and_both_encoders() -> None:
    assert {10_000, 100_000, 1_000_000} <= {one["chunks"] for one in BUILDS}
    assert {one["encoder"] for one in BUILDS} == {"minilm", "hashing"}
    assert sum(one["peak_mb"] is not None for one in BUILDS) >= 3
    assert sum(one["hybrid_ms"] is not None for one in BUILDS) >= 5


def test_parts_hold_all_chunks_and_none_more_than_it_may() -> None:
    for chunks in (1, 4_999_999, 5_000_000, 5_000_001, 10**9):
        whole = divided(Corpus(chunks))
        assert whole.part.corpus.chunks <= 5_000_000
        assert whole.parts * whole.part.corpus.chunks >= chunks > (whole.parts - 1) * whole.part.corpus.chunks


def test_what_is_not_there_costs_nothing() -> None:
    both, alone = (capacity(Corpus(100_000, token_dim=dim, names=False)) for dim in (48, 0))
    assert alone.disk["tokens"] == alone.disk["postings"] == alone.disk["names"] == 0
    assert alone.cpu_seconds["tokens"] == alone.query_ms["tokens"] == 0.0
    assert alone.disk_bytes < both.disk_bytes / 3


def test_twice_the_chunks_never_take_less() -> None:
    sizes = [divided(Corpus(10_000 * 2**power)) for power in range(20)]
    for small, large in pairwise(sizes):
        assert large.disk_bytes > small.disk_bytes
        assert large.encoding_hours > small.encoding_hours
        assert large.searching_bytes > small.searching_bytes


@pytest.mark.parametrize("wrong", [{"chunks": 0}, {"chunks": 5, "dim": 0}, {"chunks": 5, "tokens_a_chunk": -1.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="cannot be planned"):
        Corpus(**wrong)


def test_an_encoder_that_nobody_measured_is_refused() -> None:
    with pytest.raises(InvalidInput, match="was not measured; minilm, hashing were"):
        Corpus(5, encoder="xtr")  # type: ignore[arg-type]


def test_centroids_are_as_many_as_training_makes_and_beyond_16_bits_a_token_takes_two_bytes_more() -> None:
    for tokens in (100_000, 268_435_456, 268_500_000, 500_000_000, 1_073_741_823, 1_073_741_824, 10**10, 10**12):
        assert centroid_count(tokens) == training.centroid_count(tokens)
    below, above = (capacity(Corpus(chunks, tokens_a_chunk=100)) for chunks in (10_700_000, 10_800_000))
    assert centroid_count(below.corpus.tokens) == 65_536 < 131_072 < centroid_count(above.corpus.tokens)
    a_token = [one.disk["postings"] / one.corpus.tokens for one in (below, above)]
    assert a_token[1] - a_token[0] == pytest.approx(2, abs=0.01)
